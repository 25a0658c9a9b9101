"""How alike circuits are: what they share at a size, and where one has more than another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sparc3_bench.circuit.describe import Counts, grid, in_role_order, shares
from sparc3_bench.circuit.sizes import size_text
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.result import Result

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Alike = TypeVar("Alike")

Pair = tuple[int, int]
"""Positions of two results, the first lower."""

MOST = len(_NAMES)
"""So many circuits can be compared at once."""


@dataclass(frozen=True)
class Overlap:
    """What two circuits have in common, in units."""

    left: int
    right: int
    both: int

    @property
    def jaccard(self) -> float:
        """In both over in either; 1 where neither has anything."""
        either = self.left + self.right - self.both
        return self.both / either if either else 1.0

    @property
    def coefficient(self) -> float:
        """In both over the smaller one; 1 where that is empty."""
        smaller = min(self.left, self.right)
        return self.both / smaller if smaller else 1.0


def check_comparable(results: Mapping[str, Result]) -> None:
    """Refuse results whose circuits are not made of the same units."""
    if not 2 <= len(results) <= MOST:
        raise Sparc3Error(
            f"A comparison takes 2 to {MOST} different results, got {len(results)}; name each once."
        )
    (first, one), *others = results.items()
    for name, other in others:
        for what, left, right in (
            ("model", _weights(one), _weights(other)),
            ("unit", one.spec.unit, other.spec.unit),
            ("scope", one.spec.scope, other.spec.scope),
        ):
            if left != right:
                raise Sparc3Error(
                    f"{first} has {what} '{left}' and {name} has '{right}', so their circuits "
                    f"have nothing in common to count; compare results of one {what}."
                )


def sketched_units(results: Mapping[str, Result], amount: float) -> dict[str, list[bool]]:
    """Return which of the sampled units are in each circuit, from the sketches."""
    kept = {}
    for name, result in results.items():
        sketch, spec = result.sketch, result.spec
        if sketch is None:
            raise Sparc3Error(
                f"{name} has no sketch of its circuits; leave `--sketch` out to compare the scores."
            )
        if amount not in spec.amounts:
            raise Sparc3Error(
                f"{name} has no circuit of size {size_text(amount, spec.amount_kind)}, and a "
                "sketch tells only the sizes that were measured; leave `--sketch` out for others."
            )
        index = spec.amounts.index(amount)
        kept[name] = [int(level, 36) > index for level in sketch.levels]
    if len({len(flags) for flags in kept.values()}) > 1:
        raise Sparc3Error(
            "The sketches are of different units; leave `--sketch` out to compare the scores."
        )
    return kept


def overlap_of_samples(left: Sequence[bool], right: Sequence[bool]) -> Overlap:
    """Return what two circuits share of the sampled units."""
    both = sum(a and b for a, b in zip(left, right, strict=True))
    return Overlap(sum(left), sum(right), both)


def overlap_of_masks(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> Overlap:
    """Return what two circuits share, exactly."""
    both = {name: keep & right[name] for name, keep in left.items()}
    return Overlap(*(sum(int(keep.sum()) for keep in one.values()) for one in (left, right, both)))


def comparison_text(
    names: Sequence[str],
    sizes: Sequence[str],
    overlaps: Sequence[Mapping[Pair, Overlap]],
    likeness: Mapping[Pair, float] | None,
) -> str:
    """Return the comparison as text: a list for two circuits, matrices for more.

    For every size there is what each two share, and once how alike their scores are, where known.
    """
    lines = [f"{_NAMES[n]}  {name}" for n, name in enumerate(names)]
    if len(names) > 2:
        for size, found in zip(sizes, overlaps, strict=True):
            values = {pair: overlap.jaccard for pair, overlap in found.items()}
            lines += _matrix(f"Jaccard at {size}", len(names), values)
            values = {pair: overlap.coefficient for pair, overlap in found.items()}
            lines += _matrix(f"overlap at {size}", len(names), values)
        if likeness is not None:
            lines += _matrix("Spearman of the scores", len(names), likeness)
        return "\n".join(lines)
    lines += ["", f"{'size':>10}{'A':>14}{'B':>14}{'in both':>14}{'Jaccard':>10}{'overlap':>10}"]
    for size, found in zip(sizes, overlaps, strict=True):
        at = found[0, 1]
        lines.append(
            f"{size:>10}{at.left:>14,}{at.right:>14,}{at.both:>14,}"
            f"{at.jaccard:>10.3f}{at.coefficient:>10.3f}"
        )
    if likeness is not None:
        lines += ["", f"Spearman correlation of the scores: {likeness[0, 1]:.3f}"]
    return "\n".join(lines)


def of_each_two(alike: Callable[[Any, Any], Alike], things: Sequence[Any]) -> dict[Pair, Alike]:
    """Return what is said of every two of several things."""
    pairs = itertools.combinations(range(len(things)), 2)
    return {(i, j): alike(things[i], things[j]) for i, j in pairs}


def difference(left: Counts, right: Counts, whole: Counts, size: str) -> str:
    """Return where A has more than B: differences of the shares kept, in points of percent."""
    whole = in_role_order(whole)
    rows = []
    for block, (a, b) in enumerate(zip(shares(left, whole), shares(right, whole), strict=True)):
        pairs = zip(a, b, strict=True)
        cells = [None if p is None or q is None else p - q for p, q in pairs]
        rows.append((f"block {block}", cells))
    head = f"A − B at {size}: share of the weights kept, in points of percent"
    lines = grid(rows, list(whole), "", lambda share: f"{100 * share:+.1f}")
    more: dict[str, list[str]] = {"A": [], "B": []}
    for role in whole:
        by = sum(left[role]) - sum(right[role])
        if by:
            more["A" if by > 0 else "B"].append(role)
    said = "; ".join(f"{who} has more of {', '.join(of)}" for who, of in more.items() if of)
    return "\n".join([head, *lines, f"in all: {said or 'as many in every role'}"])


def _matrix(title: str, count: int, values: Mapping[Pair, float]) -> list[str]:
    """Return the lower half of a symmetric matrix."""
    lines = ["", f"{title:<26}" + "".join(f"{_NAMES[n]:>8}" for n in range(count - 1))]
    for i in range(1, count):
        cells = "".join(f"{values[j, i]:>8.3f}" for j in range(i))
        lines.append(f"{_NAMES[i]:<26}{cells}")
    return lines


def _weights(result: Result) -> str:
    model = result.spec.model
    return f"{model.id} {model.weight_digest[:12]}"
