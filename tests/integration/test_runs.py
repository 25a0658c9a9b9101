"""Runs from the command line on a tiny model: right, kept, and resumed."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from circuits import call
from integration.installing import host_with
from sparc3_scorers.wanda import Wanda
from sparc3_tasks.compression import PreparedCompression

from sparc3_bench import Accumulator, ModelView, ReferenceSamples, ScoreMap, Scorer
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.place import Place
from sparc3_bench.selection.select import select
from sparc3_bench.testing.tiny import make_model, make_reference, make_view, save_model, save_text
from sparc3_bench.types.masks import KeepMask

SCORERS = ("wanda", "lrp", "gradient", "magnitude", "random")
SHAPES = {  # of a decoder block of the tiny llama
    "self_attn.q_proj": (32, 32),
    "self_attn.k_proj": (16, 32),
    "self_attn.v_proj": (16, 32),
    "self_attn.o_proj": (32, 32),
    "mlp.gate_proj": (48, 32),
    "mlp.up_proj": (48, 32),
    "mlp.down_proj": (32, 48),
}
SCOPE = 3 * sum(rows * columns for rows, columns in SHAPES.values())

Run = Callable[..., tuple[int, dict[str, Result]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 400, 1)
    save_text(folder / "evaluation.txt", 400, 2)
    return folder


@pytest.fixture
def run(folder, tmp_path) -> Run:
    """Return a function that does `sparc3 run`; it gives the exit code and results by scorer."""

    def run(*scorers: str, where: Path = tmp_path, **options: object) -> tuple[int, dict[str, Any]]:
        given = {"amounts": "0,0.3,0.6", "dtype": "float32", "model": folder / "llama"}
        given |= {"results": where / "results", "cache": where / "cache", **options}
        texts = {
            "reference_text": folder / "reference.txt",
            "evaluation_text": folder / "evaluation.txt",
            "reference_length": 32,
            "evaluation_length": 32,
            "reference_windows": 3,
            "evaluation_windows": 4,
        }
        arguments = ["run"]
        arguments += [part for name in scorers for part in ("--scorer", name)]
        arguments += [
            part for n, v in given.items() for part in (f"--{n}", *([] if v is None else [str(v)]))
        ]
        arguments += [part for n, v in texts.items() for part in ("--task-option", f"{n}={v}")]
        code = call(*arguments)
        files = sorted(Path(given["results"]).rglob("*.json"))
        results = {path.name.split("--")[0]: read_result(path) for path in files}
        assert all(path.name.endswith(f"--{read_result(path).key}.json") for path in files)
        return code, results

    return run


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """Return a list that grows with every evaluation: of the dense model, or of a pruned one."""
    seen: list[str] = []
    plain = PreparedCompression.evaluate

    def evaluate(task: Any, model: Any, dense: Any, progress: Any) -> Any:
        seen.append("dense" if dense is None else "pruned")
        return plain(task, model, dense, progress)

    monkeypatch.setattr(PreparedCompression, "evaluate", evaluate)
    return seen


def removed_by_row(amount: float) -> int:
    """Return how many weights go: in tenths, rounded down in every row."""
    return 3 * sum(rows * (columns * round(amount * 10) // 10) for rows, columns in SHAPES.values())


def test_every_scorer_gives_a_whole_and_right_result(run, measured):
    code, results = run(*SCORERS)
    assert code == 0
    assert sorted(results) == sorted(SCORERS)
    assert measured == ["dense"] + ["pruned"] * 2 * len(SCORERS)
    parameters = sum(p.numel() for p in make_model("llama").parameters())
    for name, result in results.items():
        assert (result.status, result.error) == ("ok", None)
        assert result.is_control is (name == "random")
        assert list(result.cost) == ["attribution", "evaluation"]
        dense = result.points[0]
        assert (dense.amount.weights_removed, dense.metrics["kl"]) == (0, 0)
        assert dense == results["wanda"].points[0]
        for point, amount in zip(result.points, (0, 0.3, 0.6), strict=True):
            removed = removed_by_row(amount)
            assert point.amount.requested == amount
            assert point.amount.weights_removed == removed
            assert point.amount.in_scope == removed / SCOPE
            assert point.amount.in_model == removed / parameters
            losses, divergences = point.samples["loss"], point.samples["kl"]
            assert len(losses) == len(divergences) == 4
            assert point.metrics["perplexity"] == pytest.approx(math.exp(sum(losses) / 4))
            assert point.metrics["kl"] == pytest.approx(sum(divergences) / 4)
            assert (min(divergences) > 0) is (amount > 0)
    assert len({result.points[2].metrics["kl"] for result in results.values()}) == len(SCORERS)


def windows_of(path: Path) -> list[list[int]]:
    """Return the twelve windows of a text of words that are numbered like their tokens."""
    tokens = [int(word[1:]) for word in path.read_text().split()]
    return [tokens[start : start + 32] for start in range(0, 12 * 32, 32)]


def losses_of(model: torch.nn.Module, folder: Path) -> Any:
    """Return what transformers itself says about the four evaluation windows."""
    rows = torch.tensor(windows_of(folder / "evaluation.txt")[::3])
    with torch.no_grad():
        losses = [float(model(row[None], labels=row[None]).loss) for row in rows]
    return pytest.approx(losses, rel=1e-5)


def test_dense_losses_are_those_of_the_model_itself(run, folder):
    point = run("magnitude", amounts="0")[1]["magnitude"].points[0]
    assert point.samples["loss"] == losses_of(make_model("llama"), folder)


def test_option_that_one_of_several_scorers_has_is_refused_by_none(run):
    code, results = run("magnitude", "gradient", **{"scorer-option": "aggregation=signed-mean"})
    assert (code, set(results)) == (0, {"magnitude", "gradient"})
    assert results["gradient"].spec.scorer.options["aggregation"] == "signed-mean"
    assert results["gradient"].asked["scorers"] == [["gradient", [0]]]


@pytest.mark.parametrize(
    ("unit", "removed"),
    [("neuron", 3 * 28 * 3 * 32), ("head", 3 * 2 * 8 * 32)],  # 28 of 48 neurons, 2 of 4 heads
)
def test_neurons_and_heads_go_as_a_whole(run, unit, removed):
    code, results = run("gradient", amounts="0.6", unit=unit)
    assert code == 0
    assert results["gradient"].spec.group == "layer"
    assert results["gradient"].points[1].amount.weights_removed == removed


def test_blockwise_scores_each_block_behind_the_pruned_ones(run, folder):
    code, results = run("wanda", "gradient", amounts="0.6", schedule="blockwise")
    assert code == 0
    drawn = random.Random(0).sample(windows_of(folder / "reference.txt"), 3)
    reference = replace(make_reference(), samples=drawn)
    for name, result in results.items():
        view, masks = make_view("llama"), {}
        for block in range(3):  # the whole model runs, with the blocks before pruned
            with view.masked(KeepMask(masks)):
                scores = default_host().get("scorer", name).cls().score(view, reference)
            own = {n: v for n, v in scores.items() if f"layers.{block}." in n}
            masks |= select(ScoreMap(own), 0.6, view).weights
        with view.masked(KeepMask(masks)):
            assert result.points[1].samples["loss"] == losses_of(view.model, folder)
        assert result.points[1].amount.weights_removed == removed_by_row(0.6)


def test_blockwise_is_one_shot_for_a_scorer_that_sees_the_weights_alone(run, tmp_path):
    at_once = run("magnitude")[1]["magnitude"]
    by_block = run("magnitude", schedule="blockwise", where=tmp_path / "b")[1]["magnitude"]
    assert by_block.points == at_once.points
    assert by_block.key != at_once.key


def test_second_run_computes_nothing(run, tmp_path, monkeypatch):
    first = run("wanda", "random")[1]
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    def never(*args: object) -> None:
        raise AssertionError("it was run again")

    monkeypatch.setattr(Place, "run", never)
    assert run("wanda", "random") == (0, first)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_runs_share_a_store_that_is_a_url(run, s3_folder, measured, tmp_path, monkeypatch):
    first = run("wanda", store=s3_folder)[1]["wanda"]
    monkeypatch.setattr(Wanda, "score", None)
    measured.clear()
    code, results = run("wanda", store=s3_folder, where=tmp_path / "elsewhere")
    assert (code, measured) == (0, [])
    assert results["wanda"].points == first.points
    assert not (tmp_path / "cache/steps").exists()


def test_run_with_more_amounts_measures_only_those(run, measured, tmp_path, monkeypatch):
    few = run("wanda", amounts="0.3", results=tmp_path / "few")[1]["wanda"]
    monkeypatch.setattr(Wanda, "score", None)
    measured.clear()
    code, results = run("wanda", amounts="0.3,0.6")
    assert (code, measured) == (0, ["dense", "pruned"])  # KL needs the dense model's memory
    assert results["wanda"].points[:2] == few.points


def test_interrupted_run_goes_on_where_it_stopped(run, measured, tmp_path, monkeypatch, capsys):
    plain = PreparedCompression.evaluate

    def interrupted(*args: Any) -> Any:
        if measured == ["dense", "pruned"]:
            raise KeyboardInterrupt
        return plain(*args)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedCompression, "evaluate", interrupted)
        code, results = run("gradient")
    (record,) = results.values()
    assert (code, record.status, record.points) == (130, "interrupted", ())
    assert record.error == "Interrupted; the same command goes on from there."
    told = capsys.readouterr().err
    points = {path: path.stat().st_mtime_ns for path in kept(tmp_path, "Evaluate")}
    assert [path.suffix for path in points] == [".json", ".json", ".link"]
    measured.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Accumulator, "fold", None)  # the attribution is kept, too
        code, results = run("gradient")
    assert (code, measured) == (0, ["dense", "pruned"])
    assert {path: path.stat().st_mtime_ns for path in points} == points
    assert results["gradient"].points == run("gradient", where=tmp_path / "b")[1]["gradient"].points
    assert "the same command goes on from there" in told


def kept(folder: Path, kind: str) -> list[Path]:
    """Return the files of a kind of step."""
    found = (folder / "cache/steps" / kind).rglob("*")
    return sorted((path for path in found if path.is_file()), key=lambda path: path.suffix)


@pytest.mark.parametrize("damage", [b"{}", b"\xff\xfe"])
@pytest.mark.parametrize(
    ("kind", "schedule"),
    [("Evaluate", "one-shot"), ("Score", "one-shot"), ("Blockwise", "blockwise")],
)
def test_damaged_kept_file_counts_as_absent(run, tmp_path, kind, schedule, damage):
    first = run("wanda", schedule=schedule)[1]
    for path in (tmp_path / "results").rglob("*.json"):
        path.unlink()
    damaged = kept(tmp_path, kind)
    assert damaged
    for path in damaged:
        path.write_bytes(damage)
    code, results = run("wanda", schedule=schedule)
    assert code == 0, results["wanda"].error
    assert results["wanda"].points == first["wanda"].points


def test_two_runs_in_fresh_caches_measure_the_same_to_the_last_bit(run, tmp_path):
    one, two = (run(*SCORERS, where=tmp_path / name)[1] for name in ("one", "two"))
    for name in SCORERS:
        left, right = (results[name].model_dump(mode="json")["points"] for results in (one, two))
        assert json.dumps(left) == json.dumps(right)
        assert one[name].key == two[name].key


class Failing(Scorer):
    """Raises in the middle of its work."""

    name = "failing"
    title = "Failing"

    def score(self, model: ModelView, reference: ReferenceSamples) -> dict[str, torch.Tensor]:
        def look(name: str, inputs: torch.Tensor) -> None:
            if "layers.1" in name:
                raise RuntimeError("no more memory")

        with model.observe(look):
            model.run(reference)
        return {}


class Flat(Scorer):
    """Gives one number a row."""

    name = "flat"
    title = "Flat"

    def score(self, model: ModelView, reference: ReferenceSamples) -> dict[str, torch.Tensor]:
        return {name: w.matrix.sum(1, keepdim=True) for name, w in model.weights().items()}


@pytest.fixture
def with_bad_scorers(monkeypatch) -> None:
    """Install two scorers that fail beside the built-in ones."""
    host = host_with("bad", scorers=[Failing, Flat])
    monkeypatch.setattr("sparc3_bench.host.default_host", lambda: host)


@pytest.mark.usefixtures("with_bad_scorers")
def test_scorer_that_fails_is_recorded_and_the_others_go_on(run, tmp_path, capsys):
    code, results = run("failing", "flat", "wanda")
    assert code == 1
    out = capsys.readouterr().out
    assert "Wanda" in out
    assert "Failing failed: RuntimeError: no more memory." in out
    assert [results[name].status for name in ("failing", "flat", "wanda")] == [
        *("failed", "failed", "ok")
    ]
    assert results["failing"].error == "RuntimeError: no more memory."
    assert results["failing"].points == ()
    assert results["flat"].error == (
        "Sparc3Error: Scorer 'flat' returned scores for 'model.layers.0.self_attn.q_proj' with "
        "shape [32, 1]; expected [32, 32] ([out_features, in_features]). Use weight.matrix, not "
        "module.weight."
    )
    assert results["wanda"].points == run("wanda", where=tmp_path / "b")[1]["wanda"].points


@pytest.mark.usefixtures("with_bad_scorers")
def test_failed_run_is_tried_again_when_asked_for(run, monkeypatch):
    assert run("flat")[1]["flat"].status == "failed"
    monkeypatch.setattr(Flat, "score", lambda self, *given: Wanda().score(*given))
    code, results = run("flat")
    assert (code, results["flat"].status) == (1, "failed")
    code, results = run("flat", **{"retry-failed": None})
    assert (code, results["flat"].status) == (0, "ok")
