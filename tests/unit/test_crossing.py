"""Crossed results: what each choice does, which runs count, what is said, and the page of it."""

from __future__ import annotations

import pytest
from unit.crossed import crossed, factorial, plausible
from unit.results import make_control

from sparc3_bench.comparison.crossing import DIVIDED, crossing, crossings
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.crossing_report import CrossingReport
from sparc3_bench.leaderboard.report_part import as_markdown, as_text


@pytest.fixture(scope="module")
def runs():
    return crossed(factorial(), plausible)


@pytest.fixture(scope="module")
def whole(runs):
    return crossing(runs, default_host())


@pytest.fixture(scope="module")
def report(whole):
    return CrossingReport(whole)


def test_the_suite_tells_all_two_by_two_and_mixes_three_up_with_the_seed(whole):
    effects = whole.effects
    sizes = {name: len(levels) for name, levels in effects.design.levels.items()}
    assert sizes == {"scorer": 6, DIVIDED: 10, "repair": 3, "seed": 3}
    assert all(term.told == term.wanted and not term.mixed_with for term in effects.terms)
    assert ("seed",) in effects.design.mixed["scorer", DIVIDED, "repair"]
    assert effects.freedom == 180 - 1 - 5 - 9 - 2 - 45 - 10 - 18 - 2
    assert whole.missing == ()
    assert (set(whole.within), whole.between) == ({"row", "2:4", "4:8"}, "model")


def test_effects_are_those_that_were_planted(whole):
    found = {term.factors: term for term in whole.effects.terms}
    none, obs = (found["repair",].levels[(name,)].effect for name in ("none", "obs"))
    assert obs.value / none.value == pytest.approx(0.8187, rel=0.01)  # exp(−0.2)
    assert whole.effects.error < 0.01
    assert ("scorer", "Magnitude") in whole.dominating
    assert "Magnitude" not in whole.rest.design.levels["scorer"]


def test_what_is_said_follows_from_what_was_planted(report):
    first, divided, spread, *rest = [one for part in report.answers for one in part.sentences]
    assert first.startswith("Of the variance of the logarithm of perplexity over 180 runs scorer")
    assert "less than the scorer" in first
    assert divided.startswith(
        "How the amount is divided, by itself and with other choices, explains"
    )
    assert divided.endswith("less than half.")
    assert "scorers matter less inside rows than between them" in spread
    said = "\n".join(rest)
    assert "repair obs: the best is Sparsegpt" in said
    assert "repairing is ×0.8" in said
    assert (report.plain, report.best) == ("Sparsegpt", "Gradient")
    steps = {(one.scorer, one.repair): one for one in report.steps}
    assert steps["Wanda", "obs"].repairing.verdict == "better"
    assert steps["Wanda", "energy"].repairing.verdict == "tied"
    assert report.beside_best["Lrp", "model"].verdict == "worse"
    assert report.beside_best["Lrp", "row · borrowed"].verdict == "tied"


def test_all_that_is_said_turns_with_the_numbers():
    def turned(name, group, allocation, repair):
        own = {"magnitude": 0.0, "sparsegpt": 0.9}.get(name, 0.5)
        return 3 + own + (0.05 if group == "model" else 0) + (0.4 if repair == "obs" else 0)

    said = CrossingReport(crossing(crossed(factorial(), turned), default_host()))
    assert said.plain == "Magnitude"
    steps = {(one.scorer, one.repair): one for one in said.steps}
    assert steps["Wanda", "obs"].repairing.verdict == "worse"
    first, divided, spread, *_ = said.answers[0].sentences
    assert "less than the scorer" in first
    assert divided.endswith("less than half.")
    assert "it cannot be told which is more" in spread


def test_text_and_markdown_have_the_same_numbers(report):
    texts = as_text(report.title, report.parts), as_markdown(report.title, report.parts)
    for text in texts:
        assert "What decides Compression, tiny-llama: perplexity" in text
        assert "The error has 88 degrees of freedom" in " ".join(text.split())
    assert "| Group and allocation | 9 of 9 |" in texts[1]


def test_controls_failed_runs_and_older_ones_do_not_count(runs, whole):
    again = runs[0].model_copy(update={"created": "2020-01-01T00:00:00Z", "points": ()})
    failed = runs[1].model_copy(update={"status": "failed", "error": "no"})
    found = crossing([*runs, make_control(0), failed, again], default_host())
    assert len(found.measured) == 180
    assert found.effects.error == whole.effects.error


def test_factors_that_are_not_crossed_are_told_and_cells_that_lack(runs):
    split = crossing(runs, default_host(), ["scorer", "group", "allocation", "repair"])
    terms = {term.factors: term for term in split.effects.terms}
    assert terms["group", "allocation"].told < terms["group", "allocation"].wanted
    assert terms["scorer", "repair"].told == 10
    assert ("2:4", "owl") in split.missing
    assert "pairs of levels never occur together" in "\n".join(
        part for one in CrossingReport(split).parts for part in one.sentences
    )
    usual = ("uniform", "none")
    plain = [one for one in runs if (one.spec.allocation, one.spec.repair) == usual]
    plain = [one for one in plain if one.spec.group in ("row", "model")]
    assert CrossingReport(crossing(plain, default_host())).beside_best
    some = crossing(runs[:40], default_host())
    assert some.missing
    assert CrossingReport(some).parts
    assert [*crossings(runs[:40], default_host())] == []


def test_pages_have_crossings_that_are_whole(runs):
    other = [one.model_copy(update={"metrics": ()}) for one in runs[:2]]
    (found,) = crossings([*runs, *other], default_host())
    assert len(found.measured) == 180


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"factors": ["colour"]}, UnknownNameError, "Unknown factor 'colour'"),
        ({"metric": "size"}, UnknownNameError, "Unknown metric 'size'"),
        ({"amount": 0.7}, Sparc3Error, "finished runs that remove something"),
        ({"factors": ["scorer"]}, Sparc3Error, "two factors or more"),
    ],
)
def test_wrong_questions_are_refused(runs, given, error, told):
    with pytest.raises(error, match=told):
        crossing(runs, default_host(), **given)


def test_results_without_samples_are_refused(runs):
    bare = [
        one.model_copy(
            update={"points": tuple(p.model_copy(update={"samples": {}}) for p in one.points)}
        )
        for one in runs
    ]
    with pytest.raises(Sparc3Error, match=r"lack samples of 'perplexity'"):
        crossing(bare, default_host())
