"""Expected failures: told with their reason, and failures of their own when they do not come."""

from __future__ import annotations

import pytest
from conformance import mutants

from sparc3_bench import Sparc3Error
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.testing import CheckFailure, check_adapter, check_scorer
from sparc3_bench.testing.kit import parametrize_with_checks

NAN, REASON = "check_scores_are_finite", "one place has no score by design"


def test_a_failure_that_is_expected_is_told_with_its_reason():
    report = check_scorer(mutants.OneNan, expected_failures={NAN: REASON})
    assert report.ok
    (outcome,) = [one for one in report.outcomes if one.check == NAN]
    assert outcome.status == "expected"
    assert outcome.message.startswith(f"{REASON}. Scores of 'model.layers.0")
    assert f"expected {NAN}: {REASON}. Scores of" in str(report)
    (told,) = [one for one in report.as_dict()["checks"] if one["check"] == NAN]
    assert (told["status"], report.as_dict()["ok"]) == ("expected", True)


def test_an_expected_failure_that_passes_is_a_failure():
    check = "check_describes_itself"
    report = check_adapter("llama", expected_failures={check: "it is shy"})
    assert report.failed == (check,)
    assert report.outcomes[0].message == (
        "The check passes, though it was expected to fail (it is shy); an expectation that is not "
        "met would hide the next failure; take it off the expected failures."
    )


def test_an_expected_failure_that_is_skipped_is_a_failure():
    check = "check_halves_make_up_the_whole"
    report = check_scorer(mutants.Sound, expected_failures={check: "halves differ"})
    assert report.failed == (check,)
    assert "The check is skipped (the scorer has no option `aggregation`), though" in str(report)


def test_another_failure_still_fails():
    report = check_scorer(mutants.LeavesHook, expected_failures={NAN: REASON})
    assert set(report.failed) == {NAN, "check_leaves_no_hook"}


@pytest.mark.parametrize(
    ("expected", "kind", "sentence"),
    [
        ({NAN: " "}, Sparc3Error, f"The expected failure of `{NAN}` has no reason; give one."),
        ({"check_nothing": "so"}, UnknownNameError, "Unknown check 'check_nothing'"),
    ],
)
def test_what_cannot_be_expected_is_refused(expected, kind, sentence):
    for way in (
        lambda: check_scorer(mutants.Sound, expected_failures=expected),
        lambda: parametrize_with_checks([mutants.Sound], expected_failures=expected),
    ):
        with pytest.raises(kind, match=sentence):
            way()


def test_pytest_is_told_to_expect_them():
    cases = parametrize_with_checks([mutants.OneNan], expected_failures={NAN: REASON}).args[1]
    marked = {case.values[1].__name__: case.marks for case in cases if case.marks}
    ((mark,),) = marked.values()
    assert set(marked) == {NAN}
    assert mark.kwargs == {"reason": REASON, "raises": CheckFailure, "strict": True}
