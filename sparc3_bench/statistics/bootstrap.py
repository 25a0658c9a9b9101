"""Bootstrap: means of samples drawn again with replacement, whole clusters at a time."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sparc3_bench.statistics.interval import interval
from sparc3_bench.statistics.numbers import Array
from sparc3_bench.types.values import Estimate

REPLICATES = 2000
"""Enough that their spread is known to 2 %."""


def resampled_means(
    samples: Sequence[Sequence[float]], clusters: Sequence[int] | None = None, seed: int = 0
) -> Array:
    """Return bootstrap replicates of the means of several rows of samples, ``[replicates, rows]``.

    Parameters
    ----------
    samples
        One row a model, one column a sample: ``[rows, samples]``.
    clusters
        The cluster of every column; samples of one cluster are drawn together
        [field2007clustered]. Each its own when None.
    seed
        Rows of one call, and calls with the same clusters and seed, draw the same samples, so that
        differences between them are paired.
    """
    values = np.asarray(samples, dtype=np.float64)
    names = range(values.shape[1]) if clusters is None else clusters
    member, drawn, sizes = _drawn(tuple(names), seed)
    count = drawn.shape[1]
    sums = np.stack([np.bincount(member, weights=row, minlength=count) for row in values])
    return np.asarray(drawn @ sums.T / sizes)


def mean_estimate(samples: Sequence[float], clusters: Sequence[int] | None = None) -> Estimate:
    """Return the mean of some samples with its 95 % interval; of one cluster, without.

    See `resampled_means` for clusters and `interval` for the interval.
    """
    mean = float(np.mean(samples))
    count = len(set(range(len(samples)) if clusters is None else clusters))
    if count < 2:
        return Estimate(mean)
    return Estimate(mean, *interval(mean, resampled_means([samples], clusters)[:, 0], count))


@lru_cache(maxsize=8)
def _drawn(clusters: tuple[int, ...], seed: int) -> tuple[NDArray[np.intp], Array, Array]:
    """Return in which cluster each column is, how often each is drawn, and of how many columns."""
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    sizes = np.bincount(member)
    drawn = draws(len(sizes), seed)
    return member, drawn, (drawn @ sizes)[:, None]


@lru_cache(maxsize=8)
def draws(clusters: int, seed: int) -> Array:
    """Return how often each cluster is drawn in every replicate, ``[replicates, clusters]``."""
    generator = np.random.default_rng([zlib.crc32(b"bootstrap"), seed, clusters])
    chances = np.full(clusters, 1 / clusters)
    return generator.multinomial(clusters, chances, size=REPLICATES).astype(np.float64)
