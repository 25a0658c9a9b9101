"""A change of code makes new exactly the steps that rest on it; words make none new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mutations import behaves, changed, copy_product, looked_up_in, says

from sparc3_bench import source
from sparc3_bench.graph.drive import drive
from sparc3_bench.graph.step import Step, each
from sparc3_bench.host import PluginHost
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.plan import Request, Shared, plan
from sparc3_bench.run.recipes import run_of
from sparc3_bench.testing.tiny import save_model, save_text

EVERY = 7
"""Every so many of all files is changed, beside those that are named."""
FROM_SCORES = frozenset({"Score", "CutsStep", "Rank", "Ranked", "CircuitSize", "CircuitOverlap"})
FROM_SCORES |= {"RankLikeness", "Membership", "Evaluate", "Curve", "Record"}
FROM_MEASURED = frozenset({"Evaluate", "DenseEvaluation", "Curve", "Record"})
NAMED = {
    "sparc3_bench/incremental.py": FROM_SCORES | {"Assess"},
    "sparc3_bench/selection/membership.py": frozenset(
        {"CircuitSize", "CircuitOverlap", "RankLikeness", "Membership", "Record"}
    ),
    "sparc3_bench/selection/control.py": frozenset(
        {"CutsStep", "Ranked", "Uniform", "Matched", "Evaluate", "CircuitSize", "CircuitOverlap"}
    )
    | {"Membership", "Curve", "Record", "MeanInputs", "DenseEvaluation"},
    "sparc3_bench/statistics/bootstrap.py": frozenset({"Curve", "Record", "Reaches"}),
    "sparc3_bench/run/controls.py": frozenset({"Curve", "Record"}),
    "sparc3_bench/model/ablation.py": None,
    "sparc3_adapters/gpt2.py": frozenset(),
    "sparc3_adapters/llama.py": None,
    "sparc3_scorers/wanda.py": FROM_SCORES,
    "sparc3_scorers/magnitude.py": FROM_SCORES | {"Assess"},
    "sparc3_tasks/texts/windows.py": FROM_SCORES | FROM_MEASURED | {"MeanInputs"},
    "sparc3_tasks/planted_circuit/ranking.py": FROM_SCORES | FROM_MEASURED | {"Assess"},
    "sparc3_bench/leaderboard/pages.py": frozenset(),
    "sparc3_bench/cli/run.py": frozenset(),
}
"""Some files, and all kinds of steps that a change there may make new; None for any kind."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 400, 1)
    save_text(folder / "evaluation.txt", 400, 2)
    return folder


class Runs:
    """Two runs that have every kind of step but those of a judge, planned as often as wanted."""

    def __init__(self, folder: Path) -> None:
        texts = {
            f"{kind}_text": str(folder / f"{kind}.txt") for kind in ("reference", "evaluation")
        }
        sizes = {
            f"{kind}_{what}": "24" if what == "length" else "4"
            for kind in ("reference", "evaluation")
            for what in ("length", "windows")
        }
        self._requests = [
            Request(
                scorers=[("wanda", [0])],
                task="compression",
                model=str(folder / "llama"),
                amounts=[0.5, 1],
                ablation="mean",
                controls=1,
                stability_seeds=1,
                dtype="float32",
                task_options={**texts, **sizes},
            ),
            Request(
                scorers=[("magnitude", [0])],
                task="planted-circuit",
                model="planted-ioi",
                dtype="float32",
            ),
        ]
        self._cache, self._shared = folder / "cache", Shared()

    def steps(self) -> dict[str, Step[Any]]:
        """Return all steps of both runs, by their place in them."""
        host = PluginHost()
        found: dict[str, Step[Any]] = {}
        for place, request in enumerate(self._requests):
            (cell,) = plan(request, host, self._cache, self._shared)
            for number, step in enumerate(_all(cell)):
                found[f"{place} {number} {type(step).__name__}"] = step
        return found


def _all(cell: Cell) -> Iterator[Step[Any]]:
    asked: list[Step[Any]] = []

    def guesses(wanted: Sequence[Step[Any]]) -> Sequence[Any]:
        asked.extend(wanted)
        return [step.guess() for step in wanted]

    asked.append(drive(run_of(cell), guesses))
    met = set()
    while asked:
        step = asked.pop(0)
        if step.key not in met:
            met.add(step.key)
            yield step
            asked += each(step.inputs)


def _rests_on(step: Step[Any], file: str, files: dict[str, set[str]]) -> bool:
    """Return whether a step, or what its name depends on, rests on a file."""
    own = files[type(step).__module__]
    plugins = [n for n in ("scorer", "task", "adapter") if f"'{n}': [" in str(step.recipe)]
    used = [
        type(getattr(step.cell, n)) if n != "adapter" else type(step.cell.model.adapter)
        for n in plugins
    ]
    reached = own.union(*(source.files_of(cls) for cls in used))
    named = {name: one for name, one in step.inputs.items() if name not in step.unnamed}
    return file in reached or any(_rests_on(one, file, files) for one in each(named))


def test_a_change_makes_new_what_rests_on_it_and_words_make_nothing_new(folder, tmp_path) -> None:
    runs = Runs(folder)
    steps = runs.steps()
    before = {name: step.key for name, step in steps.items()}
    files = {
        type(step).__module__: set(source.files_of(type(step).__module__))
        for step in steps.values()
    }
    classes = {
        type(one)
        for s in steps.values()
        if hasattr(s, "cell")
        for one in (s.cell.scorer, s.cell.task, s.cell.model.adapter)
    }
    every = sorted(set().union(*files.values(), *map(source.files_of, classes)))
    tried = [*dict.fromkeys([*every[::EVERY], *NAMED])]
    assert len(tried) >= 25
    rests = {
        file: {name for name, step in steps.items() if _rests_on(step, file, files)}
        for file in tried
    }
    copy_product(tmp_path)
    with looked_up_in(tmp_path):
        assert {name: step.key for name, step in runs.steps().items()} == before
        for file in tried:
            for how in (says, behaves):
                with changed(tmp_path, file, how):
                    now = {name: step.key for name, step in runs.steps().items()}
                new = {name for name, key in now.items() if key != before[name]}
                assert new == (set() if how is says else rests[file]), (file, how.__name__)
    for file, named in NAMED.items():
        kinds = {name.split()[-1] for name in rests[file]}
        if named is not None:
            assert kinds <= named, file
            assert bool(kinds) is bool(named), file


def test_the_mutants_are_what_they_are_said_to_be():
    text = 'def f(x):\n    """Say."""\n    return x + 1.5  # why\n'
    assert "return x + 2.5  # why" in behaves("a.py", text)
    assert behaves("a.py", "def f(): ...\n").endswith("mutated = True\n")
    assert '"""Said otherwise. Say."""' in says("a.py", text)
    assert behaves("a.txt", "a") != "a"
