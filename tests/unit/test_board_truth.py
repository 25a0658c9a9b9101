"""Ranks and verdicts of boards whose truth is known: they say it, and err as seldom as they say."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from board import (
    BLUNT,
    COIN,
    DAMAGE,
    NOISE,
    RANDOM,
    SCORERS,
    SHARP,
    TASKS,
    TWINS,
    Scorer,
    section,
    write_board,
)
from scipy.stats import binom
from unit.results import save

from sparc3_bench.comparison.control_verdict import control_verdict, row_verdicts
from sparc3_bench.comparison.ranks import Ranks, draws_of, ranks
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.record.files import read_results

BOARDS = 100
CONTROL_SEEDS = 9


def made(seed: int, scorers: Sequence[Scorer] = SCORERS, **changes: Any) -> Section:
    """Return a section of made-up runs."""
    runs = section(seed, scorers, intervals=False, **changes)
    (found,), failed = split([(Path(result.spec.path), result) for result in runs])
    assert failed == ()
    return found


def ranked(found: Section) -> Ranks:
    about = ranks(found, draws_of(found))
    assert about is not None
    return about


def texts(found: Section) -> dict[str, str]:
    """Return the ranks by scorer."""
    return {found.series[at].scorer.name: text for at, text in ranked(found).texts.items()}


def blind(found: Section) -> set[str]:
    """Return the scorers that are called not better than random where rows are ordered."""
    rows = row_verdicts(found, draws_of(found))
    said = {
        one.scorer.name: control_verdict(found, one, found.order, None, rows)
        for one in found.series
    }
    return {name for name, one in said.items() if one == f"not better than {RANDOM.name}"}


@functools.cache
def many() -> list[tuple[dict[str, str], set[str]]]:
    """Return ranks and verdicts of the same truth, measured again and again."""
    sections = [made(seed, control_seeds=CONTROL_SEEDS) for seed in range(BOARDS)]
    return [(texts(found), blind(found)) for found in sections]


def likely(trials: int, chance: float) -> tuple[float, float]:
    """Return between which counts all but one in a thousand experiments end."""
    low, high = binom.ppf([0.0005, 0.9995], trials, chance)
    return float(low), float(high)


def test_the_truth_of_a_board_comes_out():
    expected = {"sharp": "1", "twin-a": "2–3", "twin-b": "2–3", "blunt": "4", "coin": "5"}
    exact = sum(found == expected for found, _ in many())
    # What else comes out is twins that are told apart by chance.
    assert exact >= likely(BOARDS, 0.95)[0]


def test_the_truly_better_is_alone_ahead_on_every_board():
    for found, _ in many():
        assert [name for name, text in found.items() if text.startswith("1")] == [SHARP.name]
        assert found[SHARP.name] == "1"
        assert found[BLUNT.name] == "4"


def test_two_equal_scorers_are_told_apart_as_seldom_as_is_said():
    one, other = (twin.name for twin in TWINS)
    apart = sum(found[one] != found[other] for found, _ in many())
    assert apart <= likely(BOARDS, 0.05)[1]


@pytest.mark.parametrize("samples", [8, 32])
def test_of_many_equal_scorers_some_two_are_told_apart_as_seldom_as_is_said(samples):
    trials = 100
    equal = [Scorer(f"equal-{index}", 0.4) for index in range(5)]
    found = [texts(made(seed, equal, samples=samples)) for seed in range(trials)]
    apart = sum(set(one.values()) != {"1–5"} for one in found)
    # Never would mean that ranks tell nothing apart at all.
    assert 0 < apart <= likely(trials, 0.05)[1]


def test_what_is_called_resolvable_is_found_every_second_time():
    trials, samples, ordered_at = 100, 64, 0.5
    error = NOISE * math.sqrt(2 / samples)
    gap = 1.96 * error / (DAMAGE * ordered_at)
    pair = [Scorer("first", 0.4 + gap), Scorer("second", 0.4)]
    found = [made(seed, pair, samples=samples) for seed in range(trials)]
    assert {one.order for one in found} == {ordered_at}
    told = sum(texts(one) == {"first": "1", "second": "2"} for one in found)
    low, high = likely(trials, 0.5)
    assert low <= told <= high


def test_what_is_called_resolvable_is_what_the_samples_can_show():
    samples = 64
    error = NOISE * math.sqrt(2 / samples)
    for seed in range(10):
        found = made(seed, TWINS, samples=samples)
        about = ranked(found)
        # A perplexity is the exponential of a mean, so neighbours differ by a factor.
        assert about.scale == "log"
        assert math.log(about.resolvable) == pytest.approx(1.96 * error, rel=0.3)


def test_what_knows_nothing_is_called_not_better_than_random():
    kept = sum(COIN.name in names for _, names in many())
    # The best of all it is on one board in ten; better than one more draw, on at most one in 20.
    assert kept >= likely(BOARDS, 0.95)[0]


def test_what_knows_something_is_never_called_that():
    assert set().union(*(names for _, names in many())) == {COIN.name}


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_comes_out_of_files_for_every_task(task, tmp_path):
    runs = list(section(3, task=task, samples=200))
    for result in runs:
        save(tmp_path, result)
    (found,), _ = split(read_results(tmp_path))
    names = [one.scorer.name for one in found.series]
    assert names[0] == SHARP.name
    assert names[-1] == RANDOM.name
    ranks_of = texts(found)
    one, other = (ranks_of[twin.name] for twin in TWINS)
    assert ranks_of[SHARP.name] == "1"
    assert one == other == "2–3"
    assert names.index(BLUNT.name) == 3


def test_a_written_board_is_whole_and_the_same_for_the_same_seed(tmp_path):
    count = 130
    sections = write_board(tmp_path / "one", count)
    write_board(tmp_path / "two", count)
    write_board(tmp_path / "three", count, seed=1)
    read = list(read_results(tmp_path / "one"))
    assert len(read) == count
    found, failed = split(read)
    assert (len(found), len(failed)) == (sections, 1)
    assert len({run.result.content_hash for s in found for run in s.runs}) == count - 1
    one, two, three = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.json")}
        for folder in (tmp_path / name for name in ("one", "two", "three"))
    )
    assert one == two
    assert one.keys() == three.keys()
    assert one != three
