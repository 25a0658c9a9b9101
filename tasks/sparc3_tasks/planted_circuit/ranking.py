"""How well scores rank the true circuit above the rest: AUROC, average precision, intervals."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc3_bench import Estimate, interval

REPLICATES = 2000
_AT_ONCE = 4_000_000
"""Units counted at once, over replicates: arrays of some 30 MB."""

Array = NDArray[Any]


def estimates(scores: Array, truth: Array) -> dict[str, Estimate]:
    """Return both numbers with their 95 % intervals, of scores and truth ``[units]``.

    Intervals are by `sparc3_bench.statistics.interval` of bootstrap replicates that draw units with
    replacement, the same for every scorer, and end at 0 and 1. Both numbers follow from pairs of a
    unit of the circuit and one of the rest: as many are independent as there are units of the rarer
    kind.
    """
    order = np.argsort(-scores, kind="stable")
    truth, ranked = truth[order], scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    values = numbers(np.ones((1, len(truth)), dtype=np.int64), truth, starts)
    # Draws are of the units in the order they came in, whatever their scores.
    replicates = [numbers(drawn[:, order], truth, starts) for drawn in _draws(len(truth))]
    found = {}
    for name, value in values.items():
        drawn = np.concatenate([replicate[name] for replicate in replicates])
        # A replicate without one of the two kinds has no such number.
        known = drawn[np.isfinite(drawn)]
        rarer = min(int(truth.sum()), int((~truth).sum()))
        if rarer < 2:
            found[name] = Estimate(float(value[0]))
            continue
        low, high = interval(float(value[0]), known, rarer)
        found[name] = Estimate(float(value[0]), max(low, 0.0), min(high, 1.0))
    return found


def numbers(counts: Array, truth: Array, starts: Array) -> dict[str, Array]:
    """Return AUROC and average precision of every row of `counts`, how often each unit is counted.

    They are ``[replicates, units]``, the highest score first; runs of equal scores begin at
    `starts`.
    """
    inside = np.add.reduceat(counts * truth, starts, axis=1).astype(np.float64)
    outside = np.add.reduceat(counts * ~truth, starts, axis=1).astype(np.float64)
    inside_above, outside_above = inside.cumsum(1), outside.cumsum(1)
    positives, negatives = inside_above[:, -1:], outside_above[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of a tie, half: that is what mid-ranks give.
        below = negatives - outside_above + outside / 2
        auroc = (inside * below).sum(1) / (positives * negatives)[:, 0]
        # A run of equal scores is one threshold; it counts only where it finds something.
        precision = inside_above / np.maximum(inside_above + outside_above, 1)
        average = (inside * precision).sum(1) / positives[:, 0]
    return {"auroc": auroc, "average_precision": average}


def _draws(units: int) -> Iterator[Array]:
    """Yield how often each unit is drawn, some replicates at a time, ``[replicates, units]``."""
    generator = np.random.default_rng([zlib.crc32(b"planted-circuit"), units])
    most = max(1, _AT_ONCE // units)
    for start in range(0, REPLICATES, most):
        rows = min(most, REPLICATES - start)
        drawn = generator.integers(units, size=(rows, units))
        drawn += np.arange(rows)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
