"""What a run chose, in a sentence made of its record: each case word for word."""

from __future__ import annotations

import re
from typing import Any

import pytest
from unit.choices import CHANGE, HARM, LOST, RISE, make_choice
from unit.site_pages import render
from unit.test_leaderboard_choices import OTHER, at, chosen_rows, rows_of
from unit.test_leaderboard_site import Page, pairs

from sparc3_bench.comparison.choices import OperatingPoint
from sparc3_bench.leaderboard.sentences import said
from sparc3_bench.record.checks import problems
from sparc3_bench.record.parts import MetricRecord

LIMITS = "increase of perplexity at most 0.1, loss of distinct bigrams at most 0.1"

SIDE = "increase of perplexity 0.0210, loss of distinct bigrams 0.00400"

AGAINST = "Against ten random circuits with as many neurons in every layer −0.038 "


def sentence(row: OperatingPoint) -> str:
    return f"{said('subject', row)}: {said('choice', row)}".replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {},
            "Lrp (t-statistic): 100 of 46,080 neurons removed; change of harm −0.041 (95 % −0.063 "
            f"to −0.020), 0.183 → 0.142; {SIDE}. {AGAINST}(−0.061 to −0.016), p 0.001, of "
            "being one more of them p < 0.001: separable from random.",
        ),
        (
            {"against": (-0.061, 0.0, 0.0501)},
            "Lrp (t-statistic): 100 of 46,080 neurons removed; change of harm −0.041 (95 % −0.063 "
            f"to −0.020), 0.183 → 0.142; {SIDE}. {AGAINST}(−0.061 to 0.000), p 0.05, of "
            "being one more of them p < 0.001: not separable from random.",
        ),
        (
            {"moved": at(-0.01), "candidate": ""},
            "Lrp: 100 of 46,080 neurons removed; change of harm −0.010 (95 % −0.032 to 0.011), "
            f"0.183 → 0.173, not separable from the dense model; {SIDE}. Against ten random "
            "circuits with as many neurons in every layer −0.007 (−0.061 to −0.016), p 0.001, "
            "of being one more of them p 0.055: not separable from random.",
        ),
        (
            {"moved": at(0.04), "selected": at(-0.1), "against": (0.02, 0.06, 0.00005)},
            "Lrp (t-statistic): 100 of 46,080 neurons removed; change of harm 0.040 (95 % 0.018 to "
            f"0.061), 0.183 → 0.223, worse than the dense model; {SIDE}. Against ten random "
            "circuits with as many neurons in every layer 0.043 (0.020 to 0.060), p < 0.001, of "
            "being one more of them p < 0.001: worse than random, and separable from it.",
        ),
        (
            {"moved": at(0.01), "selected": at(-0.1), "against": (-0.01, 0.06, 0.21)},
            "Lrp (t-statistic): 100 of 46,080 neurons removed; change of harm 0.010 (95 % −0.012 "
            "to 0.031), 0.183 → 0.193, worse than the dense model, but not separable from it; "
            f"{SIDE}. Against ten random circuits with as many neurons in every layer 0.013 "
            "(−0.010 to 0.060), p 0.21, of being one more of them p 0.0027: not separable from "
            "random, on its worse side.",
        ),
        (
            {"rises": (0, *[0.2] * 6), "chosen": 0.0},
            f"Lrp: nothing passed the limits ({LIMITS}): the dense model is kept.",
        ),
        (
            {"selected": (0, *[0.1] * 6), "chosen": 0.0},
            f"Lrp: nothing within the limits ({LIMITS}) was better than the dense model, which is "
            "kept.",
        ),
        (
            {"selected": (0, *[0.1] * 6), "chosen": 0.0, "limits": {}},
            "Lrp: nothing was better than the dense model, which is kept.",
        ),
        (
            {"drawn": 0, "limits": {"lost": 0.1}, "chosen": 200.0},
            "Lrp (t-statistic): 200 of 46,080 neurons removed; change of harm −0.090 (95 % −0.112 "
            "to −0.069), 0.183 → 0.093; loss of distinct bigrams 0.0200. It was not compared with "
            "random circuits.",
        ),
        (
            {"drawn": 0, "limits": {}, "moved": at(-0.3), "intervals": {}, "sketch": None},
            "Lrp (t-statistic): 100 neurons removed; change of harm −0.300, 0.183 → −0.117. It was "
            "not compared with random circuits.",
        ),
        (
            {"moved": at(-0.041), "unit": "weight", "group": "row", "drawn": 1, "limits": {}},
            "Lrp (t-statistic): 100 of 46,080 weights removed; change of harm −0.041 (95 % −0.063 "
            "to −0.020), 0.183 → 0.142. Against one random circuit with as many weights in every "
            "row −0.038 (−0.061 to −0.016), p 0.001: no verdict: one random circuit only.",
        ),
        (
            {"moved": at(-0.041), "unit": "weight", "drawn": 20, "limits": {}, "chosen_by": OTHER},
            "Lrp (t-statistic): 100 of 46,080 weights removed; change of harm −0.041 (95 % −0.063 "
            "to −0.020), 0.183 → 0.142. Against 20 random circuits with as many weights in every "
            "matrix −0.038 (−0.061 to −0.016), p 0.001, of being one more of them p < 0.001: "
            "separable from random. Ranking and amount were chosen by "
            "Word list (word-list, sparc3-bench 0.1.0, weights 0123456789ab).",
        ),
    ],
)
def test_a_run_is_told_in_a_sentence(changes: dict[str, Any], text: str) -> None:
    result = make_choice(**changes)
    assert problems(result) == []
    (row,) = rows_of(result)
    assert sentence(row) == text
    (told,) = re.findall(r"</span> (<strong>.*?)</li>", render(pairs(result)), re.DOTALL)[:1]
    plain = re.sub("</?strong>", "", told).replace("\N{NO-BREAK SPACE}", " ")
    assert plain.replace("&lt;", "<") == text


def test_a_limit_that_is_broken_on_the_test_part_is_told() -> None:
    made = make_choice(cheaper=(0.0, 0.0, 0.0, 0.0, 0.02, 0.05, 9.0), chosen=200.0)
    assert problems(made) == []
    (row,) = rows_of(made)
    broken = "increase of perplexity 0.300 (beyond the limit of 0.1 on the test part), loss of"
    assert broken in sentence(row)
    (cells,) = chosen_rows(Page(render(pairs(made))))
    assert [text.split()[-3:] for _, text in cells if "beyond" in text] == [
        ["beyond", "the", "limit"]
    ]


@pytest.mark.parametrize(
    ("value", "low", "text"),
    [
        (0.04, 0.01, "0.040 points (95 % 0.018 to 0.061); "),
        (-0.04, -0.06, "−0.040 points (95 % −0.062 to −0.019), worse than the dense model; "),
    ],
)
def test_higher_can_be_better_and_numbers_have_units(value: float, low: float, text: str) -> None:
    main = MetricRecord(name="gain", direction="higher", unit="points", title="QA score")
    ends = (low, low + 0.05, 0.01)
    (row,) = rows_of(make_choice(moved=at(value), selected=at(0.1), main=main, against=ends))
    assert problems(row.result) == []
    # Harm is better when lower, so it is not what the score is the change of.
    assert f"46,080 neurons removed; QA score {text}{SIDE}." in sentence(row)
    verdict = "separable from random." if value > 0 else "worse than random, and separable from it."
    assert sentence(row).endswith(f": {verdict}")


def test_what_is_limited_has_its_unit() -> None:
    nats = (CHANGE, HARM, RISE.model_copy(update={"unit": "nats"}), LOST)
    kept = make_choice(chosen=0.0, rises=(0, *[0.2] * 6))
    (row,) = rows_of(kept.model_copy(update={"metrics": nats}))
    assert "(increase of perplexity at most 0.1 nats, loss of distinct" in sentence(row)
    (row,) = rows_of(make_choice().model_copy(update={"metrics": nats}))
    assert "; increase of perplexity 0.0210 nats, loss of" in sentence(row)


def test_a_change_is_recognised_by_its_numbers_only() -> None:
    made = make_choice()
    (row,) = rows_of(made)
    assert row.change is not None
    assert row.change.metric == HARM
    off = [
        p.model_copy(update={"metrics": {**p.metrics, "harm": p.metrics["harm"] + 1e-4 * i}})
        for i, p in enumerate(made.points)
    ]
    (row,) = rows_of(made.model_copy(update={"points": tuple(off)}))
    assert row.change is None
    assert "−0.020); increase" in sentence(row)
    page = Page(render(pairs(row.result)))
    assert not any("before" in text for cells in page.rows for _, text in cells)
