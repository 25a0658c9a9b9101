"""Results of crossed runs whose effects are planted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from unit.results import KL, PERPLEXITY, make_result

from sparc3_bench.host import default_host
from sparc3_bench.record.result import Result
from sparc3_bench.run.suite import load_suite

Run = tuple[str, str, str, str, int]
"""Scorer, group, allocation, repair, seed."""


@cache
def factorial() -> tuple[Run, ...]:
    """Return the runs of the suite."""
    return tuple(
        (name, request.group or "row", request.allocation, request.repair, seed)
        for request in load_suite("factorial", default_host())
        for name, seeds in request.scorers
        for seed in seeds
    )


def crossed(
    runs: Iterable[Run], nats: Callable[..., float], noise: float = 0.02, windows: int = 8
) -> list[Result]:
    """Return results whose log perplexity is `nats(scorer, group, allocation, repair)`.

    Windows differ alike in all, and by noise from run to run.
    """
    generator = np.random.default_rng(0)
    hard = generator.normal(size=windows)
    metrics = (PERPLEXITY.model_copy(update={"scale": "log", "clusters": windows}), KL)
    found = []
    for name, group, allocation, repair, seed in runs:
        own = nats(name, group, allocation, repair) + noise * generator.normal()
        losses = own + hard + noise * generator.normal(size=windows)
        value = math.exp(losses.mean())
        one = make_result(
            *(name, (20.0, value)),
            metrics=metrics,
            windows=windows,
            group=group,
            allocation=allocation,
            repair=repair,
            seed=seed,
        )
        dense, point = (
            p.model_copy(update={"samples": {"loss": tuple(some), "kl": (0.0,) * windows}})
            for p, some in zip(one.points, (hard + 3, losses), strict=True)
        )
        found.append(one.model_copy(update={"points": (dense, point)}))
    return found


def plausible(name: str, group: str, allocation: str, repair: str) -> float:
    """Return a log perplexity of which each sentence of the report has something to say."""
    way = {"row": 3.8, "layer": 3.75, "model": 5.5, "2:4": 4.8, "4:8": 4.3}[group]
    way += {"uniform": 0.0, "normalised": 0.1, "borrowed": -0.15, "owl": 0.05}[allocation]
    if group == "model" and name == "gradient":
        way = 3.6
    own = {"magnitude": 4.0, "sparsegpt": -0.05, "fisher": 0.1}.get(name, 0.0)
    return way + own - {"none": 0.0, "energy": 0.02, "obs": 0.2}[repair]
