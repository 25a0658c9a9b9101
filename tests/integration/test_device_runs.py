"""Runs on an accelerator, from zero and from what was kept: the numbers of the processor.

See `pretended`: on any machine without one; `pytest -m gpu` runs them on one that is there.
"""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from circuits import call
from pretended import pretending, watching

PLACES = ["pretended", "several", pytest.param("real", marks=pytest.mark.gpu)]

PRETENDED = {"pretended": "cuda:1", "several": "cuda:0,cuda:1"}

WAYS = {
    "rows": "--scorer wanda",
    "whole": "--scorer lrp --group model",
    "snapshots": "--scorer gradient --snapshots",
    "means": "--scorer gradient --unit neuron --group layer --ablation mean",
    "blocks": "--scorer wanda --schedule blockwise --group row",
    "nothing scored": "--scorer magnitude --group layer",
    "block by block": "--scorer lrp --group model --memory 1kB",
}


def run(folder: Path, name: str, device: str, *more: str) -> list[Any]:
    """Return the metrics of every point, and of its random controls."""
    options = {
        **{"reference_text": folder / "in/reference.txt", "reference_length": 32},
        **{"evaluation_text": folder / "in/evaluation.txt", "evaluation_length": 32},
        **{"reference_windows": 3, "evaluation_windows": 4},
    }
    given = [f"--task-option={key}={value}" for key, value in options.items()]
    results = folder / name / "results"
    shutil.rmtree(results, ignore_errors=True)
    where = ["--cache", folder / name / "cache", "--results", results, "--device", device]
    model = ["--model", folder / "in/llama", "--dtype", "float32"]
    assert call("run", *model, *where, *given, *more) == 0
    (path,) = (one for one in results.rglob("*--*.json") if not one.name.endswith("samples.json"))
    points = json.loads(path.read_text())["points"]
    return [[one["metrics"], one["control"]] for one in points]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_resumed_on_the_device_from_what_was_kept(folder, place, way):
    if place == "several" and "--memory" in WAYS[way]:
        pytest.skip("what is read block by block runs on one device")
    small, large = ("--amounts", "0,0.3"), ("--amounts", "0,0.3,0.6", "--controls", "2")
    options = WAYS[way].split()
    expected = run(folder, f"host {way}", "cpu", *options, *large)
    device, name = PRETENDED.get(place, "cuda:0"), f"{place} {way}"
    with pretending() if place in PRETENDED else nullcontext():
        run(folder, name, device, *options, *small)
        found = run(folder, name, device, *options, *large)
    if place in PRETENDED:
        assert found == expected
    else:
        for own, known in zip(found, expected, strict=True):
            assert own[0] == pytest.approx(known[0], rel=1e-2)


def test_what_is_read_block_by_block_runs_on_one_device(folder, capsys):
    model = ("--model", folder / "in/llama", "--memory", "1kB", "--device", "cuda:0,cuda:1")
    where = ("--cache", folder / "refused/cache", "--results", folder / "refused/results")
    with pretending():
        assert call("run", "--scorer", "lrp", *model, *where) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "what is read block by block runs on one device; name one with `--device`" in said


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", PLACES)
def test_a_plan_tries_every_kind_of_step_on_the_device(folder, place):
    context = pretending() if place in PRETENDED else watching()
    device = PRETENDED.get(place, "cuda:0")
    given = ["--task-option=reference_windows=3", "--task-option=evaluation_windows=4"]
    given += [f"--task-option={kind}_length=32" for kind in ("reference", "evaluation")]
    given += [
        f"--task-option={kind}_text={folder / 'in' / kind}.txt"
        for kind in ("reference", "evaluation")
    ]
    with context:
        code = call(
            *("plan", "--scorer", "wanda", "--scorer", "lrp", "--controls", "1", "--floors"),
            *("--ablation", "mean", "--model", folder / "in/llama", "--device", device, *given),
            *("--cache", folder / f"plan {place}", "--dtype", "float32"),
        )
    assert code == 0
