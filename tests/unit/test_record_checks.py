"""Checks of a result's numbers: what is consistent passes, each mix-up is named."""

from __future__ import annotations

from typing import Any

import pytest
from unit.results import make_result

from sparc3_bench.record.checks import problems
from sparc3_bench.record.parts import EstimateRecord, Sketch, Stability
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
