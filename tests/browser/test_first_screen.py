"""The first page answers what a reader asks: ten questions, by its rendered text alone."""

from __future__ import annotations

import json
import re

import pytest

GOAL = r"To remove half of the weights by row \(perplexity\): "
QUESTIONS = {
    "What is best to remove half of the weights?": GOAL + r"(.+?) (?:tie|is ahead)",
    "Is it tied?": GOAL + r".+? (tie|is ahead)",
    "How many others are shown to be behind?": GOAL + r".+?ahead of (\d+) of the other",
    "Is it better than random?": GOAL + r"[^.]+\. (.+?) shown to be better than random",
    "Which of these is cheapest?": GOAL + r".+? Of these (.+?) costs least",
    "By how much?": GOAL + r".+? costs least, about (.+?) of the time of",
    "On which model?": r"On which model\?\s+(.+)",
    "Which scorer is best most often?": r"No scorer is shown to be better than (\S+) in \d+ of",
    "How often is nobody alone ahead?": r"In (\d+) of \d+ comparisons the lead is shared",
    "How many runs is that from?": r"(\d+) runs of \d+ scorers",
}
PARTS = {"half": 1 / 2, "a third": 1 / 3, "a quarter": 1 / 4, "a fifth": 1 / 5, "a sixth": 1 / 6}


@pytest.fixture(scope="module")
def told(site):
    """Return the numbers of the board that the questions are about."""
    (path,) = site.glob("data/compression--*.json")
    sections = json.loads(path.read_text())["sections"]
    return next(one for one in sections if one["leads"] and one["unit"] == "weight")


def test_ten_questions_are_answered_and_the_answers_are_those_of_the_data(visit, told, results):
    text = visit("index.html", viewport={"width": 1280, "height": 1000}).inner_text("main")
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    found = {asked: re.search(answer, text) for asked, answer in QUESTIONS.items()}
    assert [asked for asked, answer in found.items() if answer is None] == []
    answers = dict(zip(QUESTIONS, (answer[1].strip() for answer in found.values()), strict=True))
    best, tied, behind, random, cheapest, much, model, often, shared, runs = answers.values()

    ranked = {row["short"]: row for row in told["rows"] if row["rank"]}
    leaders = [name for name, row in ranked.items() if re.match(r"1\b", row["rank"])]
    assert set(re.split(", | and ", best)) == set(leaders)
    assert (tied == "tie") == (len(leaders) > 1)
    assert int(behind) <= len(ranked) - len(leaders)
    worse = [name for name in leaders if ranked[name]["verdict"]]
    assert random == "All of these are" if not worse else random != "All of these are"
    here = [name for name in leaders if ranked[name]["machine"] == told["machine"]]
    seconds = {name: ranked[name]["cost"][0] for name in here}
    assert cheapest == min(seconds, key=seconds.get)
    assert PARTS[much] == pytest.approx(min(seconds.values()) / max(seconds.values()), rel=0.25)
    assert "Instruct" in model
    assert "4-bit" in model
    assert often in text.partition("Overall")[2].split("Better than")[1][:40]
    assert int(shared) > 0
    assert int(runs) == sum(1 for _ in results.rglob("*.json"))
