"""Numbers of a response: by hand, and on random texts by their definitions written out."""

from __future__ import annotations

import random

import pytest
from sparc3_tasks.correction.texts import (
    distinct,
    longest_repeat,
    loop_onset,
    seq_rep,
)


def texts() -> list[list[int]]:
    """Make texts of few and of many kinds of tokens, with and without a loop at their end."""
    generator = random.Random(0)
    found: list[list[int]] = [[], [7], [7, 7], [7, 8], [7, 7, 7], [7, 7, 8]]
    for _ in range(300):
        kinds = generator.choice((1, 2, 3, 50))
        text = [generator.randrange(kinds) for _ in range(generator.randrange(25))]
        part = [generator.randrange(kinds) for _ in range(generator.randrange(1, 5))]
        text += part * generator.randrange(6)
        text += part[: generator.randrange(len(part))]
        found.append(text)
    return found


TEXTS = texts()


def grams(ids: list[int], n: int) -> list[tuple[int, ...]]:
    return [tuple(ids[i : i + n]) for i in range(len(ids)) if i + n <= len(ids)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [([], 0), ([4], 1), ([4, 4], 0.5), ([4, 5, 4, 6], 0.75), ([9] * 8, 1 / 8)],
)
def test_ratio_of_unique_tokens_by_hand(ids, expected):
    assert distinct(ids, 1) == expected


@pytest.mark.parametrize(
    ("ids", "n", "expected"),
    [
        ([1, 2, 1, 2, 1], 1, 2 / 5),
        ([1, 2, 1, 2, 1], 2, 2 / 4),  # 12 21 12 21
        ([1, 2, 1, 2, 1], 3, 2 / 3),  # 121 212 121
        ([1, 1, 1, 1], 3, 1 / 2),
        ([1, 2, 3], 3, 1),
        ([1, 1], 3, 1),  # too short to repeat three
        ([], 3, 0),
    ],
)
def test_distinct_by_hand(ids, n, expected):
    assert distinct(ids, n) == expected


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3, 4, 1, 2, 3, 4], 1 / 5),  # 1234 2341 3412 4123 1234
        ([5] * 10, 6 / 7),
        ([1, 2, 3, 4, 5, 6], 0),
        ([5, 5, 5, 5], 0),
        ([5, 5, 5], 0),
        ([], 0),
    ],
)
def test_seq_rep_by_hand(ids, expected):
    assert seq_rep(ids, 4) == pytest.approx(expected, abs=1e-15)
    assert seq_rep(ids) == seq_rep(ids, 4)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], 0),
        ([1], 0),
        ([1, 2, 3], 0),
        ([1, 2, 1], 1),
        ([1, 1], 1),
        ([1, 1, 1], 2),  # 11 and 11, one token shared
        ([1, 2, 3, 9, 1, 2, 3, 8], 3),
        ([1, 2, 1, 2, 1], 3),
        ([4, 1, 2, 3, 5, 2, 3, 1, 2, 3], 3),
    ],
)
def test_longest_repeat_by_hand(ids, expected):
    assert longest_repeat(ids) == expected


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], 0),
        ([1, 2, 3], 3),
        ([1, 1], 2),
        ([1, 1, 1], 0),
        ([9, 1, 1, 1], 1),
        ([9, 1, 2, 1, 2], 5),  # twice is no loop
        ([9, 1, 2, 1, 2, 1, 2], 1),
        ([9, 2, 1, 2, 1, 2, 1, 2], 1),  # begins in the middle of a part, ends in one
        ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1], 1),
        ([1, 2, 1, 2, 1, 2, 9], 7),  # a loop that the text leaves
        ([9, 8, 1, 1, 1, 8, 1, 1, 1, 8, 1, 1, 1], 1),  # the longer period begins earlier
        ([9, 8, 1, 1, 1, 7, 1, 1, 1], 6),
    ],
)
def test_loop_onset_by_hand(ids, expected):
    assert loop_onset(ids) == expected


def loops(ids: list[int]) -> list[int]:
    return [
        start
        for start in range(len(ids))
        for period in range(1, len(ids))
        if len(ids) - start >= 3 * period
        and all(ids[i] == ids[i + period] for i in range(start, len(ids) - period))
    ]


def test_numbers_are_as_defined():
    for ids in TEXTS:
        assert distinct(ids, 1) == (len(set(ids)) / len(ids) if ids else 0), ids
        for n in (1, 2, 3, 4):
            everything = grams(ids, n)
            share = len(set(everything)) / len(everything) if everything else 1
            assert distinct(ids, n) == (share if ids else 0), (ids, n)
            assert seq_rep(ids, n) == 1 - share, (ids, n)
        repeated = [n for n in range(1, len(ids)) if len(set(grams(ids, n))) < len(grams(ids, n))]
        assert longest_repeat(ids) == max(repeated, default=0), ids
        assert loop_onset(ids) == min(loops(ids), default=len(ids)), ids


def test_the_random_texts_are_of_every_kind():
    onsets = [loop_onset(ids) for ids in TEXTS if len(ids) > 10]
    assert sum(onset == 0 for onset in onsets) > 20
    looped = [ids for ids in TEXTS if len(ids) > 10 and 0 < loop_onset(ids) < len(ids)]
    assert len(looped) > 50
    assert sum(len(ids) == loop_onset(ids) for ids in TEXTS) > 50
    assert {longest_repeat(ids) for ids in TEXTS} >= set(range(15))


@pytest.mark.parametrize("ids", [tuple(range(4)) * 5, list(range(4)) * 5])
def test_any_sequence_will_do(ids):
    assert (distinct(ids, 1), distinct(ids, 2), seq_rep(ids)) == (0.2, 4 / 19, 1 - 4 / 17)
    assert (longest_repeat(ids), loop_onset(ids)) == (16, 0)
