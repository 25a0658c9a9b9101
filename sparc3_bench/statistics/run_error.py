"""Error of runs: how far the number of a run would lie off with other samples and other seeds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from sparc3_bench.statistics.design import Design
from sparc3_bench.statistics.numbers import Array


class RunError:
    """The error of every run of a design, over samples and over seeds.

    Attributes
    ----------
    replicates
        Those over samples, with normal noise that is independent from run to run: of the variance
        that residuals have beyond what samples account for, as a mean over the runs of a level.

    Notes
    -----
    A part of the residuals of one level is what other levels leave, so that the error of a quiet
    level beside loud ones is taken for larger than it is.
    """

    def __init__(
        self,
        numbers: Array,  # the number of every run, ``[runs]``
        drawn: Array,  # its replicates over samples, ``[replicates, runs]``
        design: Design,  # what explains the numbers
        clusters: int,  # how many independent samples the replicates are drawn from
        # a level for every run; those of one level have an error of one size, all of them without
        by: Sequence[str] | None = None,
        # an error whose size over seeds this one takes, the mean over its runs
        like: RunError | None = None,
    ) -> None:
        left = design.residual
        of_samples = (drawn @ left).var(axis=0) * clusters / (clusters - 1)
        squares, freedom = (numbers @ left) ** 2 - of_samples, np.diag(left)
        _, place = np.unique(np.asarray(by or [""] * len(numbers)), return_inverse=True)
        # What says of a level less than one number would is pooled with all others.
        if (np.bincount(place, freedom) < 1).any():
            place = np.zeros_like(place)
        self._freedom = np.bincount(place, freedom)
        known = np.maximum(self._freedom, 1.0)
        self._variances = np.maximum(np.bincount(place, squares) / known, 0.0)
        if self._freedom.sum() < 0.5:  # but for rounding nothing is left
            self._variances[:] = 0.0
        if like is not None:
            place, self._freedom = np.zeros_like(place), like._freedom.sum(keepdims=True)
            self._variances = (like._freedom @ like._variances) / np.maximum(self._freedom, 1.0)
        self._place, self._sampled, self._clusters = place, drawn, clusters
        generator = np.random.default_rng([zlib.crc32(b"effects"), len(numbers)])
        noise = generator.standard_normal(drawn.shape)
        self.replicates = drawn + np.sqrt(self._variances[place]) * noise

    def clusters_of(self, weights: Array) -> int:
        """Return of how many independent samples the spread of sums of runs is known.

        `weights` are of runs in each sum, ``[runs, sums]``. The variances over samples and of each
        level add up; their sum has Welch's degrees of freedom [welch1947], of which this is one
        more.
        """
        own = np.bincount(self._place, (weights**2).sum(axis=1)) * self._variances
        parts = np.append(own, (self._sampled @ weights).var(axis=0).sum())
        freedom = np.append(np.maximum(self._freedom, 1.0), self._clusters - 1)
        least = float(np.sum(parts**2 / freedom))
        found = float(parts.sum()) ** 2 / least if least else self._clusters - 1
        return max(2, int(found) + 1)
