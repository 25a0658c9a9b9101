"""Runs that keep snapshots: sizes of one reference cost together what the largest does alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sparc3_bench import ScoreMap, Sparc3Error
from sparc3_bench.graph.codec import AsTensors
from sparc3_bench.host import default_host
from sparc3_bench.record.parts import Phase
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.score import Score
from sparc3_bench.run.suite import load_suite
from sparc3_bench.testing.tiny import save_model, save_text

LENGTH, SIZES = 24, (1, 2, 4)


class Heard(Reporter):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 800, 1)
    save_text(folder / "evaluation.txt", 200, 2)
    save_text(folder / "other.txt", 800, 3)
    return folder


Made = tuple[Cell, Place]


def session(folder: Path, cache: Path, size: int, scorer: str = "gradient", **changes: Any) -> Made:
    options = {
        "reference_text": str(folder / "reference.txt"),
        "evaluation_text": str(folder / "evaluation.txt"),
        "reference_length": str(LENGTH),
        "evaluation_length": str(LENGTH),
        "evaluation_windows": "2",
        "reference_windows": str(size),
        "reference_draw": "nested",
    }
    if "text" in changes:
        options["reference_text"] = str(folder / changes.pop("text"))
    # One by one: batches would be others where a run goes on, and round otherwise.
    how = {"snapshots": True, "dtype": "float32", "batch_size": 1}
    given = {"scorers": [(scorer, [0])], **how, **changes}
    request = Request(
        task="compression", model=str(folder / "llama"), task_options=options, **given
    )
    (cell,) = plan(request, default_host(), cache)
    return cell, Place(cache, Heard())


def scored(made: Made) -> tuple[ScoreMap, Phase, int, list[str]]:
    """Return the scores, what they cost by the record, the tokens that ran, and what was said."""
    cell, place = made
    place.turn_to(cell, "it")
    (purpose,) = cell.purposes
    scores = place.get(Score(cell, purpose))
    (cost,) = place.costs()["attribution"]
    said = [line for line in place.report.lines if "snapshot" in line]
    return scores, cost, place.passed().tokens, said


def files(cache: Path, kind: str) -> list[Path]:
    return sorted((cache / "steps" / kind).rglob("*.safetensors"))


@pytest.mark.parametrize("scorer", ["gradient", "wanda", "lrp", "fisher", "gblm", "activation"])
def test_sizes_cost_together_what_the_largest_costs_alone(folder, tmp_path, scorer):
    ran = 0
    for size in SIZES:
        found, cost, tokens, said = scored(session(folder, tmp_path / "one", size, scorer))
        ran += tokens
        alone = session(folder, tmp_path / str(size), size, scorer, snapshots=False)
        expected, price, every, _ = scored(alone)
        assert cost.tokens == price.tokens == every == size * LENGTH
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        assert len(said) == (size > 1)
    assert ran == SIZES[-1] * LENGTH
    assert said == [f"it: 2 of 4 samples came from a snapshot; {2 * LENGTH} tokens were new"]
    assert len(files(tmp_path / "one", "Snapshot")) == len(SIZES)
    assert not files(tmp_path / "4", "Snapshot")


def test_a_snapshot_has_its_cost_and_its_name_beside_it(folder, tmp_path):
    scored(session(folder, tmp_path, 2))
    (path,) = files(tmp_path, "Snapshot")
    with path.open("rb") as file:
        about = AsTensors(dict, dict).about(file)
    assert about["cost"]["tokens"] == 2 * LENGTH
    assert about["key"] == path.stem


def test_a_snapshot_of_all_samples_is_enough(folder, tmp_path):
    first = scored(session(folder, tmp_path, 2))
    for path in files(tmp_path, "Score"):
        path.unlink()
    again = scored(session(folder, tmp_path, 2))
    assert again[2] == 0
    assert again[1].tokens == first[1].tokens
    assert all(torch.equal(again[0][name], first[0][name]) for name in first[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"scorer": "fisher"},
        {"scorers": [("gradient", [1])]},
        {"objective": "loss"},
        {"scope": "mlp"},
        {"scorer_options": {"aggregation": "signed-mean"}},
        {"text": "other.txt"},
    ],
    ids=str,
)
def test_other_samples_objectives_scopes_and_scorers_begin_from_zero(folder, tmp_path, changes):
    scored(session(folder, tmp_path, 2))
    _, _, tokens, said = scored(session(folder, tmp_path, 4, **changes))
    assert (tokens, said) == (4 * LENGTH, [])


def test_a_damaged_snapshot_counts_as_absent(folder, tmp_path):
    scored(session(folder, tmp_path, 1))
    scored(session(folder, tmp_path, 2))
    for path in files(tmp_path, "Snapshot"):
        path.write_bytes(path.read_bytes()[:-8])
    _, _, tokens, said = scored(session(folder, tmp_path, 4))
    assert tokens == 4 * LENGTH
    assert ["is damaged" in text for text in said] == [True, True]


@pytest.mark.parametrize(
    ("scorer", "options", "passes"),
    [
        ("magnitude", {}, 0),
        ("integrated-gradients", {"aggregation": "abs-of-mean", "steps": "3"}, 3),
    ],
)
def test_scorers_that_cannot_go_on_leave_no_snapshot(folder, tmp_path, scorer, options, passes):
    for size in (1, 2):
        made = session(folder, tmp_path, size, scorer, scorer_options=options)
        assert scored(made)[2] == size * LENGTH * passes
    assert not files(tmp_path, "Snapshot")


def test_snapshots_count_in_the_limit_of_the_cache(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "0")
    for size in SIZES:
        _, _, tokens, _ = scored(session(folder, tmp_path, size))
        assert tokens == size * LENGTH
    assert len(files(tmp_path, "Score")) == 1
    assert not files(tmp_path, "Snapshot")


def test_a_suite_asks_for_snapshots(tmp_path):
    suite = tmp_path / "sizes.toml"
    suite.write_text(
        'task = "compression"\nmodel = "m"\nscorers = ["wanda"]\n[[run]]\nsnapshots = true\n[[run]]'
    )
    assert [request.snapshots for request in load_suite(str(suite), default_host())] == [1, 0]


def test_snapshots_block_by_block_are_refused(folder, tmp_path):
    with pytest.raises(Sparc3Error, match="keeps no snapshots; leave `snapshots` out"):
        session(folder, tmp_path, 1, schedule="blockwise")
