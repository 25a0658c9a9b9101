"""Sizes: amounts as sizes of circuits, and as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from sparc3_bench.comparison.phrasing import percent, units
from sparc3_bench.record.spec import RunSpec

EMPTY = "∅"
"""The size of nothing."""

_SMALL = 0.1
"""Smaller circuits than this cannot be told apart on a linear axis."""

_WIDE = 5
"""Nor can counts whose largest is more times their smallest than this."""


class Sizes:
    """The amounts of a section as what is kept, or as what is removed when the highest go.

    `removed` has every amount, rising, with the share of the scope that it removes.
    """

    def __init__(self, spec: RunSpec, removed: Mapping[float, float]) -> None:
        self._spec, self._removed = spec, removed
        self.by_removed = compares_removed(spec, removed.values())
        """Whether the circuit is what is removed, and not what is kept."""
        sizes = [self.size(amount) for amount in removed]
        self.is_log = not self.is_few and any(0 < size < _SMALL for size in sizes) and 0 in sizes
        """Whether the amounts crowd towards no circuit at all, which is there too."""
        some = [amount for amount in removed if amount > 0]
        self.is_counts = (
            self._is_count and not self.is_log and bool(some) and max(some) > _WIDE * min(some)
        )
        """Whether the axis counts units over several orders of magnitude, from 0."""

    @property
    def is_few(self) -> bool:
        """Whether only some units are taken out of the model."""
        return self.by_removed and self._spec.removal == "lowest"

    @property
    def is_broken(self) -> bool:
        """Whether the axis is logarithmic, with one amount apart at its start."""
        return self.is_log or self.is_counts

    @property
    def verb(self) -> str:
        """What happens to the circuit."""
        return "removed" if self.by_removed else "kept"

    @property
    def axis(self) -> str:
        """The title of the axis of a chart."""
        if self.is_log:
            return f"Circuit size: share of the scope {self.verb}, log"
        if self._is_count:
            return f"{units(self._spec).capitalize()} removed{', log' if self.is_counts else ''}"
        return "Sparsity: share of the weights in scope removed"

    @property
    def over(self) -> str:
        """What a chart goes over, for its title."""
        if self.is_log:
            return "the size of the circuit"
        return f"{units(self._spec)} removed" if self._is_count else "sparsity"

    def removed(self, amount: float) -> float:
        """Return the share of the scope that is removed at an amount."""
        return self._removed.get(amount, 0.0)

    def size(self, amount: float) -> float:
        """Return the size of the circuit at an amount, as a share of the scope."""
        removed = self.removed(amount)
        return removed if self.by_removed else round(1 - removed, 9)

    def place(self, amount: float) -> float:
        """Return where an amount stands on its axis."""
        return self.size(amount) if self.is_log else amount

    def nearest(self, size: float) -> float | None:
        """Return the amount whose circuit is nearest in size, or None where all are trivial."""
        proper = [amount for amount in self._removed if 0 < self.size(amount) < 1]
        return min(proper, key=lambda a: abs(math.log(self.size(a) / size)), default=None)

    def compared(self) -> tuple[float, ...]:
        """Return the amounts at which circuits are compared: the nearest to sizes 10 % and 1 %."""
        found = [amount for size in (0.1, 0.01) if (amount := self.nearest(size)) is not None]
        return tuple(dict.fromkeys(found))

    def text(self, amount: float) -> str:
        """Return an amount as the columns of the tables and the ticks of the charts have it."""
        if self.is_log:
            return percent(self.size(amount)) if self.size(amount) > 0 else EMPTY
        return f"{amount:,.6g}" if self._is_count else percent(amount)

    def words(self, amount: float) -> str:
        """Return an amount with what it is an amount of."""
        if self.is_log:
            return f"{self.text(amount)} {self.verb}"
        if self._is_count:
            return f"{self.text(amount)} {units(self._spec, amount)} removed"
        return f"{self.text(amount)} sparsity"

    def share(self, amount: float) -> str:
        """Return the size of the circuit at an amount, with what happens to it."""
        if self.is_few:
            return self.words(amount)
        return f"{percent(round(self.size(amount), 4))} {self.verb}"

    def focus(self, amounts: Sequence[float]) -> float:
        """Return the amount at which everything beyond the first metric is shown."""
        if self.is_log and (nearest := self.nearest(0.1)) is not None:
            return nearest
        pruned = self._proper(amounts)
        return 0.5 if 0.5 in pruned else pruned[len(pruned) // 2]

    def order(self, common: Sequence[float]) -> float | None:
        """Return the amount that orders the rows, of those that all of them have."""
        if not common:
            return None
        proper = self._proper(common)
        if self.is_log and 0 < self.size(proper[0]) < 1:
            return min(proper, key=lambda a: abs(math.log(self.size(a) / 0.1)))
        return 0.5 if 0.5 in proper else max(proper)

    def _proper(self, amounts: Sequence[float]) -> list[float]:
        """Return the amounts that remove something and leave something, else all of them."""
        return [amount for amount in amounts if 0 < self.removed(amount) < 1] or list(amounts)

    @property
    def _is_count(self) -> bool:
        return self._spec.amount_kind == "count"


def compares_removed(spec: RunSpec, shares: Iterable[float]) -> bool:
    """Return whether what is removed makes a circuit: the highest, or a few units of many."""
    few = spec.amount_kind == "count" and max(shares, default=0.0) <= 0.5
    return spec.removal == "highest" or few
