"""A run whose scorer disturbs the model or the process fails, keeps nothing, and harms no other."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from integration import installing
from integration.answers import made, numbers, run
from sparc3_hostile.table import KINDS
from sparc3_scorers.gradient import Gradient

from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import save_model

PUT_BACK = ("hostile-replaces-linear", "hostile-sets-the-default-dtype", "hostile-leaves-a-process")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("disturbed") / "llama")


@pytest.fixture(autouse=True)
def with_hostile(monkeypatch) -> None:
    point = EntryPoint("hostile", "sparc3_hostile.scoring", "sparc3_bench")
    found = entry_points(group="sparc3_bench")
    monkeypatch.setattr(installing, "entry_points", lambda group: [point, *found])


def kinds(cache: Path) -> set[str]:
    """Return what kinds of values are kept."""
    return {path.name for path in (cache / "steps").iterdir()}


@pytest.mark.parametrize("schedule", ["one-shot", "blockwise"])
def test_it_fails_by_name_and_the_others_measure_what_they_measure(model, tmp_path, schedule):
    *failed, sound = run(model, tmp_path / "a", *PUT_BACK, "wanda", schedule=schedule)
    for name, result in zip(PUT_BACK, failed, strict=True):
        assert result.status == "failed"
        assert result.error.startswith(f"Disturbance: Scorer '{name}' left ")
        assert result.points == ()
    (alone,) = run(model, tmp_path / "b", "wanda", schedule=schedule)
    assert sound.status == "ok"
    assert numbers(sound) == numbers(alone)


@pytest.mark.parametrize("schedule", ["one-shot", "blockwise"])
def test_nothing_of_it_is_kept(model, tmp_path, schedule):
    run(model, tmp_path, "hostile-edits-weights", schedule=schedule)
    assert not kinds(tmp_path) & {"Score", "Snapshot", "Blockwise"}


def test_no_snapshot_of_it_is_kept(model, tmp_path, monkeypatch):
    plain = Gradient.accumulate

    def accumulate(self, *given):
        done = plain(self, *given)
        KINDS["hostile-edits-weights"].act(None, given[0], None)
        return done

    monkeypatch.setattr(Gradient, "accumulate", accumulate)
    (cell,) = made(model, "gradient", snapshots=True)
    (result, _) = run_cell(cell, Place(tmp_path, Reporter()), "gradient")
    assert "Disturbance: Scorer 'gradient' left other bits in" in result.error
    assert not kinds(tmp_path) & {"Score", "Snapshot"}
