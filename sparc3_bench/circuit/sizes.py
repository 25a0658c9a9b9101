"""Sizes of circuits: how they are typed, told, and found in a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sparc3_bench.comparison.circuit_sizes import ranked_units
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result
from sparc3_bench.types.conventions import AmountKind

_USUAL = Decimal("0.1")
"""Shown when nothing was looked for and no size is asked for."""


@dataclass(frozen=True)
class MeasuredCircuit:
    """A circuit that was measured."""

    point: Point
    index: int | None
    """Its position in the curve; None for what was found between the points."""

    @property
    def amount(self) -> float:
        """How much of what is ranked is removed: a fraction, or a count."""
        return self.point.amount.requested


def measured_circuits(result: Result) -> list[MeasuredCircuit]:
    """Return the measured circuits, the smallest first."""
    found = [MeasuredCircuit(point, index) for index, point in enumerate(result.points)]
    if result.found is not None and result.found.point.amount.requested not in result.spec.amounts:
        found.append(MeasuredCircuit(result.found.point, None))
    return sorted(found, key=lambda at: -at.amount)


def size_text(amount: float, kind: AmountKind) -> str:
    """Return an amount as its size is typed: the fraction kept, or the count removed."""
    if kind == "count":
        return f"{amount:.0f}"
    return format((1 - Decimal(repr(float(amount)))).normalize(), "f")


def option(kind: AmountKind) -> str:
    """Return the option that names a size."""
    return "--size" if kind == "fraction" else "--remove"


def parse_amount(size: str | None, remove: int | None, kind: AmountKind) -> float | None:
    """Return the amount that was typed; None when none was.

    ``0.05`` is kept when exactly 0.95 is removed: the subtraction is done in decimals.
    """
    if size is not None and remove is not None:
        raise Sparc3Error("`--size` and `--remove` both name the size; give one of them.")
    if kind == "count" and size is not None:
        raise Sparc3Error(
            f"The result counts units, so `--size {size}` names none of its circuits; give "
            "`--remove` with the number of units removed."
        )
    if kind == "fraction" and remove is not None:
        raise Sparc3Error(
            f"The result's amounts are fractions, so `--remove {remove}` names none of its "
            "circuits; give `--size` with the fraction kept."
        )
    if remove is not None:
        return float(remove)
    return None if size is None else _fraction(size)


def circuit_at(result: Result, amount: float | None) -> MeasuredCircuit:
    """Return the measured circuit of an amount.

    By default it is the one that was looked for, else the one nearest to a tenth of what is ranked,
    never the dense or the empty model, which are no circuits.
    """
    circuits = measured_circuits(result)
    kind = result.spec.amount_kind
    if amount is not None:
        for at in circuits:
            if at.amount == amount:
                return at
        raise Sparc3Error(
            f"The result has no circuit of `{option(kind)} {size_text(amount, kind)}`; it has "
            f"{sizes_text((at.amount for at in circuits), kind)}."
        )
    proper = [at for at in circuits if is_proper(result, at.point)]
    if not proper:
        raise Sparc3Error(
            f"The result has no circuit, as it has nothing between the dense and the empty model; "
            f"give `{option(kind)}` to see one of those: "
            f"{sizes_text((at.amount for at in circuits), kind)}."
        )
    if result.found is not None:
        wanted = result.found.point.amount.requested
        if looked_for := [at for at in proper if at.amount == wanted]:
            return looked_for[0]
    wanted = usual([at.amount for at in proper], kind)
    return next(at for at in proper if at.amount == wanted)


def is_proper(result: Result, point: Point) -> bool:
    """Return whether some unit is removed, and some left: neither the dense nor the empty model.

    Of heads and neurons, without all of which most weights of the scope are still there, not
    weights tell but units.
    """
    removed, every = point.amount, ranked_units(result)
    if result.spec.amount_kind == "fraction" and removed.requested >= 1:
        return False
    if every is not None and removed.units_removed is not None:
        return 0 < removed.units_removed < every
    return 0 < removed.in_scope < 1


def require_amount(result: Result, amount: float | None) -> float:
    """Return the amount; there must be one."""
    kind = result.spec.amount_kind
    if amount is None:
        what = "the fraction kept" if kind == "fraction" else "the number of units removed"
        measured = sizes_text((at.amount for at in measured_circuits(result)), kind)
        raise Sparc3Error(
            f"A circuit has a size: give `{option(kind)}`, {what}; measured were {measured}."
        )
    return amount


def common(results: Sequence[Result]) -> list[float]:
    """Return the amounts that every one of several results has, the smallest circuit first.

    The dense and the empty model are left out unless they are all they share.
    """
    kinds = {result.spec.amount_kind for result in results}
    if len(kinds) > 1:
        raise Sparc3Error(
            "Some results have fractions and others counts of units; compare those of one kind."
        )
    shared = set(results[0].spec.amounts).intersection(*(r.spec.amounts for r in results[1:]))
    improper = {
        point.amount.requested
        for result in results
        for point in result.points
        if not is_proper(result, point)
    }
    return sorted(shared - improper or shared, reverse=True)


def usual(amounts: Sequence[float], kind: AmountKind) -> float:
    """Return the amount nearest to a tenth kept; of counts, the largest."""
    if kind == "count":
        return max(amounts)
    return min(amounts, key=lambda amount: abs(1 - Decimal(repr(amount)) - _USUAL))


def sizes_text(amounts: Iterable[float], kind: AmountKind) -> str:
    """Return sizes as a list to choose from."""
    return ", ".join(size_text(amount, kind) for amount in amounts)


def _fraction(text: str) -> float:
    try:
        size = Decimal(text)
    except InvalidOperation:
        size = Decimal("nan")
    if not (size.is_finite() and 0 <= size <= 1):
        raise Sparc3Error(
            f"`--size` must be a number from 0 to 1, the fraction that is kept, got '{text}'."
        )
    return float(1 - size)
