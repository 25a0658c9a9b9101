"""Where scores are cut at some counts: exact order statistics, found for all counts at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparc3_bench.model.room import share_rows

_ENOUGH = 1 << 16
"""So many numbers are sorted at a time, on a processor in its own cache."""
_CHUNK = 1 << 19
"""So many are counted at a time."""
_DIGIT, _DIGITS = 16, 1 << 16
"""Bits that are looked at in one pass, and how many values they have."""
_WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of as many bytes."""


def row_cuts(values: Tensor, counts: Iterable[int]) -> dict[int, Tensor]:
    """Return by count the number that is the count-th smallest of each row, and the next larger.

    Values are ``[rows, columns]``; NaN is larger than any number. Counts are from 1 to the number
    of columns less one. The tensors are ``[rows, 2]``; the second is NaN in every row that has a
    NaN.
    """
    counts, (rows, columns) = list(counts), values.shape
    if not counts:
        return {}
    chosen = sorted({place for count in counts for place in (count - 1, count)} | {columns - 1})
    found = values.new_empty(rows, len(chosen))
    step, some, places = max(1, _ENOUGH // columns), quick(values), quick(found)

    def sort(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            here = slice(start, min(start + step, part.stop))
            places[here] = np.sort(some[here], axis=-1)[:, chosen]

    if some is values:
        found.copy_(values.sort(dim=-1).values[:, chosen])
    else:
        share_rows(sort, values)
    last, cuts = found[:, -1], {}
    unordered = (last != last).nonzero()  # what is no number differs from itself
    for count in counts:
        place = chosen.index(count - 1)
        cuts[count] = cut = found[:, place : place + 2].clone()
        if len(unordered):
            cut[unordered, 1] = last[unordered]
    return cuts


def joint_cuts(tensors: Collection[Tensor], counts: Iterable[int]) -> dict[int, Tensor]:
    """Return by count (from 1) the count-th smallest of all numbers together, ``[]`` on the host.

    The highest sixteen bits of all numbers are counted, then the next sixteen of those that agree
    in them with an answer, and so on: two passes for float32. NaN is larger than any number.
    """
    counts = sorted(set(counts))
    if not counts:
        return {}
    kinds, total = set[torch.dtype](), 0
    for values in tensors:  # which may be read anew each time
        kinds.add(values.dtype)
        total += values.numel()
    whole = _whole(kinds)
    if whole is None or total <= _ENOUGH:
        return _by_sorting(tensors, counts)
    (kind,) = kinds
    # By the bits before those that are looked at, as a whole number: what is still looked for,
    # and the how manieth of those with these bits it is.
    wanted: dict[int | None, list[tuple[int, int]]] = {None: [(one, one) for one in counts]}
    for shift in range(8 * kind.itemsize - _DIGIT, -1, -_DIGIT):
        narrowed: dict[int | None, list[tuple[int, int]]] = {}
        for prefix, seen in _counted(_parts(tensors, whole), shift, list(wanted)).items():
            if prefix is None and kind.is_floating_point and _has_unordered(seen, kind):
                return _by_sorting(tensors, counts)
            digits = _rising(prefix, kind)
            ends = seen[digits].cumsum(0)
            for count, rest in wanted[prefix]:
                place = int(torch.searchsorted(ends, rest))
                digit = int(digits[place])
                bits = (digit ^ 0x8000) - 0x8000 if prefix is None else prefix << _DIGIT | digit
                before = int(ends[place] - seen[digit])
                narrowed.setdefault(bits, []).append((count, rest - before))
        wanted = narrowed
    return {
        count: torch.tensor(bits, dtype=whole).view(kind)
        for bits, some in wanted.items()
        for count, _ in some
    }


def _whole(kinds: set[torch.dtype]) -> torch.dtype | None:
    """Return whole numbers of as many bytes as those of a kind that can be counted by its bits."""
    kind, *others = kinds
    whole = _WHOLE.get(kind.itemsize)
    return whole if not others and (kind.is_floating_point or kind == whole) else None


def _parts(tensors: Iterable[Tensor], whole: torch.dtype) -> Iterator[Tensor]:
    for values in tensors:
        yield from torch.split(values.detach().reshape(-1).view(whole), _CHUNK)


def _counted(
    parts: Iterable[Tensor], shift: int, prefixes: Sequence[int | None]
) -> dict[int | None, Tensor]:
    """Count the values of the sixteen bits from `shift` on, of numbers with these bits before."""
    seen = dict[int | None, Tensor]()
    near = parts if None in prefixes else _near(parts, shift + _DIGIT, prefixes)
    for part in near:
        every = quick(part)
        before = None if None in prefixes else every >> (shift + _DIGIT)
        for prefix in prefixes:
            these = every if prefix is None else every[before == prefix]
            digits = torch.as_tensor(these >> shift).to(torch.int32).bitwise_and_(_DIGITS - 1)
            counts = torch.bincount(digits, minlength=_DIGITS)
            seen[prefix] = (
                seen[prefix].add_(counts.to(seen[prefix].device)) if prefix in seen else counts
            )
    return {prefix: counts.cpu() for prefix, counts in seen.items()}


def _near(parts: Iterable[Tensor], shift: int, prefixes: Sequence[int | None]) -> Iterator[Tensor]:
    """Yield the numbers that have one of these bits from `shift` on: few, so many together."""
    waiting = defaultdict[torch.device, list[Tensor]](list)
    held: Counter[torch.device] = Counter()
    for part in parts:
        every, where = quick(part), part.device
        before = every >> shift
        here = torch.as_tensor(every[reduce(or_, [before == one for one in prefixes])])
        waiting[where].append(here)
        held[where] += here.numel()
        if held[where] >= _CHUNK:
            yield torch.cat(waiting.pop(where))
            held[where] = 0
    yield from map(torch.cat, waiting.values())


def _rising(prefix: int | None, kind: torch.dtype) -> Tensor:
    """Return the values of sixteen bits in the order of the numbers that have them."""
    plain, half = torch.arange(_DIGITS), _DIGITS // 2
    if prefix is None:  # the first bit is the sign
        below, above = plain[half:], plain[:half]
        return torch.cat([below.flip(0) if kind.is_floating_point else below, above])
    return plain.flip(0) if prefix < 0 and kind.is_floating_point else plain


def _has_unordered(seen: Tensor, kind: torch.dtype) -> bool:
    """Return whether there may be infinity or NaN: all bits of the exponent are set."""
    infinite = int(torch.tensor(torch.inf, dtype=kind).view(_WHOLE[kind.itemsize]))
    first, half = infinite >> (8 * kind.itemsize - _DIGIT), _DIGITS // 2
    return bool(seen[first:half].any() or seen[first + half :].any())


def _by_sorting(tensors: Iterable[Tensor], counts: Sequence[int]) -> dict[int, Tensor]:
    flat = [values.detach().reshape(-1) for values in tensors]
    whole = _sorted(torch.cat([values.to(flat[0].device) for values in flat])).cpu()
    return {count: whole[count - 1] for count in counts}


def _sorted(values: Tensor) -> Tensor:
    """Return numbers in rising order, along the last axis."""
    some = quick(values)
    return (
        values.sort(dim=-1).values if some is values else torch.from_numpy(np.sort(some, axis=-1))
    )


def quick(values: Tensor) -> Any:
    """Return an array of NumPy's with the same numbers, where there is one; else the tensor.

    Its operations have the same operators, and are several times as fast on a processor.
    """
    is_there = values.device.type == "cpu" and values.dtype != torch.bfloat16
    return values.detach().numpy() if is_there else values
