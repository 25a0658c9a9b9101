"""Numbers of the scores themselves on the page: notes, no better end, nothing drawn or ranked."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from unit.results import KL, make_control, make_result
from unit.site_pages import every_page, render
from unit.test_leaderboard_circuits import FAITHFULNESS, section_of
from unit.test_leaderboard_site import Page, pairs

from sparc3_bench.comparison.control_verdict import (
    control_verdict,
)
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.archive import Archive
from sparc3_bench.leaderboard.overview import _standings
from sparc3_bench.leaderboard.templating import templates
from sparc3_bench.record.checks import problems
from sparc3_bench.record.parts import EstimateRecord, Found, MetricRecord
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.overall import Table, overall


def metric(name: str, direction: Any) -> MetricRecord:
    return MetricRecord(name=name, direction=direction, unit="1", title=name.capitalize())


DEPTH, LIKE, OTHER = metric("depth", "neither"), metric("like", "lower"), metric("other", "neither")
UNUSED = EstimateRecord(value=1, low=1, high=1, note="does not use labels")


def sane(scorer: str = "lrp", like: float = 0.25, **changes: Any) -> Result:
    near = EstimateRecord(value=like, low=like - 0.05, high=like + 0.05)
    given = {
        "task": "sanity",
        "amounts": (0.0,),
        "metrics": (FAITHFULNESS, KL),
        "curve_metrics": (DEPTH, LIKE, OTHER),
        "curve": {"depth": near, "like": near, "other": UNUSED},
    }
    make = make_control if scorer == "random" else make_result
    if scorer == "random":
        return make(0, (1.0,), **{**given, **changes})
    return make(scorer, (1.0,), **{**given, **changes})


def several() -> list[Result]:
    unused = {"depth": UNUSED, "like": UNUSED, "other": UNUSED}
    return [sane("wanda", curve=unused), sane("lrp"), sane("gradient", 0.5), sane("random", 0.1)]


def text_of(cell: tuple[dict[str, str], str]) -> str:
    return " ".join(cell[1].split())


def test_a_note_stands_beside_its_number_and_is_no_alarm() -> None:
    site = every_page(pairs(*several()))
    (section,) = [text for name, text in site.items() if name.startswith("sections/")]
    page = Page(section)
    rows = [row for row in page.rows if len(row) == 4]
    cells = {text_of(row[0]).split()[0]: [text_of(cell) for cell in row[1:]] for row in rows}
    assert cells["Lrp"] == ["0.250 0.200 to 0.300"] * 2 + ["1.000 does not use labels"]
    assert cells["Wanda"] == ["1.000 does not use labels"] * 3
    marks = [found for tag, found in page.elements if found.get("class") == "mark"]
    assert marks == []
    for name in ("index.html", "scorers/wanda.html"):
        assert "does not use labels" in site[name]


def test_rows_are_ordered_by_the_first_number_that_has_a_better_end() -> None:
    section = section_of(*several())
    assert not section.prunes
    assert section.order_curve == LIKE
    names = [one.scorer.name for one in section.series]
    assert names == ["lrp", "gradient", "wanda", "random"]
    assert section_of(sane(curve_metrics=(DEPTH, OTHER))).order_curve is None


def test_nothing_is_drawn_ranked_or_compared_where_nothing_is_removed() -> None:
    site = every_page(pairs(*several()))
    (section,) = [text for name, text in site.items() if name.startswith("sections/")]
    assert 'data-chart="curves"' not in section
    assert "rows are too many" not in section
    assert "Nothing is removed" in section
    assert "Removed at" not in section
    assert "The scores themselves" in section
    assert "rank <b>" not in section
    (board,) = [text for name, text in site.items() if name.startswith("boards/")]
    assert "filters" not in board
    assert "board.js" not in board
    assert "sanity" not in site["compare.html"].partition("</header>")[2]
    assert 'id="overall"' not in site["index.html"]


def test_where_something_is_removed_all_is_as_before() -> None:
    site = every_page(pairs(make_result("wanda"), make_result("lrp", (20.0, 30.0))))
    (section,) = [text for name, text in site.items() if name.startswith("sections/")]
    for text in ('data-chart="curves"', "of the scope, at", "by sparsity"):
        assert text in section
    (board,) = [text for name, text in site.items() if name.startswith("boards/")]
    assert "board.js" in board
    assert "compression" in site["compare.html"]
    assert "Its scores themselves" not in site["scorers/lrp.html"]


def test_the_page_of_a_scorer_has_every_number_of_its_scores() -> None:
    page = Page(every_page(pairs(*several()))["scorers/lrp.html"])
    rows = {text_of(row[0]): [text_of(cell) for cell in row[1:]] for row in page.rows}
    assert rows["Depth"] == ["0.250 0.200 to 0.300", "neither"]
    assert rows["Like"] == ["0.250 0.200 to 0.300", "lower"]
    assert rows["Other"] == ["1.000 does not use labels", "neither"]


def test_numbers_of_the_scores_can_be_downloaded() -> None:
    site = every_page(pairs(*several()))
    (name,) = [one for one in site if one.endswith(".csv")]
    lines = list(csv.DictReader(io.StringIO(site[name])))
    (row,) = [one for one in lines if (one["scorer"], one["metric"]) == ("wanda", "like")]
    assert (row["amount"], row["value"], row["note"]) == ("", "1.0", "does not use labels")
    (section,) = json.loads(site[name.replace(".csv", ".json")])["sections"]
    (own,) = [one for one in section["rows"] if one["scorer"] == "lrp"]
    assert own["whole"]["like"] == [0.25, 0.2, 0.3, ""]


def test_seeds_have_a_note_in_common_or_none() -> None:
    other = EstimateRecord(value=0.9, low=0.8, high=1.0)
    for second, note in ((UNUSED, "does not use labels"), (other, "")):
        runs = [sane(seed=seed, curve={"like": one}) for seed, one in enumerate((UNUSED, second))]
        (series,) = section_of(*runs).series
        assert series.numbers[None, "like"].note == note
        assert series.numbers[None, "like"].centre == pytest.approx((1 + second.value) / 2)


def test_a_number_without_a_better_end_beats_and_is_beaten_by_nothing() -> None:
    metrics = (FAITHFULNESS, metric("size", "neither"))
    made = [
        make_result(
            name,
            (1.0, 0.5),
            metrics=metrics,
            others={"size": (1.0, 2.0)},
            control={"size": ((1.0,) * 2, (9.0,) * 2), "faithfulness": ((1.0,) * 2, (0.9,) * 2)},
            curve_metrics=(OTHER,),
            curve={"other": EstimateRecord(value=0.1, control=(0.9, 0.9))},
        )
        for name in ("lrp", "wanda")
    ]
    section = section_of(*made)
    first = section.series[0]
    assert control_verdict(section, first, 0.5, metrics[1]) == ""
    assert control_verdict(section, first, None, OTHER) == ""
    assert control_verdict(section, first, 0.5, FAITHFULNESS) == "not better than random"
    assert "neither is better" in render(pairs(*made))


def test_what_is_plotted_or_chosen_by_has_a_better_end() -> None:
    first = make_result(metrics=(metric("perplexity", "neither"), KL))
    assert problems(first) == [
        "`metrics.0` is 'perplexity', of which neither end is better; name one that has one."
    ]
    assert problems(make_result()) == []
    second = make_result(metrics=(KL, metric("size", "neither")))
    found = Found(metric="size", at_least=1.0, title="Bar", point=second.points[1])
    told = problems(second.model_copy(update={"found": found}))
    assert told[0].startswith("`found` is 'size', of which neither end is better")


def test_variants_of_a_scorer_keep_a_table_of_scores_in_the_overview() -> None:
    variants = [sane("lrp", options={"aggregation": name}) for name in ("abs", "signed")]
    page = Page(every_page(pairs(*variants, sane("wanda")))["index.html"])
    (row,) = [row for row in page.rows if "Like" in "".join(text for _, text in row)]
    assert [text_of(cell) for cell in row[1:]] == ["–0.250"] * 2


def test_who_is_in_few_tables_stands_behind_who_is_in_all() -> None:
    draws = np.random.default_rng(1).normal(size=(200, 3)) / 10 + [3, 2, 9]
    tables = [
        Table(("good", "fair", "best"), draws, "higher", 16),
        Table(("good", "fair"), draws[:, :2], "higher", 16),
    ]
    assert list(overall(tables)) == ["best", "good", "fair"]
    assert list(_standings(tables)) == ["good", "fair", "best"]
    names = dict.fromkeys(("good", "fair", "best"), "Some")
    archive = Archive([], default_host())
    for chosen, is_partial in ((tables, True), (tables[1:] * 2, False)):
        view = {"scorers": names, "controls": {}, "counted": 2, "standings": _standings(chosen)}
        shown = {"root": "", "boards": [], "archive": archive, "view": view}
        page = templates().get_template("index.html").render(shown)
        assert ("stand behind the others" in page) is is_partial
