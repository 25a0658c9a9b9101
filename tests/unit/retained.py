"""Made-up results of several benchmarks, and of perplexity on the same pruned models."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sparc3_tasks.zero_shot import ZeroShot
from sparc3_tasks.zero_shot.benchmarks import known
from unit.results import make_result

from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.curve import curve_numbers

DENSE = {"piqa": 0.7, "lambada_openai": 0.4}
"""How often the dense model is right."""

AMOUNTS = (0.0, 0.3, 0.5)


def answered(
    scorer: str = "wanda",
    left: Sequence[float] = (1.0, 0.9, 0.8),
    *,
    amounts: Sequence[float] = AMOUNTS,
    items: int = 100,
    dense: Mapping[str, float] = DENSE,
    **changes: Any,
) -> Result:
    """Return a result of task `zero-shot` with so much left of every share of right answers.

    Parameters
    ----------
    left
        At every amount; the same for all benchmarks. Of what the dense model has right, the same
        items are right in all results but for a few that go with the scorer.
    items
        Of every benchmark.
    dense
        By benchmark, how often the dense model is right.
    """
    task = ZeroShot(benchmarks=",".join(dense), limit=items)
    samples = [
        {
            f"{name}/{kind}": _right(name, scorer, rate, share, items)
            for name, rate in dense.items()
            for kind in known(name).metrics
        }
        for share in left
    ]
    curve = curve_numbers(task, amounts, samples, {}, "lowest")
    metrics = [
        MetricRecord(name=m.name, direction=m.direction, unit=m.unit, title=m.title)
        for m in task.metrics_for("lowest")
    ]
    columns = {m.name: [point[m.name] for point in curve.points] for m in metrics}
    result = make_result(
        scorer,
        columns["accuracy"],
        amounts=amounts,
        metrics=metrics,
        others=columns,
        task="zero-shot",
        intervals={m.name: [ends[m.name] for ends in curve.intervals] for m in metrics},
        evaluation_digest="f" * 64,
        **changes,
    )
    options = {"benchmarks": ",".join(dense), "limit": items}
    spec = result.spec.model_copy(
        update={"task": result.spec.task.model_copy(update={"options": options})}
    )
    points = tuple(
        point.model_copy(update={"samples": own})
        for point, own in zip(result.points, samples, strict=True)
    )
    return result.model_copy(update={"spec": spec, "key": spec.key, "points": points})


def perplexed(scorer: str, values: Sequence[float], **changes: Any) -> Result:
    """Return a result of task `compression` at the same amounts."""
    return make_result(scorer, values, **{"amounts": AMOUNTS, "windows": 16, **changes})


def both(merits: Mapping[str, float], **changes: Any) -> list[Result]:
    """Return results of both tasks; a scorer keeps the more, the closer its merit is to 1."""
    found = []
    for scorer, merit in merits.items():
        harm = [amount * (1 - merit) for amount in AMOUNTS]
        own = {"is_control": scorer == "random", **changes}
        found.append(answered(scorer, [1 - one for one in harm], **own))
        found.append(perplexed(scorer, [20 * np.exp(8 * one) for one in harm], **own))
    return found


def pairs(*results: Result) -> list[tuple[Path, Result]]:
    return [(Path(result.spec.path), result) for result in results]


def _right(name: str, scorer: str, rate: float, share: float, items: int) -> tuple[float, ...]:
    """Return which items are right: the dense model's first ones, and of these a share."""
    count = round(rate * items)
    kept = np.arange(items) < round(share * count)
    if share < 1:
        # Some others of those that the dense model has right.
        generator = np.random.default_rng(zlib.crc32(f"{name} {scorer}".encode()))
        kept[:count] = generator.permutation(kept[:count])
    return tuple(map(float, kept))
