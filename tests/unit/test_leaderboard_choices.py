"""What runs chose: told in sentences, ordered in a table, with all that was tried."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
from unit.choices import CHANGE, HARM, JUDGE, LOST, RISE, make_choice
from unit.results import make_result, save
from unit.site_pages import JSON, every_page, render
from unit.test_leaderboard_site import HOSTILE, Page, pairs

from sparc3_bench.comparison.choices import OperatingPoint
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.leaderboard.site import publish
from sparc3_bench.record.parts import Found
from sparc3_bench.record.result import Result

OTHER = JUDGE.model_copy(update={"name": "word-list", "title": "Word list"})


def sections_of(*results: Result) -> tuple[Section, ...]:
    return split((Path(result.spec.path), result) for result in results)[0]


def rows_of(*results: Result) -> tuple[OperatingPoint, ...]:
    (section,) = sections_of(*results)
    (question,) = section.questions
    return question.rows


KEY = re.compile("[0-9a-f]{12}")


def chosen_rows(page: Page) -> list[list[tuple[dict[str, str], str]]]:
    """Return the rows of the tables of choices."""
    return [row for row in page.rows if len(row) == 11 and KEY.fullmatch(row[-1][1])]


def at(value: float) -> list[float]:
    """Return a main metric that is `value` at 100 units, where the factory chooses."""
    return [0.0, 0.0, 0.0, 0.0, value, 0.0, 0.0]


def test_seeds_and_settings_tell_runs_of_one_scorer_apart() -> None:
    rows = rows_of(
        make_choice(options={"gamma": 0.25}),
        make_choice(options={"gamma": 0.25}, seed=1),
        make_choice(options={"gamma": 0.5}),
        make_choice("wanda"),
    )
    assert {row.name for row in rows} == {
        "Lrp, gamma 0.25, seed 0",
        "Lrp, gamma 0.25, seed 1",
        "Lrp, gamma 0.5",
        "Wanda",
    }


def several() -> list[Result]:
    """Return runs in order of their effect, on both sides of a tie, and a control."""
    wide: dict[str, Any] = {"ends": (-0.03125, 0.03125)}
    return [
        make_choice("lrp", at(-0.0625), **wide),
        make_choice("wanda", at(-0.015625), **wide),
        make_choice("gradient", at(0.0), selected=at(-0.1), **wide),
        make_choice("magnitude", at(0.03125), selected=at(-0.1), candidate="", **wide),
        make_choice("random", at(-0.25), is_control=True, candidate="", drawn=0, **wide),
    ]


def test_the_table_goes_by_effect_with_ties_marked_and_controls_last() -> None:
    made = several()
    random.Random(1).shuffle(made)
    rows = rows_of(*made)
    names = [row.series.scorer.name for row in rows]
    assert names == ["lrp", "wanda", "gradient", "magnitude", "random"]
    # The first ends at -0.03125, where the third starts; the fourth starts at 0.
    assert [row.is_tied for row in rows] == [False, True, True, False, False]
    (section,) = sections_of(*made)
    assert [one.scorer.name for one in section.series] == names
    page = Page(render(pairs(*made)))
    cells = chosen_rows(page)
    assert [float(row[3][0]["data-value"]) for row in cells] == [
        *(-0.0625, -0.015625, 0, 0.03125, -0.25)
    ]
    assert ["tied" in row[3][1] for row in cells] == [False, True, True, False, False]
    assert "Ordered by Change of harm of what was chosen, best first" in render(pairs(*made))


def test_where_higher_is_better_the_highest_comes_first() -> None:
    main = CHANGE.model_copy(update={"direction": "higher"})
    better = {"selected": at(0.5), "main": main}
    rows = rows_of(make_choice("a", at(0.1), **better), make_choice("b", at(0.3), **better))
    assert [row.series.scorer.name for row in rows] == ["b", "a"]
    (section,) = sections_of(*(row.result for row in rows))
    assert [one.scorer.name for one in section.series] == ["b", "a"]


def test_rows_have_a_cell_a_column() -> None:
    page = Page(render(pairs(*several(), make_choice("kept", at(0.1), chosen=0.0))))
    headings = [
        {int(found["data-column"]): text for found, text in row if "data-column" in found}
        for row in page.rows
    ]
    start = next(i for i, row in enumerate(headings) if "Ranking" in row.get(1, ""))
    columns = headings[start] | headings[start + 1]
    assert sorted(columns) == list(range(10))
    for row in chosen_rows(page):
        assert all("data-value" in found for found, _ in row[:10])
    kept = next(row for row in chosen_rows(page) if "Kept" in row[0][1])
    assert [found["data-value"] for found, _ in kept[4:6]] == ["", ""]
    lrp = next(row for row in chosen_rows(page) if "Lrp" in row[0][1])
    values = [float(found["data-value"]) for found, _ in lrp[2:9]]
    assert values == pytest.approx([100, -0.0625, 0.183, 0.1205, 0.021, 0.004, -0.0595])
    assert float(lrp[9][0]["data-value"]) == 0.001


def test_other_limits_are_another_question_and_a_bar_is_none() -> None:
    made = [make_choice(), make_choice("wanda", limits={"rise": 0.5}, chosen=200.0)]
    (section,) = sections_of(*made)
    assert [[most for _, most in one.limits] for one in section.questions] == [[0.1, 0.1], [0.5]]
    assert section.order_chosen is None
    page = Page(render(pairs(*made)))
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    bar = Found(metric="kl", at_least=0.5, title="Smallest", point=make_result().points[1])
    (section,) = sections_of(make_result(found=bar))
    assert section.questions == ()
    assert section.series[0].found is not None
    (section,) = sections_of(make_choice())
    assert section.series[0].found is None
    assert section.series[0].has_curve is False


def test_rows_are_ordered_by_choices_only_where_all_chose_alike() -> None:
    (section,) = sections_of(make_choice(), make_choice("random", is_control=True, drawn=0))
    assert section.order_chosen == CHANGE
    without = make_choice("wanda").model_copy(update={"found": None, "tried": ()})
    (section,) = sections_of(make_choice(), without)
    assert section.order_chosen is None
    (section,) = sections_of(make_choice(), make_choice(seed=1, limits={"rise": 0.5}, chosen=200.0))
    assert (len(section.series), section.order_chosen) == (1, None)


def test_results_of_different_judges_are_never_ranked_together() -> None:
    newer = {"version": "0.2.0"}, {"weights_digest": "f" * 64}, {"options": {"words": 3}}
    judges = [JUDGE, OTHER, *(JUDGE.model_copy(update=change) for change in newer), None]
    made = [make_choice(judge=judge) for judge in judges]
    sections = sections_of(*made)
    assert [len(section.runs) for section in sections] == [1] * 6
    assert len({section.id for section in sections}) == 6
    text = render(pairs(*made))
    assert "the lowest are removed; judged by Harm judge." in text
    assert "Harm judge (harm-judge, sparc3-bench 0.1.0, weights 0123456789ab)</dd>" in text
    assert "Harm judge (harm-judge, sparc3-bench 0.1.0, weights 0123456789ab, words 3)" in text
    failed = make_result(status="failed", error="No memory.", judge=OTHER)
    listed = every_page(pairs(failed))["failed.html"]
    assert "Word list (word-list, sparc3-bench 0.1.0, weights 0123456789ab)" in listed
    (section,) = sections_of(make_choice(judge=OTHER), make_choice(judge=OTHER, chosen_by=JUDGE))
    names = {one.difference for one in section.series}
    assert names == {"", "chosen by harm-judge 01234567"}


def test_the_ranking_and_the_texts_stand_beside_a_run(tmp_path: Path) -> None:
    result = make_choice()
    path = save(tmp_path / "results", result)
    responses = (tmp_path / "results" / path).with_suffix(".responses.json.gz")
    responses.write_bytes(b"something offensive")
    publish(tmp_path / "results", tmp_path / "site")
    (page,) = [one.read_text() for one in (tmp_path / "site" / "sections").iterdir()]
    assert "<small>ranking <b>t-statistic</b></small>" in page
    assert "<small>6,400 texts <code>abcdef012345</code></small>" in page
    assert "What models wrote is not published." in page
    assert [p.name for p in (tmp_path / "site").rglob("*.responses.json.gz")] == []
    without = make_choice(responses=None, judge=None)
    assert "What models wrote" not in render(pairs(without))


def test_all_that_was_tried_can_be_unfolded() -> None:
    text = render(pairs(make_choice(), make_choice("kept", chosen=0.0, rises=(0, *[0.2] * 6))))
    (inside,) = re.findall(r"<details>(.*?)</details>", text, re.DOTALL)
    assert "Everything that was tried: 4 rankings, on the selection part" in inside
    rows = Page(inside.partition("</summary>")[2]).rows
    assert [text for _, text in rows[0]][2:] == ["dense", "10", "20", "50", "100", "200", "500"]
    cells = {(row[0][1], row[1][1]): [text.split() for _, text in row[2:]] for row in rows[1:]}
    best = cells["Lrp", "t-statistic"]
    assert best[4] == ["−0.0410", "0.0210", "0.00400", "chosen"]
    assert [cell[-1] for cell in best] == ["0", *["0.00100"] * 2, "0.00200", "chosen", "out", "out"]
    assert [cell[0] for cell in cells["Lrp", "half"]][4] == "−0.0205"
    assert not any("chosen" in cell for cell in cells["Lrp", "half"])
    assert [cell[-1] for cell in cells["Kept", "t-statistic"]] == ["chosen", *["out"] * 6]


def test_hostile_names_come_out_inert_whatever_the_order() -> None:
    judge = JUDGE.model_copy(update={"title": HOSTILE, "options": {HOSTILE: HOSTILE}})
    titles = (CHANGE, HARM, RISE, LOST)
    metrics = tuple(one.model_copy(update={"title": HOSTILE, "unit": HOSTILE}) for one in titles)
    made = []
    for seed in (0, 1):
        result = make_choice(
            title=HOSTILE,
            candidate=HOSTILE,
            judge=judge,
            chosen_by=OTHER,
            options={HOSTILE: seed},
        )
        assert result.found is not None
        found = result.found.model_copy(update={"title": HOSTILE})
        made.append(result.model_copy(update={"metrics": metrics, "found": found}))
    kept = make_choice("kept", title=HOSTILE, judge=judge, chosen=0.0, rises=(0, *[0.2] * 6))
    made.append(kept.model_copy(update={"metrics": metrics}))
    text = render(pairs(*made))
    page = Page(text)
    assert {found.get("type") for tag, found in page.elements if tag == "script"} <= {JSON}
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.all("onerror") == []
    assert "{{ 7*7 }}" in text
    assert "<script>alert" not in text
    named = [one for value in page.all("aria-labelledby") for one in value.split()]
    assert set(named) <= set(page.all("id"))
    for order in ((2, 1, 0), (1, 2, 0)):
        assert render(pairs(*(made[index] for index in order))) == text


def test_verdicts_are_by_p_values_adjusted_over_the_table():
    # Alone, a p-value of 0.03 would be called separable; of two it is 0.06, and of one still 0.03.
    one = make_choice("lrp", against=(-0.07, -0.004, 0.03))
    two = make_choice("wanda", against=(-0.07, -0.004, 0.04))
    (alone,) = rows_of(one)
    assert alone.p_random == 0.03
    assert alone.against_random == "separable from random"
    both = {row.result.spec.scorer.name: row for row in rows_of(one, two)}
    assert {name: row.p_random for name, row in both.items()} == {"lrp": 0.06, "wanda": 0.06}
    assert {row.against_random for row in both.values()} == {"not separable from random"}
    # And so are those of no change, whose intervals say what errors they have.
    error = (0.021 + 0.022) / 2 / 1.96
    change = abs(both["lrp"].value.centre)
    known = 2 * scipy.stats.norm.sf(change / error)
    assert both["lrp"].p_dense == pytest.approx(2 * known, rel=1e-3)
