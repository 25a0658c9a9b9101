"""Choices: made on the selection part alone, within limits, and compared with random controls."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration.tabled import CLUSTERS, PROMPTS, TABLE, Case, Table, removed, run, whole
from scipy.stats import t
from torch import Tensor

from sparc3_bench import ScoreMap, unit_scores
from sparc3_bench.host import default_host
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask, choose
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.testing.tiny import make_view, save_model

COUNTS = (0, 1, 2, 4)

MANY = len(set(CLUSTERS))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("choice") / "llama")


@pytest.fixture(autouse=True)
def table() -> Table:
    """Return a fresh table, which scores everything alike."""
    TABLE.__dict__.update(Table().__dict__)
    return TABLE


@cache
def kept(name: str, count: int) -> dict[str, Tensor]:
    """Return what a candidate keeps, by magnitude, on the model itself."""
    view = make_view("llama")
    scores = ScoreMap(default_host().get("scorer", "magnitude").cls().score(view, None))
    sign = {"first": 1, "turned": -1}[name]
    ranking = {block: sign * v for block, v in unit_scores(scores, view, "neuron").items()}
    return choose(ranking, count, unit="neuron", group="model", kind="count")


def gone(keep: dict[str, Tensor]) -> frozenset[str]:
    view = make_view("llama")
    with view.masked(as_mask(keep, view, "neuron")):
        return removed(view)


@cache
def circuit(name: str, count: int) -> frozenset[str]:
    found = gone(kept(name, count))
    assert len(found) == count
    return found


def named(case: Case) -> str:
    """Return which candidate a text is from; what none of them removes is random."""
    candidates = (name for name in ("first", "turned") if circuit(name, case.count) == case.removed)
    return next(candidates, "random")


def by(numbers: dict[tuple[str, str, int], float], otherwise: float = 0.6) -> Any:
    """Look numbers up by part, candidate and count; those of the dense model are all 0.5."""

    def look_up(case: Case) -> float:
        if case.count == 0:
            return 0.5
        return numbers.get((case.part, named(case), case.count), otherwise)

    return look_up


def test_best_within_the_limits_on_the_selection_part_is_taken_whatever_the_test_part_says(
    model, tmp_path, table
):
    scores = {("selection", "turned", 2): 0.3, ("selection", "first", 4): 0.2}
    scores |= {("test", "first", 4): 0.0, ("test", "turned", 2): 0.9, ("test", "first", 1): 0.1}
    table.score = by(scores)
    # The best of all goes beyond the limit on the selection part, and keeps it on the test part.
    table.cost = lambda case: 2.0 if case.count == 4 and case.part == "selection" else 1.0
    result = whole(run(model, tmp_path))
    assert result.spec.amounts == COUNTS
    assert (result.candidate, result.found.point.amount.requested) == ("turned", 2)
    assert result.found.point == result.points[2].model_copy(update={"control": {}})
    assert result.found.point.metrics["score"] == pytest.approx(0.9)
    assert (result.found.metric, result.found.limits) == ("change", {"strain": 0.1})
    assert (result.found.title, result.found.at_least) == ("Least change", None)
    assert result.found.versus is None
    tried = {(one.candidate, one.requested): one for one in result.tried}
    assert list(tried) == [(name, count) for name in ("first", "turned") for count in COUNTS]
    for (name, count), one in tried.items():
        score = scores.get(("selection", name, count), 0.6) if count else 0.5
        strain = 1.0 if count == 4 else 0.0
        assert one.metrics == pytest.approx(
            {"score": score, "change": score**2 - 0.25, "strain": strain}
        )
        assert one.passes is (count != 4)
    # The curve is that of the chosen ranking.
    written = [what for part, what in table.written if part == "test"]
    assert written == [circuit("turned", count) for count in COUNTS]


def test_test_part_moves_no_choice(model, tmp_path, table):
    found = []
    for index, best in enumerate((1, 4)):
        table.score = by({("selection", "first", 2): 0.2, ("test", "first", best): 0.0})
        result = whole(run(model, tmp_path / str(index)))
        found.append((result.candidate, result.found.point.amount.requested, result.tried))
    assert found[0] == found[1]
    assert found[0][:2] == ("first", 2)


@pytest.mark.parametrize(
    ("most", "amount"), [(0.25, 1), (0.5, 2), (0.49, 1), (3.0, 4), (0.2, 0), (0.0, 0), (-1.0, 0)]
)
def test_limit_is_kept_by_what_equals_it(model, tmp_path, table, most, amount):
    table.score = lambda case: 0.5 - case.count / 10
    table.cost = lambda case: {0: 1.0, 1: 1.25, 2: 1.5, 4: 4.0}[case.count]
    options = {"most": str(most), "reverse": "false"}
    result = whole(run(model, tmp_path, task_options=options))
    assert result.found.point.amount.requested == amount
    assert result.found.limits == {"strain": most}
    # The dense model is always there to be chosen, even where it does not keep the limit itself.
    assert [one.passes for one in result.tried] == [strain <= most for strain in (0, 0.25, 0.5, 3)]


def test_higher_is_taken_where_higher_is_better(model, tmp_path, table):
    table.score = by({("selection", "turned", 1): 0.9, ("selection", "first", 2): 0.1})
    result = whole(run(model, tmp_path, task="best"))
    assert (result.candidate, result.found.point.amount.requested) == ("turned", 1)


@pytest.mark.parametrize("controls", [0, 2])
def test_where_nothing_passes_the_dense_model_is_chosen_and_compared_with_nothing(
    model, tmp_path, table, controls
):
    table.score = lambda case: 0.5 - case.count / 10
    # Of the smallest amount the second ranking goes less far beyond the limit.
    table.cost = by({("selection", "first", 1): 5.0, ("selection", "turned", 1): 3.0}, 2.0)
    result = whole(run(model, tmp_path, controls=controls))
    assert result.candidate == "turned"
    assert result.found.point.amount.requested == 0
    assert (result.found.versus, result.found.point.control) == (None, {})
    assert result.found.point.metrics["change"] == 0
    assert [one.passes for one in result.tried] == [True, False, False, False] * 2
    assert not any(part == "paired" for part, _ in table.written)


def test_dense_model_is_chosen_where_nothing_is_better(model, tmp_path, table):
    table.score = lambda case: 0.5 + case.count / 10
    result = whole(run(model, tmp_path))
    assert result.found.point.amount.requested == 0
    assert all(one.passes for one in result.tried)


def test_of_equals_the_smaller_amount_is_taken(model, tmp_path, table):
    table.score = by({("selection", n, c): 0.3 for n, c in (("first", 4), ("turned", 2))}, 0.4)
    result = whole(run(model, tmp_path / "a"))
    assert (result.candidate, result.found.point.amount.requested) == ("turned", 2)
    table.score = lambda case: 0.5
    assert whole(run(model, tmp_path / "b")).found.point.amount.requested == 0


def noise(case: Case) -> float:
    """Return a score that depends on everything but on what of the data is reported."""
    known = f"{case.prompt} {' '.join(sorted(case.removed))}"
    return 0.1 + 0.8 * zlib.crc32(known.encode()) / 2**32


def samples(part: str, removed: frozenset[str]) -> np.ndarray:
    return np.array([noise(Case(part, prompt, removed)) for prompt in range(PROMPTS[part])])


@pytest.mark.parametrize("controls", [1, 3])
def test_choice_is_compared_with_controls_on_its_own_prompts(model, tmp_path, table, controls):
    table.score = noise
    table.cost = lambda case: 1.0 + noise(case) / 100
    result = whole(run(model, tmp_path, controls=controls))
    amount, point = int(result.found.point.amount.requested), result.found.point
    assert amount > 0
    own, dense = (samples("test", circuit(result.candidate, n)) for n in (amount, 0))
    assert point.samples["score"] == pytest.approx(own)
    drawn = [gone(matched(kept(result.candidate, amount), "model", n)) for n in range(controls)]
    numbers = [samples("paired", removed) for removed in drawn]
    change = [values.mean() ** 2 - dense.mean() ** 2 for values in numbers]
    strain = [(1 + v.mean() / 100) / (1 + dense.mean() / 100) - 1 for v in numbers]
    assert point.control["score"] == pytest.approx([values.mean() for values in numbers])
    assert point.control["change"] == pytest.approx(change)
    assert point.control["strain"] == pytest.approx(strain)
    assert [removed for part, removed in table.written if part == "paired"] == drawn
    # What a sample weighs in a replicate follows from replicates of samples that are 1 or 0.
    weights = resampled_means(np.eye(6), CLUSTERS)
    ways = [(weights @ values) ** 2 - (weights @ dense) ** 2 for values in (own, *numbers)]
    error = (ways[0] - np.mean(ways[1:], axis=0)).var() * MANY / (MANY - 1)
    parts = [(error, MANY - 1)]
    if controls > 1:
        parts.append((np.var(change, ddof=1) / controls, controls - 1))
    total = sum(variance for variance, _ in parts)
    freedom = total**2 / sum(variance**2 / free for variance, free in parts)
    versus = result.found.versus
    difference = own.mean() ** 2 - dense.mean() ** 2 - np.mean(change)
    half = t.ppf(0.975, freedom) * np.sqrt(total)
    assert versus.difference == pytest.approx(difference)
    assert (versus.low, versus.high) == pytest.approx((difference - half, difference + half))
    expected = 2 * t.sf(abs(difference) / np.sqrt(total), freedom)
    assert versus.p_value == pytest.approx(expected)
    assert point.versus["change"] == versus


def test_controls_of_the_curve_are_measured_on_fewer_prompts(model, tmp_path, table):
    table.score = noise
    result = whole(run(model, tmp_path, controls=2))
    for count, point in zip(COUNTS, result.points, strict=True):
        drawn = [gone(matched(kept(result.candidate, count), "model", n)) for n in range(2)]
        expected = [samples("control", removed).mean() for removed in drawn]
        assert point.control["score"] == pytest.approx(expected)


def test_choice_that_beats_every_control_is_beyond_doubt(model, tmp_path, table):
    table.score = lambda case: 0.2 if named(case) == "first" and case.count else 0.5
    result = whole(run(model, tmp_path, controls=2))
    assert (result.candidate, result.found.point.amount.requested) == ("first", 1)
    assert result.found.versus.difference == pytest.approx(0.2**2 - 0.5**2)
    assert result.found.versus.high < 0
    assert result.found.versus.p_value == 0
    table.score = lambda case: 0.2 if case.count else 0.5
    alike = whole(run(model, tmp_path / "b", controls=2)).found
    assert (alike.versus.difference, alike.versus.low, alike.versus.high) == (0, 0, 0)
    assert alike.versus.p_value == 1
