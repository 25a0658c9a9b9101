"""Steps of a record and its replay: equal, within what rounding does, or the first that differs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from unit.results import make_result

from sparc3_bench.record.parts import Found, Sketch, Tried
from sparc3_bench.record.result import Result
from sparc3_bench.replication.step_agreement import StepAgreement, spec_agreement, step_agreements
from sparc3_bench.replication.tolerance import distance, tolerance_of

every_kind = pytest.mark.parametrize(
    ("dtype", "written"), [("float32", False), ("bfloat16", False), ("bfloat16", True)]
)


def outcome(one: Result, other: Result, *, written: bool = False) -> tuple[str, str]:
    """Return the last step that was compared, and what it came to."""
    last = list(step_agreements(one, other, written=written))[-1]
    return last.step, last.agreement


def sketch(levels: str) -> Sketch:
    return Sketch(units=len(levels), stride=1, levels=levels)


def with_sample(result: Result, value: float, count: int = 1) -> Result:
    point = result.points[1]
    losses = (value,) * count + point.samples["loss"][count:]
    changed = point.model_copy(update={"samples": {"loss": losses}})
    return result.model_copy(update={"points": (result.points[0], changed)})


def test_a_record_agrees_with_itself_in_every_step():
    result = make_result(sketch=sketch("0123"))
    steps = list(step_agreements(result, result))
    assert {step.agreement for step in steps} == {"equal"}
    assert [step.step for step in steps][-1] == "record"


@every_kind
def test_a_metric_may_be_off_by_what_is_allowed_and_no_more(dtype, written):
    allowed = tolerance_of(dtype, written=written).number
    one = make_result(values=(20.0, 40.0), dtype=dtype)
    for off, agreement in ((0.9 * allowed, "within tolerance"), (1.2 * allowed, "differs")):
        other = make_result(values=(20.0, 40.0 * (1 + off)), dtype=dtype)
        found = step_agreements(one, with_sample(other, 0.0, 0), written=written)
        steps = {step.step: step for step in found}
        assert steps["metrics"].agreement == agreement


@every_kind
def test_some_samples_may_be_far_off_and_all_a_little(dtype, written):
    allowed = tolerance_of(dtype, written=written)
    one = make_result(windows=1000, dtype=dtype)
    loss = one.points[1].samples["loss"][0]
    few = round(1000 * allowed.samples)
    assert outcome(one, with_sample(one, 9.0, few), written=written) == ("record", "equal")
    more = with_sample(one, 9.0, few + 1)
    assert outcome(one, more, written=written) == ("samples", "differs")
    near = with_sample(one, loss * (1 + 0.5 * allowed.sample), 1000)
    steps = {step.step: step for step in step_agreements(one, near)}
    assert steps["samples"].gaps == 1


def test_where_a_record_contradicts_itself_no_sample_may_be_off():
    one = make_result(windows=1000)
    other = with_sample(one, 9.0)
    assert list(step_agreements(one, other))[-1].step == "record"
    steps = list(step_agreements(one, other, ["`perplexity` is 1, and 2 by the samples."]))
    assert (steps[-1].step, steps[-1].agreement) == ("samples", "differs")
    last = list(step_agreements(one, one, ["`perplexity` is 1, and 2 by the samples."]))[-1]
    assert (last.step, last.agreement) == ("record", "differs")


@pytest.mark.parametrize(("beside", "agreement"), [(0.95, "within tolerance"), (0.7, "differs")])
def test_another_amount_may_be_chosen_where_it_is_as_good_as_equal(beside, agreement):
    def chosen(place: int, values: tuple[float, float]) -> Result:
        amounts = make_result().points
        tried = [
            Tried(candidate="", requested=one.amount.requested, metrics={"kl": kl}, passes=True)
            for one, kl in zip(amounts, values, strict=True)
        ]
        found = Found(metric="kl", title="Smallest", point=amounts[place])
        return make_result(found=found, tried=tried, candidate="", dtype="bfloat16")

    one, other = chosen(0, (0.9, beside)), chosen(1, (0.9, beside))
    steps = list(step_agreements(one, other, written=True))
    last = {step.step: step for step in steps}["operating point"]
    assert (last.worst.where, last.agreement) == ("amount that was chosen", agreement)


def test_sampled_units_may_change_places_where_scores_are_alike():
    one = make_result(sketch=sketch("0" * 2000))
    assert outcome(one, make_result(sketch=sketch("1" + "0" * 1999)))[0] == "record"
    step, agreement = outcome(one, make_result(sketch=sketch("111" + "0" * 1997)))
    assert (step, agreement) == ("circuits", "differs")


@pytest.mark.parametrize(
    ("one", "other", "scale", "size"),
    [
        (2.0, 2.02, "linear", 0.02 / 2.02),
        (0.001, 0.002, "linear", 0.001),
        (1e5, 1.1e5, "log", math.log(1.1)),
        (0.0, 0.5, "log", 0.5),
    ],
)
def test_how_far_two_numbers_are_apart(one, other, scale, size):
    assert distance(one, other, scale) == pytest.approx(size)


def of_spec(**changes: Any) -> tuple[StepAgreement, list[str]]:
    return spec_agreement(make_result().spec, make_result(**changes).spec)


def test_a_spec_differs_by_what_moves_numbers_and_not_by_where_things_come_from():
    assert of_spec()[0].agreement == "equal"
    step, noted = of_spec(scorer_version="0.2.0")
    assert (step.agreement, noted) == ("equal", ["scorer.version"])
    step, noted = of_spec(options={"came_later": 1})
    assert (step.agreement, noted) == ("equal", ["scorer.options.came_later"])
    for changes, where in (
        ({"evaluation_digest": "f" * 64}, "datasets.evaluation.token_digest"),
        ({"task_version": 2}, "task.task_version"),
        ({"dtype": "bfloat16"}, "model.dtype"),
        ({"group": "layer"}, "group"),
    ):
        step, _ = of_spec(**changes)
        assert step.agreement == "differs"
        assert step.worst is not None
        assert step.worst.where == where
