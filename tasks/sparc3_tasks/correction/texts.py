"""Numbers of one response: how varied its tokens are, and whether it ends in a loop."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def mean(values: Sequence[float]) -> float:
    """Return the mean over the responses to a prompt."""
    return sum(values) / len(values)


def distinct(ids: Sequence[int], n: int) -> float:
    """Return distinct n-grams / n-grams, in [0, 1], after [li2016], who divide by tokens.

    With an `n` of 1 it is the Response Uniqueness Ratio [hatefi2025, eq. 11]. A text of fewer than
    `n` tokens repeats none of that length: 1; one without a token says nothing that could be
    varied: 0. Longer texts come out lower, so compare responses that were cut at one length.
    """
    if not ids:
        return 0.0
    grams = max(1, len(ids) - n + 1)
    return len({tuple(ids[i : i + n]) for i in range(grams)}) / grams


def seq_rep(ids: Sequence[int], n: int = 4) -> float:
    """Return the share of n-grams that repeat another, 1 - distinct / all [welleck2020]."""
    return 1.0 - distinct(ids, n) if ids else 0.0


def longest_repeat(ids: Sequence[int]) -> int:
    """Return the length of the longest n-gram that occurs twice, or 0; the two may overlap."""
    # With an n-gram its beginnings repeat too, so the shortest length without one can be bisected.
    lengths = range(1, len(ids))
    return bisect_left(lengths, True, key=lambda n: distinct(ids, n) == 1)


def loop_onset(ids: Sequence[int]) -> int:
    """Return where the loop begins that a text ends in: three equal parts or more, one by one.

    That is the smallest `t` such that `ids[t:]` has a period, and is at least three of them long;
    the last may break off. It is the number of tokens if there is none.
    """
    count = len(ids)
    onset = count
    for period in range(1, count // 3 + 1):
        start = count - period
        while start > 0 and ids[start - 1] == ids[start - 1 + period]:
            start -= 1
        if count - start >= 3 * period:
            onset = min(onset, start)
    return onset
