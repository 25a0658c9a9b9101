"""Design: which effects a set of runs can tell apart, asked of its matrix and never by hand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.numbers import Array

Names = tuple[str, ...]
"""Names of factors, or a level of each of them."""

_NONE = 1e-8
"""Of entries of the null space, which are in [-1, 1]."""


class Design:
    """The design matrix of all factors and of every two, in contrasts that sum to zero.

    Raises Sparc3Error when fewer than two factors have two levels.

    Parameters
    ----------
    factors
        By name, the level in every run, ``[runs]`` each.
    nuisance
        One more factor, which stands in the matrix alone if all of it can be told there, and else
        is left out.

    Attributes
    ----------
    levels
        By factor, its levels in order of appearance.
    terms
        The factors, then every two of them.
    nuisance
        Its name as a term; empty where it is left out.
    rank
        How many numbers the runs can tell, the grand mean among them.
    residual
        What takes from the numbers of runs all that the terms explain, ``[runs, runs]``.
    """

    def __init__(
        self,
        factors: Mapping[str, Sequence[str]],
        nuisance: tuple[str, Sequence[str]] | None = None,
    ) -> None:
        self._runs = {name: np.asarray(level) for name, level in factors.items()}
        self.levels = {name: tuple(dict.fromkeys(level)) for name, level in factors.items()}
        if len(factors) < 2 or min(map(len, self.levels.values())) < 2:
            told = ", ".join(f"{name} ({len(levels)})" for name, levels in self.levels.items())
            raise Sparc3Error(
                "Effects need two factors or more, each with two levels or more, got "
                f"{told or 'none'}; name results that differ in two options."
            )
        self.terms: tuple[Names, ...] = tuple(
            cell for size in (1, 2) for cell in itertools.combinations(factors, size)
        )
        self._parts: dict[Names, Array] = {(): self._columns(())}
        self._parts |= {cell: self._columns(cell) for cell in self.terms}
        self.nuisance: Names = ()
        self._solve()
        if nuisance is not None and len(set(nuisance[1])) > 1:
            name, levels = nuisance
            self._runs[name] = np.asarray(levels)
            self.levels[name] = tuple(dict.fromkeys(levels))
            self._parts[(name,)] = self._columns((name,))
            self._solve()
            self.nuisance = (name,)
            if self.mixed_with((name,)):
                self.nuisance = ()
                del self._parts[(name,)], self._runs[name], self.levels[name]
                self._solve()

    def _columns(self, cell: Names) -> Array:
        """Return the columns of a term, ``[runs, numbers that describe it]``."""
        found = np.ones((len(next(iter(self._runs.values()))), 1))
        for name in cell:
            own = np.stack([self._contrast(name, level) for level in self._runs[name]])
            found = (found[:, :, None] * own[:, None, :]).reshape(len(found), -1)
        return found

    def _contrast(self, name: str, level: str) -> Array:
        """Return the row of a level: the last one is minus all others."""
        levels = self.levels[name]
        place, last = levels.index(level), len(levels) - 1
        return -np.ones(last) if place == last else np.eye(last)[place]

    def _solve(self) -> None:
        matrix = np.hstack([*self._parts.values()])
        ends = np.cumsum([part.shape[1] for part in self._parts.values()])
        self._slices = {
            cell: slice(int(end) - part.shape[1], int(end))
            for (cell, part), end in zip(self._parts.items(), ends, strict=True)
        }
        self._inverse = np.linalg.pinv(matrix)
        self._null = np.eye(matrix.shape[1]) - self._inverse @ matrix
        self.rank = round(float(np.trace(self._inverse @ matrix)))
        self.residual = np.eye(len(matrix)) - matrix @ self._inverse

    def wanted(self, term: Names) -> int:
        """Return how many numbers describe a term."""
        return int(self._parts[term].shape[1])

    def told(self, term: Names) -> int:
        """Return how many of them can be told apart from all other terms."""
        null = self._null[self._slices[term]]
        return self.wanted(term) - int(np.linalg.matrix_rank(null, tol=_NONE))

    def mixed_with(self, term: Names) -> tuple[Names, ...]:
        """Return the other terms that a term cannot be told from, wholly or in part."""
        return _mixed(self._null, self._slices, term)

    @cached_property
    def mixed(self) -> dict[Names, tuple[Names, ...]]:
        """For every three factors, the terms that what they do together cannot be told from."""
        found: dict[Names, tuple[Names, ...]] = {}
        whole = np.hstack([*self._parts.values()])
        for cell in itertools.combinations([n for n in self.levels if (n,) != self.nuisance], 3):
            columns = self._columns(cell)
            both = np.hstack([whole, columns])
            null = np.eye(both.shape[1]) - np.linalg.pinv(both) @ both
            ends = slice(whole.shape[1], both.shape[1])
            found[cell] = _mixed(null, {**self._slices, cell: ends}, cell)
        return found

    def effect(self, cell: Mapping[str, str], *, mean: bool = False) -> Array | None:
        """Return the weights of runs that sum up to an effect, ``[runs]``; None if not told.

        The cell is a level of a factor, or of two; `mean` adds the grand mean and, of two, what
        each does for itself.
        """
        names, wanted = tuple(cell), np.zeros(len(self._null))
        for size in range(len(names) + 1) if mean else [len(names)]:
            for part in itertools.combinations(names, size):
                row: Array = np.ones(1)
                for name in part:
                    row = np.asarray(np.kron(row, self._contrast(name, cell[name])))
                wanted[self._slices[part]] = row
        if np.abs(wanted @ self._null).max() > _NONE:
            return None
        return np.asarray(wanted @ self._inverse)

    def beyond(self, term: Names) -> Array:
        """Return what a term explains beyond all that do not contain it, as an orthonormal basis.

        ``[runs, numbers]``; none where it explains nothing of its own.
        """
        others = [part for cell, part in self._parts.items() if not set(term) <= set(cell)]
        rest = np.hstack([self._parts[()], *others]) if term else np.hstack(others)
        own = self._parts[term] - rest @ (np.linalg.pinv(rest) @ self._parts[term])
        left, sizes, _ = np.linalg.svd(own, full_matrices=False)
        return np.asarray(left[:, sizes > _NONE * max(1.0, np.abs(self._parts[term]).max())])

    @property
    def without_nuisance(self) -> Array:
        """What takes from the numbers of runs the effect of the nuisance, ``[runs, runs]``."""
        same = np.eye(len(self.residual))
        if not self.nuisance:
            return same
        return same - self._parts[self.nuisance] @ self._inverse[self._slices[self.nuisance]]


def _mixed(null: Array, slices: Mapping[Names, slice], term: Names) -> tuple[Names, ...]:
    own = null[slices[term]]
    return tuple(
        cell
        for cell, ends in slices.items()
        if cell != term and np.abs(own[:, ends]).max(initial=0) > _NONE
    )
