"""Existing results answer a request by what was asked, and by nothing else."""

from __future__ import annotations

import pytest
from unit.results import make_result

from sparc3_bench.host import default_host
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import JudgeRef
from sparc3_bench.replication.result_index import ResultIndex
from sparc3_bench.replication.work import Replication
from sparc3_bench.run.request import Request
from sparc3_bench.run.suite import read_suite

REQUEST = Request(
    scorers=[("gradient", [0])], task="compression", model="tiny-llama", amounts=[0.5]
)


def result(**changes: object) -> Result:
    given = {"scorer": "gradient", "objective": "label-log-probability", **changes}
    return make_result(**given)


def found(*results: Result, **changes: object) -> Result | None:
    request = REQUEST.model_copy(update=changes)
    return ResultIndex(results, default_host()).of(request, "gradient", 0)


def test_a_result_of_the_same_request_is_found():
    own = result()
    assert found(own) is own


@pytest.mark.parametrize(
    "changes",
    [
        {"scorer": "lrp"},
        {"options": {"aggregation": "mean-of-abs"}},
        {"objective": "label-logit"},
        {"seed": 1},
        {"task": "ioi-circuit"},
        {"task_version": 2},
        {"model": "other"},
        {"unit": "neuron"},
        {"group": "layer"},
        {"schedule": "blockwise"},
        {"scope": "mlp"},
        {"ablation": "mean"},
        {"removal": "highest"},
        {"amounts": (0.0, 0.4)},
        {"amount_kind": "count", "amounts": (0, 5)},
        {"status": "failed", "error": "It broke."},
    ],
    ids=str,
)
def test_whatever_a_user_can_say_tells_two_results_apart(changes):
    assert found(result(**changes)) is None


def test_of_a_scorer_with_an_objective_of_its_own_that_one_is_meant():
    made = [result(scorer="gblm", objective=name) for name in ("label-log-probability", "loss")]
    request = REQUEST.model_copy(update={"scorers": [("gblm", [0])]})
    assert ResultIndex(made, default_host()).of(request, "gblm", 0) is made[1]
    assert ResultIndex(made[:1], default_host()).of(request, "gblm", 0) is None


def test_one_that_was_judged_again_is_not_the_run():
    judge = JudgeRef(
        **{"name": "j", "title": "J", "options": {}, "distribution": "d", "version": "1"},
        source_digest="0" * 16,
        weights_digest="f" * 64,
    )
    assert found(result(chosen_by=judge)) is None


def test_machine_code_and_further_amounts_do_not_matter():
    wider = result(
        amounts=(0.0, 0.3, 0.5), values=(1.0, 2.0, 3.0), suite_digest="1" * 16, processor="Other"
    )
    assert found(wider) is wider


def test_number_format_matters_where_it_is_asked_for():
    own = result(dtype="float32")
    assert found(own, dtype="float32") is own
    assert found(own, dtype="bfloat16") is None


def test_options_may_be_written_out():
    own = result(options={"aggregation": "token-rms", "times_weight": True})
    assert found(own) is own


def test_the_newest_counts():
    old, new = (result(created=f"2026-01-0{day}T00:00:00Z", values=(20.0, day)) for day in (1, 2))
    assert found(new, old) is found(old, new) is new


def test_a_plugin_that_is_not_here_is_passed_over():
    own = result()
    assert found(result(scorer="unheard-of"), result(task="unheard-of"), own) is own


def test_what_is_missing_stands_in_the_order_in_which_it_is_asked_for(tmp_path):
    suite = tmp_path / "twice.toml"
    suite.write_text(
        'task = "compression"\nmodel = "smollm2-135m"\namounts = [0.5]\n'
        '[[run]]\nscorers = ["wanda@0", "magnitude@0", "wanda@1"]\n'
    )
    work = Replication(read_suite(str(suite), default_host()), tmp_path, default_host())
    ((wanted, request),) = work._wanted()
    # Orders follow the request; what comes of each is put where it was missing.
    asked = [(name, seed) for name, seeds in request.scorers for seed in seeds]
    assert [(one.scorer, seed) for one, seed in wanted] == asked
    assert sorted(asked) == [("magnitude", 0), ("wanda", 0), ("wanda", 1)]
