"""Print the most memory, in bytes, that one step takes in a process of its own, model included."""

from __future__ import annotations

import sys

from benchmarks.steps import STEPS, Bench

from sparc3_bench.graph.cost import metered

if __name__ == "__main__":
    name, dtype = sys.argv[1:]
    step = STEPS[name](Bench.load(dtype))
    with metered() as meter:
        step()
    print(meter.phase.peak_bytes)  # noqa: T201  # the answer
