"""Rounds: a step and its floor timed in turns, as a machine whose speed drifts moves both."""

from __future__ import annotations

import datetime
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cpuinfo
import torch

ROUNDS = int(os.environ.get("ROUNDS") or 3)
"""With one thread; with more, where a machine has less to spare, one fewer."""
ROWS = os.environ.get("ROWS")
"""A file to which what was found is added, row by row, so that an end in the middle loses none."""


def clock() -> float:
    """Return seconds; with one thread not those of others who use the machine."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def seconds(step: Callable[[], object]) -> float:
    start = clock()
    step()
    return clock() - start


def compare(
    benchmark: Any,
    step: Callable[[], object],
    floor: Callable[[], float],
    about: dict[str, Any],
    *,
    timed: Callable[[Callable[[], object]], float] = seconds,
) -> None:
    """Time `step`, with `floor`, which returns its seconds, right before each round."""
    floors: list[float] = []
    steps: list[float] = []
    benchmark.pedantic(
        lambda: steps.append(timed(step)),
        setup=lambda: floors.append(floor()),
        rounds=max(1, ROUNDS - (torch.get_num_threads() > 1)),
    )
    ratios = [own / other for own, other in zip(steps, floors, strict=True)]
    report(benchmark, about, {"ratio": statistics.median(ratios)}, min(ratios), max(ratios))


def report(
    benchmark: Any, about: dict[str, Any], found: dict[str, float], least: float, most: float
) -> None:
    """Print what was found, and put it where it is kept."""
    row = {**about, **found, "least": least, "most": most}
    benchmark.extra_info |= row
    if ROWS:
        when = {"cpu": _cpu(), "date": str(datetime.datetime.now(datetime.UTC).date())}
        with Path(ROWS).open("a", encoding="utf-8") as file:
            print(json.dumps({**row, **when}), file=file)
    limit = f", at most {about['limit']}" if about.get("limit") else ""
    value = "  ".join(f"{name} {number:.2f}" for name, number in found.items())
    print(f"\n{value}  ({least:.2f} to {most:.2f}{limit})")  # noqa: T201  # what it is for


@cache
def _cpu() -> str:
    return str(cpuinfo.get_cpu_info()["brand_raw"])
