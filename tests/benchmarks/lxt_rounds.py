"""A process with lxt in it: a round of its own use a line that it reads, and how long it took.

Its arguments are the step, the number format and the threads.
"""

from __future__ import annotations

import sys

import torch
from benchmarks.rounds import seconds
from benchmarks.steps import STEPS, Bench

if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    step = STEPS[sys.argv[1]](Bench.load(sys.argv[2]))
    step()
    for _ in sys.stdin:
        print(seconds(step), flush=True)  # noqa: T201  # the answer
