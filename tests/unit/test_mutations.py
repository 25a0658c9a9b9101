"""A file that does something else makes new what rests on it; one that says something, nothing."""

from __future__ import annotations

import importlib

from mutations import behaves, mutated, says

from sparc3_bench import source
from sparc3_bench.graph.step import Step
from sparc3_bench.host import default_host
from sparc3_bench.run.environment import RUNNER

STEP = 9
"""Every so many of the files is mutated, beside those that are named."""
EXPECTED = {
    "sparc3_bench/incremental.py": {"scorer wanda", "scorer lrp", "runner", "step Score"},
    "sparc3_bench/selection/membership.py": {"runner", "step Outline", "step Membership"},
    "sparc3_bench/selection/control.py": {"runner", "step Matched", "step Evaluate"},
    "sparc3_bench/model/masking.py": {"runner", "step Evaluate"},
    "sparc3_bench/run/search.py": {"runner"},
    "sparc3_bench/statistics/area.py": {"task ioi-circuit"},
    "sparc3_adapters/gpt2.py": {"adapter gpt2"},
    "sparc3_scorers/lrp_rules.py": {"scorer lrp"},
    "sparc3_scorers/lxt_worker.py": {"scorer lrp-lxt"},
    "sparc3_tasks/ioi_circuit/prompts.py": {"task ioi-circuit"},
    "sparc3_tasks/ioi_circuit/names.txt": {"task ioi-circuit"},
    "sparc3_bench/references.bib": set(),
    "sparc3_bench/leaderboard/pages.py": set(),
}
"""Some of what a mutation of the file moves; of a scorer or adapter nothing else."""


def steps() -> set[type[Step]]:
    """Return all steps of which a run is made."""
    importlib.import_module(RUNNER)
    found, waiting = set[type[Step]](), [Step]
    while waiting:
        for one in waiting.pop().__subclasses__():
            waiting.append(one)
            found |= {one} if one.__module__.startswith("sparc3_bench.") else set()
    return found


def test_a_mutant_moves_what_rests_on_it_and_its_words_move_nothing(tmp_path):
    host = default_host()
    kinds = ("scorer", "task", "adapter", "judge")
    things: dict[str, source.Code] = {
        f"{kind} {name}": entry.cls for kind in kinds for name, entry in host.all(kind).items()
    }
    things["runner"] = RUNNER
    things |= {f"step {one.__name__}": one for one in steps() if not one.__abstractmethods__}
    rests = {name: set(source.files_of(thing)) for name, thing in things.items()}
    every = sorted(set().union(*rests.values()))
    found = mutated({*every[::STEP], *EXPECTED}, things, tmp_path)
    assert len(found) >= 25
    for file, moved in found.items():
        assert not moved.words, file
        if file.endswith(".py"):
            assert moved.behaviour == {name for name in things if file in rests[name]}, file
    for file, expected in EXPECTED.items():
        moved = found[file].behaviour
        assert expected <= moved
        assert bool(expected) is bool(moved)
        if not file.startswith("sparc3_bench"):
            assert {name for name in moved if not name.startswith("task ")} <= expected


def test_the_mutants_are_what_they_are_said_to_be():
    text = 'def f(x):\n    """Say."""\n    return x + 1.5  # why\n'
    assert "return x + 2.5  # why" in behaves("a.py", text)
    assert behaves("a.py", "def f(): ...\n").endswith("mutated = True\n")
    assert '"""Said otherwise. Say."""' in says("a.py", text)
    assert behaves("a.txt", "a") != "a"
