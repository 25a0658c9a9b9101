"""Every check of the kit catches a plugin with the fault it is for, and no other check does."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from conformance import mutants
from conformance.sound_task import Sound as SoundTask

from sparc3_bench import ModelView, Sparc3Error
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.model.state import differences, taken, undoing
from sparc3_bench.testing import (
    CHECKS,
    CheckFailure,
    Report,
    check_adapter,
    check_scorer,
    check_task,
)
from sparc3_bench.testing.report import run_check
from sparc3_bench.testing.tiny import make_view


def told(report: Report, check: str) -> str:
    (outcome,) = (outcome for outcome in report.outcomes if outcome.check == check)
    return outcome.message


@pytest.mark.parametrize(("mutant", "check"), mutants.SCORERS.items())
def test_one_check_alone_catches_the_scorer(mutant, check):
    report = check_scorer(mutant)
    assert report.failed == (check,), str(report)
    assert told(report, check).count("; ") >= 2


@pytest.mark.parametrize(("mutant", "check"), mutants.ADAPTERS.items())
def test_one_check_alone_catches_the_adapter(mutant, check):
    report = check_adapter(mutant)
    assert report.failed == (check,), str(report)
    assert told(report, check).count("; ") >= 2


@pytest.mark.parametrize(("mutant", "check"), mutants.TASKS.items())
def test_one_check_alone_catches_the_task(mutant, check):
    report = check_task(mutant)
    assert report.failed == (check,), str(report)
    assert told(report, check).count("; ") >= 2


@pytest.mark.parametrize(
    ("kind", "caught"),
    [("scorer", mutants.SCORERS), ("adapter", mutants.ADAPTERS), ("task", mutants.TASKS)],
)
def test_every_check_has_a_plugin_that_it_catches(kind, caught):
    assert {check.__name__ for check in CHECKS[kind]} == set(caught.values())


def test_a_sound_scorer_passes():
    report = check_scorer(mutants.Sound)
    assert report.ok, str(report)
    assert [one.check for one in report.outcomes if one.status == "skipped"] == [
        "check_halves_make_up_the_whole",
        "check_goes_on_where_it_stopped",
    ]


def test_a_sound_task_passes():
    report = check_task(SoundTask)
    assert report.ok, str(report)
    assert all(one.status == "ok" for one in report.outcomes)


@pytest.mark.parametrize(
    ("mutant", "sentence"),
    [
        (mutants.AsStored, "Scores of '.*' have the shape .*, which is the matrix turned round"),
        (mutants.OneNan, "Scores of '.*' are NaN in 1 and infinite in 0 of 1024 places"),
        (mutants.ForgetsUp, "3 of 21 weights have no score, the first '.*up_proj'"),
        (mutants.PrunesAndForgets, "The scorer leaves other bits in `.*weight`"),
        (mutants.LeavesHook, "The scorer leaves a hook on `model.layers.0"),
        (mutants.PatchesClass, "The scorer leaves another value in `LlamaDecoderLayer.forward`"),
        (
            mutants.OtherNoiseEveryTime,
            "Two runs with one seed are not equal: scores of '.*'",
        ),
        (
            mutants.WrongWay,
            "Metric 'loss', of which higher is declared better, is ",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_plugins_get_wrong_most_is_named_in_one_sentence(mutant, sentence):
    check, cls = {**mutants.SCORERS, **mutants.TASKS}[mutant], mutant
    checks = {one.__name__: one for kind in ("scorer", "task") for one in CHECKS[kind]}
    with pytest.raises(CheckFailure, match=f"^{sentence}") as caught:
        checks[check](cls)
    assert str(caught.value).splitlines() == [str(caught.value)]
    assert str(caught.value).endswith(".")


def test_every_check_says_what_it_demands_and_why():
    for check in (check for checks in CHECKS.values() for check in checks):
        first, _, why = check.__doc__.partition("\n\n")
        assert first.startswith("Demand "), check
        assert why.strip(), check


@pytest.mark.parametrize(
    ("mutant", "message"),
    [
        (
            mutants.AsStored,
            "Scores of 'transformer.h.0.attn.c_attn' have the shape [32, 96], which is the matrix "
            "turned round, where the matrix has [96, 32], on the tiny gpt2 model; rows are outputs "
            "and columns are inputs, and rankings go by rows; compute from `weight.matrix`, "
            "[out_features, in_features], and never from `module.weight`.",
        ),
        (
            mutants.OneNan,
            "Scores of 'model.layers.0.self_attn.q_proj' are NaN in 1 and infinite in 0 of 1024 "
            "places, on the tiny llama model; what is no number has no rank; accumulate in float32 "
            "and guard divisions and logarithms.",
        ),
        (
            mutants.PatchesClass,
            "The scorer leaves another value in `LlamaDecoderLayer.forward`, on the tiny llama "
            "model; a patched class changes every model of the process and so the scorers that "
            "come next; use hooks on the modules of this model, or undo the patch in a `finally`.",
        ),
        (
            mutants.CleansUpIfAllGoesWell,
            "When interrupted, the scorer leaves 1 hooks changed, the first `model.layers.0 "
            "(forward hook)`, on the tiny llama model; the model and the process go on being used "
            "after an interrupted cell; undo every change in a `finally` or a context manager.",
        ),
    ],
)
def test_a_failure_says_what_is_wrong_why_it_matters_and_what_to_do(mutant, message):
    (check,) = (one for one in CHECKS["scorer"] if one.__name__ == mutants.SCORERS[mutant])
    with pytest.raises(CheckFailure) as caught:
        check(mutant)
    assert str(caught.value) == message
    assert message == f"{caught.value.wrong}; {caught.value.why}; {caught.value.remedy}."


@pytest.mark.parametrize("mutant", [mutants.PatchesClass, mutants.PatchesFunction])
def test_what_a_mutant_leaves_is_put_back_for_the_next_plugin(mutant):
    view = make_view("llama")
    before = taken(view)
    (check,) = (one for one in CHECKS["scorer"] if one.__name__ == mutants.SCORERS[mutant])
    with pytest.raises(CheckFailure):
        check(mutant)
    assert not any(differences(before, taken(view)).values())
    check(mutants.Sound)


def test_random_states_and_modes_are_put_back():
    view = make_view("llama")
    before = taken(view)
    with undoing(view):
        torch.manual_seed(123)
        random.seed(123)
        torch.set_default_dtype(torch.float64)
        changed = differences(before, taken(view))
        assert changed["process"] == ["torch's default dtype"]
        assert changed["seeds"] == ["the random state of torch", "the random state of Python"]
    assert not any(differences(before, taken(view)).values())


def test_a_check_that_meets_an_error_is_a_failure_not_a_crash():
    def check_that_breaks(plugin: object) -> None:
        raise ZeroDivisionError("by nothing")

    outcome = run_check(check_that_breaks, mutants.Sound)
    assert (outcome.status, outcome.check) == ("failed", "check_that_breaks")
    assert outcome.message == "The check itself met ZeroDivisionError: by nothing."


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'wanda'"):
        check_scorer("wnada")
    with pytest.raises(Sparc3Error, match="`Llama` is no scorer; use `check_adapter`"):
        check_scorer(mutants.Llama)
    with pytest.raises(
        Sparc3Error, match="`dict` is no scorer, task, adapter, allocation or repair"
    ):
        check_scorer(dict)


def test_a_report_leaves_the_random_state_of_the_caller():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert check_adapter("llama").ok
    assert torch.equal(torch.get_rng_state(), before)


class Elsewhere(mutants.Sound):
    """A scorer that runs a copy of the model elsewhere, which does not know OPT."""

    def score(self, model, reference):
        if model.config.model_type == "opt":
            raise Sparc3Error("Scorer 'elsewhere' cannot score models of type 'opt'; use another.")
        elsewhere = ModelView(copy.deepcopy(model.model), model.adapter)
        scores = super().score(elsewhere, reference)
        return {name: scores[name] for name in model.weights()}


def test_a_scorer_may_refuse_an_architecture_and_run_the_model_elsewhere():
    report = check_scorer(Elsewhere)
    assert report.ok, str(report)


def test_going_through_the_reference_is_needing_it():
    class Denied(Elsewhere):
        """The same with a declaration that is not true."""

        needs_reference = False

    assert check_scorer(Denied).failed == ("check_says_whether_it_runs_the_model",)
