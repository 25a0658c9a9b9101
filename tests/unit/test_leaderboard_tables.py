"""Which runs share a table, how seeds become one row, and what is marked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from unit.choices import JUDGE
from unit.results import KL, PERPLEXITY, make_control, make_result
from unit.site_pages import curves_of

from sparc3_bench.comparison import phrasing
from sparc3_bench.comparison.control_verdict import ALONE, NONE, control_verdict
from sparc3_bench.comparison.phrasing import scorer_text
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import RecordError
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.result import Result

if TYPE_CHECKING:
    from sparc3_bench.comparison.series import Series

ACCURACY = MetricRecord(name="accuracy", direction="higher", unit="", title="Accuracy")


def sections_of(*results: Result) -> tuple[Section, ...]:
    return split((Path(result.spec.path), result) for result in results)[0]


def section_of(*results: Result) -> Section:
    (section,) = sections_of(*results)
    return section


def series_of(*results: Result) -> Series:
    (series,) = section_of(*results).series
    return series


@pytest.mark.parametrize(
    "change",
    [
        {"task": "another"},
        {"task_version": 2},
        {"model": "tiny-opt"},
        {"dtype": "bfloat16"},
        {"unit": "neuron"},
        {"group": "layer"},
        {"schedule": "blockwise"},
        {"scope": "mlp"},
        {"ablation": "mean"},
        {"removal": "highest"},
        {"amount_kind": "count"},
        {"evaluation_digest": "f" * 64},
        {"windows": 8},
        {"judge": JUDGE},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_be_compared_gets_a_section_of_its_own(change: dict[str, Any]) -> None:
    sections = sections_of(make_result("wanda"), make_result("lrp", **change))
    assert [len(section.series) for section in sections] == [1, 1]
    assert len({section.id for section in sections}) == 2


@pytest.mark.parametrize(
    "change",
    [
        *({"seed": 3}, {"objective": None}, {"processor": "Another"}, {"seconds": 1.0}),
        {"label": "Instruct, 4-bit, de-quantised"},
    ],
)
def test_what_can_be_compared_shares_a_section(change: dict[str, Any]) -> None:
    section = section_of(make_result("wanda"), make_result("lrp", **change))
    assert [series.scorer.name for series in section.series] == ["lrp", "wanda"]


def test_sections_start_with_the_newest_task_and_the_finest_group() -> None:
    made = [
        make_result(task_version=version, group=group)
        for version in (1, 2)
        for group in ("model", "layer", "row")
    ]
    order = [(s.spec.task.task_version, s.spec.group) for s in sections_of(*made)]
    assert order == [(v, g) for v in (2, 1) for g in ("row", "layer", "model")]


def test_seeds_of_a_scorer_are_one_series_of_mean_and_range() -> None:
    series = series_of(*(make_result(values=(20.0, v), seed=s) for s, v in enumerate((30, 36, 60))))
    value = series.value(0.5, "perplexity")
    assert value is not None
    assert value.centre == pytest.approx(42.0)
    assert (value.low, value.high) == (30.0, 60.0)
    assert series.label == "Wanda (3 seeds)"


def test_seeds_of_a_control_are_a_median_and_range() -> None:
    series = series_of(*(make_control(s, (20.0, v)) for s, v in enumerate((30, 36, 60))))
    value = series.value(0.5, "perplexity")
    assert value is not None
    assert (value.centre, value.low, value.high) == (36.0, 30.0, 60.0)
    assert series.label == "Random (3 seeds)"


def test_a_seed_that_was_run_twice_counts_once_with_its_newest_numbers() -> None:
    amounts = (0.0, 0.5, 0.7)
    old = make_result(values=(20, 90, 99), amounts=amounts, created="2026-01-01T00:00:00Z")
    new = make_result(values=(20, 30), created="2026-02-01T00:00:00Z")
    series = series_of(old, new)
    assert [series.numbers[amount, "perplexity"].centre for amount in amounts] == [20, 30, 99]
    assert series.label == "Wanda"


def test_a_row_says_how_it_aggregates_also_where_no_other_row_does_otherwise() -> None:
    options = {"aggregation": "token-rms", "variant": "attnlrp"}
    one = make_result("lrp", title="LRP", options=options)
    assert (series_of(one).label, series_of(one).difference) == ("LRP", "token-rms")
    assert scorer_text(one.spec) == "LRP, token-rms"
    other = make_result("lrp", options={"aggregation": "abs-of-mean", "variant": "attnlrp"})
    third = make_result("lrp", options={"aggregation": "abs-of-mean", "variant": "cp-lrp"})
    rows = section_of(one, other, third).series
    assert {row.difference for row in rows} == {
        "token-rms, variant attnlrp",
        "abs-of-mean, variant attnlrp",
        "abs-of-mean, variant cp-lrp",
    }


@pytest.mark.parametrize(
    ("scorer", "objective", "said"),
    [
        ("gblm", "loss", ""),
        ("gblm", "label-log-probability", "label-log-probability in place of loss"),
        ("fisher", "logit-difference", "logit-difference in place of label-log-probability"),
        ("wanda", "label-logit", ""),
        ("not-installed", "label-logit", ""),
    ],
)
def test_a_row_says_which_objective_its_scorer_is_not_defined_for(scorer, objective, said) -> None:
    assert series_of(make_result(scorer, objective=objective)).difference == said


@pytest.mark.parametrize(
    ("first", "second", "differences"),
    [
        (
            {"objective": "label-logit"},
            {"objective": "log-probability"},
            {"objective label-logit", "objective log-probability"},
        ),
        (
            {"options": {"gamma": 0.25, "rule": "x"}},
            {"options": {"gamma": 0.5, "rule": "x"}},
            {"gamma 0.25", "gamma 0.5"},
        ),
        (
            {"scorer_version": "0.1.0"},
            {"scorer_version": "0.2.0"},
            {"version sparc3-bench 0.1.0", "version sparc3-bench 0.2.0"},
        ),
        # What other choices tell already needs no version, nor options that came since.
        (
            {"scorer_version": "0.1.0", "options": {"rule": "x"}},
            {"scorer_version": "0.2.0", "options": {"rule": "y", "added": False}},
            {"rule x", "rule y"},
        ),
        (
            {"options": {"rule": "x"}},
            {"options": {"rule": "x", "added": True}},
            {"", "added true"},
        ),
    ],
)
def test_runs_that_differ_in_more_than_the_seed_are_separate_and_say_how(
    first: dict[str, Any], second: dict[str, Any], differences: set[str]
) -> None:
    section = section_of(make_result("lrp", **first), make_result("lrp", **second))
    assert {series.difference for series in section.series} == differences
    one, other = curves_of(section)["rows"]
    assert one["look"] == other["look"]
    assert {one["folded"], other["folded"]} == {False, True}


def test_the_seed_changes_the_reference_tokens_but_not_the_series() -> None:
    one, two = make_result(seed=1), make_result(seed=2)
    assert one.spec.datasets[0].token_digest != two.spec.datasets[0].token_digest
    assert len(series_of(one, two).runs) == 2


def test_windows_behind_a_beginning_are_not_compared_with_windows_without() -> None:
    one, two = make_result(), make_result("magnitude")
    reference, evaluation = two.spec.datasets
    begun = evaluation.model_copy(update={"begin": ("<bos>",)})
    spec = two.spec.model_copy(update={"datasets": (reference, begun)})
    assert len(sections_of(one, two)) == 1
    assert len(sections_of(one, two.model_copy(update={"spec": spec}))) == 2
    assert phrasing.dataset_text(begun) == phrasing.dataset_text(evaluation) + (
        ", behind what the tokenizer begins with"
    )


@pytest.mark.parametrize(
    ("metric", "own", "beaten"),
    [
        # 90, 100 and 110 lie 10 around their mean; t of 2 degrees of freedom is 4.303, and one more
        # draw spreads by the root of 1 + 1/3 more: 100 ∓ 49.7.
        (PERPLEXITY, 50.2, False),
        (PERPLEXITY, 50.4, True),
        (PERPLEXITY, 89.9, True),
        (PERPLEXITY, 500.0, True),
        (ACCURACY, 149.8, False),
        (ACCURACY, 149.6, True),
        (ACCURACY, 110.1, True),
        (ACCURACY, 1.0, True),
    ],
)
def test_a_scorer_must_be_told_apart_from_one_more_run_of_the_control(
    metric: MetricRecord, own: float, beaten: bool
) -> None:
    band = [make_control(s, (20.0, v), metrics=(metric,)) for s, v in enumerate((90, 100, 110))]
    section = section_of(make_result(values=(20.0, own), metrics=(metric,)), *band)
    scorer, control = section.series
    assert control_verdict(section, scorer, 0.5) == ("not better than random" if beaten else "")
    assert control_verdict(section, scorer, 0.0) == ""
    assert control_verdict(section, control, 0.5) == ""


def test_an_amount_the_control_was_not_run_at_is_not_judged() -> None:
    section = section_of(
        make_result(values=(20, 500, 900), amounts=(0.0, 0.5, 0.9)),
        make_control(0),
        make_control(1),
    )
    found = [control_verdict(section, section.series[0], amount) for amount in (0.5, 0.9)]
    assert found == ["not better than random", NONE]


def test_one_run_of_a_control_is_none_to_judge_by() -> None:
    section = section_of(make_result(values=(20, 500)), make_control(0))
    assert control_verdict(section, section.series[0], 0.5) == ALONE


@pytest.mark.parametrize(
    ("metric", "order"),
    [(PERPLEXITY, ["a", "b", "c", "random"]), (ACCURACY, ["c", "b", "a", "random"])],
)
def test_rows_go_from_best_to_worst_with_controls_last(
    metric: MetricRecord, order: list[str]
) -> None:
    section = section_of(
        make_control(0, (20, 1), metrics=(metric,)),
        *(make_result(n, (20, v), metrics=(metric,)) for n, v in (("c", 70), ("a", 30), ("b", 50))),
    )
    assert [series.scorer.name for series in section.series] == order


@pytest.mark.parametrize(
    ("first", "second", "focus", "order"),
    [
        ((0.0, 0.4, 0.5, 0.6), (0.0, 0.5, 0.7), 0.5, 0.5),
        ((0.0, 0.4, 0.5, 0.6), (0.0, 0.4), 0.5, 0.4),
        ((0.0, 0.2, 0.3, 0.8), (0.0, 0.2, 0.3, 0.8), 0.3, 0.8),
        ((0.0,), (0.0,), 0.0, 0.0),
    ],
)
def test_which_amount_orders_the_rows_and_which_shows_the_other_metrics(
    first: tuple[float, ...], second: tuple[float, ...], focus: float, order: float
) -> None:
    section = section_of(
        *(
            make_result(name, range(20, 20 + len(amounts)), amounts=amounts)
            for name, amounts in (("a", first), ("b", second))
        )
    )
    assert (section.focus, section.order) == (focus, order)


def test_failed_runs_are_kept_apart() -> None:
    broken = make_result("lrp", status="failed", error="out of memory")
    sections, failed = split([(Path("b.json"), broken), (Path("a.json"), make_result())])
    assert [run.result.error for run in failed] == ["out of memory"]
    assert [series.scorer.name for series in sections[0].series] == ["wanda"]


def test_a_finished_run_without_points_is_refused_by_name() -> None:
    with pytest.raises(RecordError, match=r"a finished run needs at least one metric and a point"):
        sections_of(make_result(amounts=(), values=(), amount_kind="count"))


def test_very_large_numbers_do_not_overflow() -> None:
    results = [make_result(values=(1.0, 1.7e308), seed=seed) for seed in (0, 1)]
    section = section_of(*results)
    value = section.series[0].value(0.5, "perplexity")
    assert value is not None
    assert value.centre == pytest.approx(1.7e308)
    (row,) = curves_of(section)["rows"]
    assert all(math.isfinite(point[0][0]) for point in row["points"])


def test_the_band_of_the_control_is_drawn_from_its_lowest_to_its_highest_run() -> None:
    runs = [make_control(s, (20.0, v), metrics=(KL,)) for s, v in enumerate((90, 100, 110))]
    section = section_of(make_result(values=(20.0, 30.0), metrics=(KL,)), *runs)
    scorer, control = curves_of(section)["rows"]
    assert (scorer["look"], control["look"]) == (1, -1)
    assert control["points"][-1] == [[100, 90, 110]]


@pytest.mark.parametrize("amounts", [(0.0, 0.3, 0.6, 1.0), (0.0, 0.9, 1.0), (0.0, 0.4, 1.0)])
def test_rows_are_ordered_where_something_is_left(amounts: tuple[float, ...]) -> None:
    section = section_of(make_result(values=(20.0,) * len(amounts), amounts=amounts))
    assert section.order == section.focus == amounts[-2] or section.focus == 0.3
    assert 1.0 not in (section.order, section.focus)


def test_runs_that_share_no_amount_stand_apart_and_the_oldest_keep_their_address():
    def run(scorer: str, amounts: tuple[float, ...], day: int) -> Result:
        values = [20.0 + amount for amount in amounts]
        return make_result(scorer, values, amounts=amounts, created=f"2026-01-0{day}T00:00:00Z")

    first = [run("wanda", (0, 0.5), 2), run("lrp", (0, 0.5), 3)]
    (alone,) = sections_of(*first)
    later = [run("wanda", (0, 0.6), 4), run("lrp", (0, 0.6, 0.7), 5), run("gradient", (0, 0.7), 6)]
    dense = run("magnitude", (0,), 7)
    found = {section.amounts: section for section in sections_of(*later, *first)}
    assert found.keys() == {(0, 0.5), (0, 0.6, 0.7)}
    assert found[0, 0.5].id == alone.id != found[0, 0.6, 0.7].id
    # What links both, or removes nothing, stands beside all.
    assert len(sections_of(*later, *first, run("fisher", (0, 0.5, 0.6), 8))) == 1
    assert len(sections_of(*first, dense)) == 1
