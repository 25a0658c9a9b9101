"""Checks of a result's numbers: what is consistent passes, each mix-up is named."""

from __future__ import annotations

from typing import Any

import pytest
from unit.choices import JUDGE, make_choice
from unit.results import make_result

from sparc3_bench.record.checks import problems
from sparc3_bench.record.parts import (
    EstimateRecord,
    Found,
    Phase,
    Sketch,
    Stability,
    Versus,
)
from sparc3_bench.record.result import Result

AMOUNTS = (0.0, 0.5, 0.999, 1.0)


def made(**changes: Any) -> Result:
    return make_result(values=(20.0, 30.0, 40.0, 50.0), amounts=AMOUNTS, **changes)


def areas(cpr: float, cmd: float, *controls: tuple[float, float]) -> dict[str, EstimateRecord]:
    return {
        "cpr": EstimateRecord(value=cpr, control=tuple(one for one, _ in controls)),
        "cmd": EstimateRecord(value=cmd, control=tuple(other for _, other in controls)),
    }


def test_what_is_consistent_has_no_problems() -> None:
    result = made(
        intervals={"perplexity": [(1.0, 1.0), (1.0, 2.0), (-1.0, 2.0), (0.0, 0.0)]},
        control={"perplexity": [(1.0, 2.0)] * 4, "kl": [(1.0, 2.0)] * 4},
        curve=areas(0.6, 0.399, (0.5, 0.6), (1.2, 0.2)),
        sketch=Sketch(units=10, stride=3, levels="4310"),
        stability=[Stability(seed=1, spearman=-0.2, jaccard=(1.0, 0.5, 0.0, 1.0))],
        clusters={"loss": [0, 0, 1, 1]},
    )
    assert problems(result) == []
    assert problems(make_result()) == []
    assert problems(make_result(status="failed", error="No memory.")) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"curve": areas(0.5, 0.4)},
            "`curve.cpr` + `curve.cmd` is 0.900000; of the same circuits it is at least 0.999.",
        ),
        (
            {
                "curve": areas(0.9, 0.4, (0.9, 0.4), (0.1, 0.2)),
                "control": {"kl": [(0.0, 0.0)] * 4},
            },
            "`curve.cpr` + `curve.cmd` of control 1 is 0.300000; of the same circuits it is at "
            "least 0.999.",
        ),
        (
            {"intervals": {"perplexity": [(1, 1), (2, 1), (1, 1), (1, 1)]}},
            "`points.1.perplexity`: the interval from 2 to 1 ends before it starts.",
        ),
        (
            {"intervals": {"speed": [(1, 1)] * 4}},
            "`points.0.intervals.speed` is an interval of no metric of the point.",
        ),
        (
            {"curve": {"cpr": EstimateRecord(value=1, low=2, high=1)}},
            "`curve.cpr`: the interval from 2 to 1 ends before it starts.",
        ),
        (
            {"curve": {"cpr": EstimateRecord(value=1, low=2)}},
            "`curve.cpr` has one end of an interval without the other.",
        ),
        (
            {"control": {"kl": [(0.0, 0.0), (0.0,), (0.0, 0.0), (0.0, 0.0)]}},
            "`points.1.control.kl` has 1 numbers; `spec.controls` is 2.",
        ),
        (
            {"control": {"speed": [(0.0,)] * 4}},
            "`points.0.control.speed` is of no metric of the point.",
        ),
        (
            {"curve": {"cpr": EstimateRecord(value=1, control=(1.0,))}},
            "`curve.cpr.control` has 1 numbers; `spec.controls` is 0.",
        ),
        (
            {"sketch": Sketch(units=10, stride=3, levels="111")},
            "`sketch.levels` has 3 digits; every 3. of 10 units makes 4.",
        ),
        (
            {"sketch": Sketch(units=1, stride=1, levels="5")},
            "`sketch.levels` counts 5 amounts; there are 4.",
        ),
        (
            {"stability": [Stability(seed=1, spearman=1.0, jaccard=(1.0,))]},
            "`stability.0.jaccard` has 1 numbers for 4 points.",
        ),
        (
            {"stability": [Stability(seed=1, spearman=1.0, jaccard=(1.0, 1.1, 0.0, 0.0))]},
            "`stability.0.jaccard` is not everywhere from 0 to 1.",
        ),
        (
            {"stability": [Stability(seed=1, spearman=2.0, jaccard=(1.0,) * 4)]},
            "`stability.0.spearman` is 2, not from -1 to 1.",
        ),
        (
            {"clusters": {"loss": [0, 1]}},
            "`clusters.loss` has 2 entries; `points.0.samples.loss` has 4.",
        ),
    ],
)
def test_a_mix_up_is_named(changes: dict[str, Any], problem: str) -> None:
    assert problem in problems(made(**changes))


def test_areas_over_fewer_sizes_are_held_to_their_range() -> None:
    short = {"values": (20.0, 30.0, 50.0), "amounts": (0.0, 0.5, 1.0)}
    assert problems(make_result(**short, curve=areas(0.4, 0.1))) == []
    assert len(problems(make_result(**short, curve=areas(0.3, 0.1)))) == 1
    highest = {"values": (20.0, 30.0, 50.0), "amounts": (0.0, 0.001, 1.0), "removal": "highest"}
    assert len(problems(make_result(**highest, curve=areas(0.5, 0.4)))) == 1


def with_found(result: Result, **changes: Any) -> Result:
    assert result.found is not None
    return result.model_copy(update={"found": result.found.model_copy(update=changes)})


def with_point(result: Result, **changes: Any) -> Result:
    assert result.found is not None
    return with_found(result, point=result.found.point.model_copy(update=changes))


def with_versus(result: Result, **changes: Any) -> Result:
    assert result.found is not None
    assert result.found.versus is not None
    return with_found(result, versus=result.found.versus.model_copy(update=changes))


def with_tried(result: Result, index: int, **changes: Any) -> Result:
    tried = list(result.tried)
    tried[index] = tried[index].model_copy(update=changes)
    return result.model_copy(update={"tried": tuple(tried)})


CHOICE = make_choice()

DENSE = make_choice(chosen=0.0, selected=(0.0, *[0.1] * 6))

BAR = Found(metric="kl", at_least=0.5, title="Smallest", point=make_result().points[1])


@pytest.mark.parametrize(
    "result",
    [
        CHOICE,
        DENSE,
        make_choice(drawn=0),
        make_choice(limits={}, chosen=500.0),
        make_choice(limits={"rise": 0.021}),
        make_choice(judge=None, responses=None),
        make_choice(judge=None),  # texts that are counted and not judged
        make_choice(chosen_by=JUDGE.model_copy(update={"name": "another"})),
        make_choice(candidate=""),
        make_result(found=BAR),
    ],
)
def test_a_choice_that_is_consistent_has_no_problems(result: Result) -> None:
    assert problems(result) == []


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (
            CHOICE.model_copy(update={"found": None}),
            "`tried` lists what a choice was made from, but `found` is null.",
        ),
        (with_found(CHOICE, metric="speed"), "`found.metric` is of no metric of the point."),
        (
            with_found(CHOICE, limits={"speed": 1.0}),
            "`found.limits.speed` is of no metric of the point.",
        ),
        (
            make_result(found=BAR, tried=CHOICE.tried),
            "`found` has a bar, and yet something of a choice: limits, `versus` or `tried`.",
        ),
        (
            make_result(found=BAR.model_copy(update={"limits": {"kl": 1.0}})),
            "`found` has a bar, and yet something of a choice: limits, `versus` or `tried`.",
        ),
        (
            with_point(
                CHOICE, amount=CHOICE.points[4].amount.model_copy(update={"requested": 70.0})
            ),
            "`found.point.amount.requested` is 70, none of `spec.amounts`.",
        ),
        (
            with_point(CHOICE, metrics=CHOICE.points[3].metrics),
            "`found.point` is not `points.4`, which has the same amount.",
        ),
        (
            with_point(
                CHOICE, amount=CHOICE.points[4].amount.model_copy(update={"units_removed": 99})
            ),
            "`found.point` is not `points.4`, which has the same amount.",
        ),
        (
            CHOICE.model_copy(update={"tried": ()}),
            "`found` is a choice, but `tried` is empty.",
        ),
        (
            with_tried(CHOICE, 3, requested=51.0),
            "`tried.3.requested` is 51, none of `spec.amounts`.",
        ),
        (with_tried(CHOICE, 3, metrics={"harm_change": 0.0}), "`tried.3.metrics` has no `lost`."),
        (
            with_tried(CHOICE, 3, passes=False),
            "`tried.3.passes` is not what its metrics and `found.limits` say.",
        ),
        (
            with_tried(CHOICE, 5, passes=True),
            "`tried.5.passes` is not what its metrics and `found.limits` say.",
        ),
        (with_tried(CHOICE, 3, requested=20.0), "`tried.3` was tried before."),
        (
            CHOICE.model_copy(update={"candidate": "difference"}),
            "`tried` has no candidate 'difference' at amount 100.",
        ),
        (
            make_choice(chosen=200.0),
            "What was chosen, by `candidate` and `found`, does not pass in `tried`.",
        ),
        (make_choice(chosen=50.0), "`tried.4` passes and is better than what was chosen."),
        (
            CHOICE.model_copy(update={"candidate": "half"}),
            "`tried.4` passes and is better than what was chosen.",
        ),
        (
            make_choice(selected=(0.0, *[0.1] * 6)),
            "`tried.0` passes and is better than what was chosen.",
        ),
        (
            # The dense model may always be chosen, whatever the limits say of it.
            make_choice(limits={"rise": -0.5}, cheaper=(0, *[-1] * 6), selected=(0, *[0.1] * 6)),
            "`tried.0` passes and is better than what was chosen.",
        ),
        (
            with_found(CHOICE, versus=None),
            "`found.versus` is null; something is removed, and there are controls.",
        ),
        (
            with_found(DENSE, versus=Versus(difference=0.0, low=0.0, high=0.0, p_value=1.0)),
            "`found.versus` compares nothing: nothing is removed, or there are no controls.",
        ),
        (
            with_versus(CHOICE, low=0.1, high=0.05),
            "`found.versus`: the interval from 0.1 to 0.05 ends before it starts.",
        ),
        (
            with_point(CHOICE, control={}),
            "`found.point.control` has no `harm_change`, which `found.versus` compares.",
        ),
        (
            with_versus(CHOICE, difference=-0.041),
            "`found.versus.difference` is -0.041; the metric beside the mean of its controls is "
            "-0.038.",
        ),
        (
            with_point(CHOICE, control={"harm_change": (-0.003,) * 9}),
            "`found.point.control.harm_change` has 9 numbers; `spec.controls` is 10.",
        ),
        (
            make_choice(responses=None),
            "`spec.judge` is 'harm-judge', but there are no `responses` that it could judge.",
        ),
        (
            make_choice(responses=CHOICE.responses.model_copy(update={"texts": 0})),
            "`spec.judge` is 'harm-judge', but there are no `responses` that it could judge.",
        ),
        (
            make_choice(judge=None, chosen_by=JUDGE),
            "`chosen_by` is a judge, but `spec.judge` is null.",
        ),
        (
            make_choice(chosen_by=JUDGE),
            "`chosen_by` is the judge of `spec.judge`; it is for another one.",
        ),
        (
            make_choice(judge=None).model_copy(
                update={"cost": {"judging": Phase(seconds=0.5, peak_bytes=0)}}
            ),
            "`cost.judging` took time, but `spec.judge` is null.",
        ),
    ],
)
def test_a_mix_up_of_a_choice_is_named(result: Result, problem: str) -> None:
    assert problem in problems(result)
