"""Terms: what is known of a factor of a design, or of two together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparc3_bench.statistics.design import Names
from sparc3_bench.statistics.numbers import Array
from sparc3_bench.statistics.paired import Difference
from sparc3_bench.types.values import Estimate


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a factor, or two levels together.

    Attributes
    ----------
    mean
        The number averaged over all other factors, their levels counted alike; on a log scale the
        geometric mean; None where that cannot be told.
    effect
        How far that is from the grand mean; of two levels, from what the two do each for itself.
    p_value
        Of no effect, adjusted by Holm over the levels of the term.
    """

    mean: Estimate | None
    effect: Difference
    p_value: float


@dataclass(frozen=True, eq=False)
class Term:
    """A factor, or what two factors do together beyond what each does for itself."""

    factors: Names
    # how many numbers describe it, and how many of them the design can tell
    wanted: int
    told: int
    mixed_with: tuple[Names, ...]  # the terms that it cannot be told from, where it is less
    share: Estimate  # part of the sum of squares over runs, in [0, 1]
    replicates: Array  # those of the share, ``[replicates]``
    p_value: float  # of no effect, adjusted by Holm over all terms; 1 where nothing is told
    levels: Mapping[Names, Level]  # what can be told, by level or two
