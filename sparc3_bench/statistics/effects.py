"""Effects: what each choice of a crossed design does to a number, alone and with another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.design import Design, Names
from sparc3_bench.statistics.holm import holm
from sparc3_bench.statistics.interval import interval, logarithm
from sparc3_bench.statistics.numbers import Array, finite
from sparc3_bench.statistics.paired import Difference, of_pair, of_replicates
from sparc3_bench.statistics.run_error import RunError
from sparc3_bench.statistics.terms import Level, Term
from sparc3_bench.types.values import Estimate, Scale


class Effects:
    """The effects of all factors, and of every two, on a number.

    Raises Sparc3Error when numbers are not finite or not paired, fewer than two factors have two
    levels, or no number differs from another.

    Parameters
    ----------
    values
        The number of every run, ``[runs]``.
    replicates
        Its bootstrap replicates, paired over runs, ``[replicates, runs]``.
    factors
        By name of a factor, two or more, its level in every run.
    clusters
        How many independent samples the replicates are drawn from; see `spread`.
    scale
        On which effects add up.
    nuisance
        A factor whose levels are draws (the seed): what it does for itself is taken out where the
        design can tell it, and is in the error otherwise, as what it does together with others.
    error_by
        A factor whose levels may differ in how large the error is; the same everywhere without.
    like
        Effects whose error over seeds is taken for that of these.

    Attributes
    ----------
    design
        What can be told apart.
    terms
        The factors, then every two of them.
    freedom
        Degrees of freedom of the error, which is all that the terms leave: what three factors do
        together, and what seeds do. With none left, intervals are over samples alone.
    error, seeds, shared
        Shares of the error, of the nuisance, and of what several terms could explain, as the
        design is not balanced.

    Notes
    -----
    Least squares with contrasts that sum to zero: every effect is a weighted sum of the numbers of
    runs, so its replicates are the same sum of theirs, and what all runs find hard in a sample
    cancels. Whether it can be told is asked of the null space of the design matrix. Intervals are
    over samples and seeds, see `RunError`. Shares are sums of squares beyond all terms that do not
    contain the term (type II), p-values F-tests against what samples and seeds alone would give.
    """

    def __init__(
        self,
        values: ArrayLike,
        replicates: ArrayLike,
        factors: Mapping[str, Sequence[str]],
        clusters: int,
        *,
        scale: Scale = "linear",
        nuisance: tuple[str, Sequence[str]] | None = None,
        error_by: str | None = None,
        like: Effects | None = None,
    ) -> None:
        numbers, drawn = finite(values, "values", 1), finite(replicates, "replicates", 2)
        if drawn.shape[1] != len(numbers):
            raise Sparc3Error(
                f"Replicates must have a column for each of the {len(numbers)} runs, got "
                f"{drawn.shape[1]}; stack them as [replicates, runs]."
            )
        self._given = values, drawn, clusters, nuisance, error_by
        if scale == "log":
            numbers, drawn = logarithm(numbers), logarithm(drawn)
        self.scale, self.factors = scale, factors
        self.design = design = Design(factors, nuisance)
        self.freedom = len(numbers) - design.rank
        by = factors[error_by] if error_by else None
        theirs = None if like is None else like._error
        self._error: RunError = RunError(numbers, drawn, design, clusters, by, theirs)
        self._values, self._drawn = numbers, self._error.replicates
        self._whole = _length(numbers - numbers.mean())
        if not self._whole:
            raise Sparc3Error("All runs have the same number, so there is nothing to explain.")
        self.terms = tuple(self._terms())
        self.error = float(_length(numbers @ design.residual) / self._whole)
        alone = design.beyond(design.nuisance) if design.nuisance else np.zeros((len(numbers), 0))
        self.seeds = float(_length(numbers @ alone) / self._whole)
        self.shared = 1 - self.error - self.seeds - sum(one.share.value for one in self.terms)

    def only(
        self, where: Callable[[Mapping[str, str]], bool], like: Effects | None = None
    ) -> Effects:
        """Return the effects over runs that count by their levels, whose error is then their own.

        A factor that is left one level is none. Effects `like` these may lend their error over
        seeds.
        """
        values, drawn, clusters, nuisance, error_by = self._given
        rows = [
            dict(zip(self.factors, one, strict=True))
            for one in zip(*self.factors.values(), strict=True)
        ]
        kept = [place for place, row in enumerate(rows) if where(row)]
        factors = {name: [levels[i] for i in kept] for name, levels in self.factors.items()}
        factors = {name: levels for name, levels in factors.items() if len(set(levels)) > 1}
        return Effects(
            np.asarray(values)[kept],
            np.asarray(drawn)[:, kept],
            factors,
            clusters,
            scale=self.scale,
            nuisance=nuisance and (nuisance[0], [nuisance[1][i] for i in kept]),
            error_by=error_by if error_by in factors else None,
            like=like,
        )

    def _terms(self) -> Iterator[Term]:
        design, numbers, drawn = self.design, self._values, self._drawn
        centred = drawn - drawn.mean(axis=0)
        total = _length(drawn - drawn.mean(axis=1, keepdims=True))
        parts = {term: design.beyond(term) for term in design.terms}
        known = {term: self._error.clusters_of(part) for term, part in parts.items()}
        p_values = []
        for term, part in parts.items():
            expected = _length(centred @ part).mean() * known[term] / (known[term] - 1)
            own, count = _length(numbers @ part), part.shape[1]
            ratio = own / expected if expected else np.inf
            p_values.append(float(fdtrc(count, known[term] - 1, ratio)) if count else 1.0)
        for (term, part), p_value in zip(parts.items(), holm(p_values), strict=True):
            share, shares = _length(numbers @ part) / self._whole, _length(drawn @ part) / total
            low, high = interval(float(share), shares, known[term])
            yield Term(
                term,
                design.wanted(term),
                design.told(term),
                design.mixed_with(term),
                Estimate(float(share), max(low, 0.0), min(high, 1.0)),
                shares,
                float(p_value),
                self._levels(term),
            )

    def _levels(self, term: Names) -> dict[Names, Level]:
        found: dict[Names, tuple[Estimate | None, Difference]] = {}
        for levels in itertools.product(*(self.design.levels[name] for name in term)):
            cell = dict(zip(term, levels, strict=True))
            effect, mean = self.design.effect(cell), self.design.effect(cell, mean=True)
            if effect is not None:
                told = None if mean is None else self._estimate(mean)
                found[levels] = told, self._difference(effect)
        if not found:
            return {}
        adjusted = holm([one.p_value for _, one in found.values()])
        return {
            levels: Level(*pair, float(p_value))
            for (levels, pair), p_value in zip(found.items(), adjusted, strict=True)
        }

    def mean(self, where: Mapping[str, Collection[str]]) -> Estimate | None:
        """Return the mean of runs with these levels, any where not said; None if there are none."""
        places = [*itertools.chain.from_iterable(self._cells(where).values())]
        return self._estimate(self._mean([places])) if places else None

    def contrast(
        self,
        first: Mapping[str, str],
        second: Mapping[str, str],
        where: Mapping[str, Collection[str]] | None = None,
    ) -> Difference:
        """Return how far apart runs are that differ in some levels and in nothing else.

        Seeds may differ, for which the error has its part. `where` says which levels of other
        factors count; any where not said. Raises Sparc3Error when no run of one is alike to one of
        the other.
        """
        ours, theirs = (
            self._cells({**(where or {}), **{name: [level] for name, level in side.items()}}, side)
            for side in (first, second)
        )
        both = [cell for cell in ours if cell in theirs]
        if not both:
            told = [", ".join(f"{k} {v}" for k, v in side.items()) for side in (first, second)]
            raise Sparc3Error(
                f"No run of {told[0]} is like one of {told[1]} but for that; run both alike."
            )
        weights = [self._mean([side[cell] for cell in both]) for side in (ours, theirs)]
        return self._difference(weights[0] - weights[1])

    def spread(
        self,
        name: str,
        where: Mapping[str, Collection[str]],
        beside: Mapping[str, Collection[str]],
    ) -> tuple[float, float, Difference] | None:
        """Return how far the levels of a factor lie apart in some runs, in others, and the ratio.

        By the standard deviation of their means, in units of `scale` (nats on a log scale); None
        where there is one level alone.
        """
        found, bases = [], []
        for some in (where, beside):
            rows = [
                self._mean([*self._cells({**some, name: [level]}, [name]).values()])
                for level in self.design.levels[name]
                if self._cells({**some, name: [level]})
            ]
            if len(rows) < 2:
                return None
            weights = np.stack(rows, axis=1)
            found.append(((self._values @ weights).std(ddof=1), (self._drawn @ weights).std(1)))
            bases.append(weights)
        (own, drawn), (other, others) = found
        clusters = self._error.clusters_of(np.hstack(bases))
        ratio = of_pair(drawn, others, float(own), float(other), clusters, "log")
        return float(own), float(other), ratio

    def involving(self, name: str) -> Estimate:
        """Return the share of all terms that a factor is in."""
        terms = [one for one in self.terms if name in one.factors]
        basis = np.hstack([self.design.beyond(one.factors) for one in terms])
        share = sum(one.share.value for one in terms)
        drawn = np.sum([one.replicates for one in terms], axis=0)
        low, high = interval(share, drawn, self._error.clusters_of(basis))
        return Estimate(share, max(low, 0.0), min(high, 1.0))

    def apart(self, first: Names, second: Names) -> Difference:
        """Return how much more of the squares one term explains than another."""
        terms = {one.factors: one for one in self.terms}
        one, other = terms[first], terms[second]
        drawn = one.replicates - other.replicates
        both = np.hstack([self.design.beyond(first), self.design.beyond(second)])
        clusters = self._error.clusters_of(both)
        return of_replicates(drawn, one.share.value - other.share.value, clusters)

    def _cells(
        self, where: Mapping[str, Collection[str]], without: Collection[str] = ()
    ) -> dict[Names, list[int]]:
        """Return the places of the runs with these levels, by the levels that are left."""
        rest = [levels for name, levels in self.factors.items() if name not in without]
        found: dict[Names, list[int]] = {}
        for place in range(len(self._values)):
            if all(self.factors[name][place] in levels for name, levels in where.items()):
                found.setdefault(tuple(levels[place] for levels in rest), []).append(place)
        return found

    def _mean(self, places: Sequence[Sequence[int]]) -> Array:
        """Return the weights of runs in the mean of means, without the nuisance."""
        weights = np.zeros(len(self._values))
        for some in places:
            weights[list(some)] += 1 / len(some) / len(places)
        return np.asarray(weights @ self.design.without_nuisance)

    def _estimate(self, weights: Array) -> Estimate:
        value, drawn, clusters = self._summed(weights)
        if self.scale == "log":
            value, drawn = float(np.exp(value)), np.exp(drawn)
        return Estimate(value, *interval(value, drawn, clusters, self.scale))

    def _difference(self, weights: Array) -> Difference:
        value, drawn, clusters = self._summed(weights)
        if self.scale == "linear":
            return of_replicates(drawn, value, clusters)
        ones = np.ones(len(drawn))
        return of_pair(np.exp(drawn), ones, float(np.exp(value)), 1.0, clusters, "log")

    def _summed(self, weights: Array) -> tuple[float, Array, int]:
        """Return a weighted sum of runs with its replicates, and how well their spread is known."""
        clusters = self._error.clusters_of(weights[:, None])
        return float(self._values @ weights), self._drawn @ weights, clusters


def _length(values: Array) -> Array:
    """Return the sum of squares along the last axis."""
    return np.asarray(np.sum(values**2, axis=-1))
