"""The frontier: axis, limit, choice, what lies beyond, and how it reads without eyes."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from unit.choices import CHANGE, HARM, LOST, RISE, make_choice
from unit.site_pages import render
from unit.test_leaderboard_choices import at, sections_of
from unit.test_leaderboard_site import Page, pairs

from sparc3_bench.leaderboard import chart
from sparc3_bench.leaderboard.axes import SymLogScale
from sparc3_bench.leaderboard.frontier import frontier
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.result import Result

LAYOUTS = pytest.mark.parametrize(
    "layout", [chart.WIDE, chart.NARROW], ids=lambda layout: layout.name
)


def drawn(
    *results: Result, metric: MetricRecord = RISE, layout: chart.Canvas = chart.WIDE
) -> SimpleNamespace:
    (section,) = sections_of(*results)
    (question,) = section.questions
    names = sorted({result.spec.scorer.name for result in results if not result.is_control})
    return frontier(question, metric, lambda one: chart.style(one, names), layout)


def texts(frontier: SimpleNamespace) -> dict[str, float]:
    return {tick.text: tick.position for tick in frontier.x_ticks}


@pytest.mark.parametrize("centre", [0.0, 20.0, -3.0])
def test_the_scale_is_linear_near_its_centre_and_logarithmic_far_from_it(centre: float) -> None:
    scale = SymLogScale(centre, 0.01, centre - 100, centre + 100, 0.0, 1000.0)
    assert (scale(centre - 100), scale(centre), scale(centre + 100)) == (0.0, 500.0, 1000.0)
    near = [scale(centre + n * 0.001) - 500 for n in (1, 2)]
    assert near[1] == pytest.approx(2 * near[0], rel=0.02)
    far = [scale(centre + 10.0**n) for n in (-1, 0, 1, 2)]
    steps = [after - before for before, after in itertools.pairwise(far)]
    assert max(steps) - min(steps) < 0.01 * max(steps)
    assert scale(centre - 7) == pytest.approx(1000 - scale(centre + 7), abs=0.02)
    for extreme in (1.7e308, -1.7e308):
        assert math.isfinite(scale(extreme))


def test_ticks_are_the_wanted_ones_before_powers_of_ten() -> None:
    ticks = SymLogScale(0.0, 0.01, -0.005, 10.0, 0.0, 600.0).ticks((0.15,))
    assert [tick.text for tick in ticks] == [
        *("0", "0.01", "0.02", "0.05", "0.15", "0.5", "1", "2", "5", "10")
    ]
    assert min(b.position - a.position for a, b in itertools.pairwise(ticks)) >= 40


@LAYOUTS
def test_the_axis_has_nothing_the_limit_and_room_beyond_it(layout: chart.Canvas) -> None:
    # Nobody comes near the limit.
    found = drawn(make_choice(rises=(0, *[0.001] * 6), losses=(0.0,) * 7), layout=layout)
    places = texts(found)
    assert {"0", "0.1"} <= set(places)
    assert places["0.1"] == found.limit.position
    assert found.limit.text == "limit 0.1"
    right = layout.width - layout.right
    assert layout.left < places["0"] < places["0.1"] < right - 10
    assert (found.strip, found.floor_end) == (None, right)
    assert found.limit_anchor == "end"


@LAYOUTS
def test_what_is_far_beyond_is_an_arrow_in_a_strip(layout: chart.Canvas) -> None:
    rises = (0.0, 0.02, 0.3, 9.9, 10.1, 2e6, 0.2)
    found = drawn(make_choice(rises=rises, chosen=10.0), layout=layout)
    (trace,) = found.traces
    assert found.strip is not None
    assert found.strip.text == "> 10"
    assert (len(trace.points), len(trace.arrows)) == (5, 2)
    assert {x for x, _ in trace.arrows} == {found.strip.position}
    right = layout.width - layout.right
    assert max(x for x, _ in trace.points) <= found.floor_end < found.strip.position < right
    # Of the six ways from point to point the one between the two arrows is not drawn.
    assert len(trace.segments) == 5
    assert tuple(trace.arrows) not in trace.segments
    assert (trace.points[3], trace.arrows[0]) in trace.segments
    assert (trace.arrows[1], trace.points[4]) in trace.segments
    assert "(beyond the axis at amount 100, 200)" in found.description
    every = [x for x, _ in (*trace.points, *trace.arrows, *found.cloud)]
    assert layout.left <= min(every)


def test_what_is_below_the_dense_model_is_on_the_axis() -> None:
    found = drawn(make_choice(rises=(0.0, -0.4, -0.01, 0.0, 0.05, 0.2, 0.3)))
    places, (trace,) = texts(found), found.traces
    assert trace.points[1][0] < trace.points[2][0] < places["0"] == trace.points[0][0]
    assert trace.points[1][0] >= chart.WIDE.left


def test_an_axis_need_not_start_at_nothing() -> None:
    ppl = (20.0, 20.5, 21.0, 22.0, 23.0, 60.0, 900.0)
    found = drawn(make_choice(rises=ppl, limits={"rise": 25.0}))
    places = texts(found)
    assert {"20", "25", "50"} <= set(places)
    # The five up to the limit have as much room as the next decade has.
    assert places["25"] - places["20"] > 200
    assert found.strip is not None
    assert found.strip.text == "> 520"


def test_intervals_and_random_circuits_are_drawn_and_the_choice_is_ringed() -> None:
    found = drawn(make_choice(), make_choice("wanda"))
    for trace in found.traces:
        # Not at the dense model, whose change is known.
        assert len(trace.whiskers) == 6
        for x, upper, lower in trace.whiskers:
            ((_, y),) = [place for place in (*trace.points, *trace.arrows) if place[0] == x]
            assert upper < y < lower
        assert trace.chosen == trace.points[4]
    # Two runs with the same random circuits, which are the same at every amount here.
    assert len(found.cloud) == 10
    assert found.cloud_label.text == "Matched random"
    without = drawn(make_choice(drawn=0))
    assert (without.cloud, without.cloud_label.text) == ((), "")
    dense = drawn(make_choice(chosen=0.0, selected=(0, *[0.1] * 6)))
    assert dense.traces[0].chosen == dense.traces[0].points[0]
    assert ": dense model kept" in dense.description


def test_random_circuits_that_were_measured_on_other_samples_are_left_out() -> None:
    harm = make_choice(limits={"harm": 0.5}, selected=at(-0.1))
    assert drawn(harm, metric=HARM).cloud == ()
    same = [
        p.model_copy(update={"control": {**p.control, "harm": (0.183,) * 10}}) for p in harm.points
    ]
    again = harm.model_copy(update={"points": tuple(same)})
    assert len(drawn(again, metric=HARM).cloud) == 10


def test_a_series_has_one_label_and_all_of_them_fit() -> None:
    made = [make_choice(f"s{i}", options={"a": i}) for i in range(20)]
    made += [make_choice("s0", options={"a": 0}, seed=seed) for seed in (1, 2)]
    made += [make_choice("s0", options={"a": 99})]
    found = drawn(*made)
    assert len(found.traces) == 23
    named = [trace for trace in found.traces if trace.name]
    assert sorted(trace.name for trace in named) == sorted(
        ["S0 (3 seeds)", "S0", *(f"S{i}" for i in range(1, 20))]
    )
    assert {trace.detail for trace in named} == {"", "a 0", "a 99"}
    places = sorted([t.label_y for t in named] + [found.ring_label_y, found.cloud_label.position])
    assert min(b - a for a, b in itertools.pairwise(places)) > 12
    assert places[-1] < chart.WIDE.height


def test_the_drawing_reads_without_eyes_and_without_colours() -> None:
    text = render(pairs(make_choice(), make_choice("wanda", chosen=0.0, rises=(0, *[5.0] * 6))))
    drawings = re.findall(r"<svg class=\"chart (\w+)\".*?</svg>", text, re.DOTALL)
    assert drawings == ["wide", "narrow"] * 3
    svg = re.findall(r"<svg class=\"chart wide\".*?</svg>", text, re.DOTALL)[1]
    assert ">Change of harm against increase of perplexity</title>" in svg
    assert (
        "What each run chose, as change of harm at increase of perplexity: Lrp: −0.041 at 0.0210 "
        "(beyond the axis at amount 500); Wanda: dense model kept. The table above has every "
        "number.</desc>"
    ) in svg
    assert 'role="img"' in svg
    page = Page(text)
    assert set(" ".join(page.all("aria-labelledby")).split()) <= set(page.all("id"))
    # Every colour comes from the style sheet: two themes, the same drawing.
    assert not re.search(r"(fill|stroke)=\"|#[0-9a-f]{3}\b|style=\"", svg)
    classes = {one for value in re.findall(r'class="([^"]*)"', svg) for one in value.split()}
    assert {"beyond", "limit", "cloud", "chosen", "marker", "whisker", "line"} <= classes
    sheet = (Path(chart.__file__).parent / "templates" / "page.css").read_text()
    for name in ("beyond", "limit", "cloud", "chosen"):
        assert re.search(rf"\.{name} {{[^}}]*var\(--", sheet), name


def test_more_lines_than_can_be_told_apart_are_not_drawn() -> None:
    made = [make_choice(f"s{i}") for i in range(chart.MOST)]
    made.append(make_choice("random", is_control=True, drawn=0))
    assert render(pairs(*made)).count('class="beyond"') == 4
    assert "beyond" not in "".join(
        re.findall(r"<svg.*?</svg>", render(pairs(*made, make_choice())), re.DOTALL)
    )


def test_every_colour_of_the_style_sheet_is_there_by_day_and_by_night() -> None:
    sheet = (Path(chart.__file__).parent / "templates" / "page.css").read_text()
    day, night = re.findall(r":root {([^}]*)}", sheet)
    names = [set(re.findall(r"(--\w+):", part)) for part in (day, night)]
    assert names[0] == names[1]
    used = set(re.findall(r"var\((--\w+)\)", sheet)) - {"--c"}
    assert used <= names[0]
    rest = sheet.replace(day, "").replace(night, "")
    assert not re.search(r"#[0-9a-f]{3,6}\b", rest)


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": {"rise": 0.0}},
        {"limits": {"rise": -1.0}, "cheaper": (0.0, *[-2.0] * 6), "losses": (0.0,) * 7},
        {"limits": {"rise": 0.1}, "rises": (0.0,) * 7},
        {"limits": {"rise": 0.1}, "rises": (0.0, -1e300, 1e300, 1e-300, 0.0, 1.0, 2.0)},
    ],
    ids=["no room", "must gain", "all the same", "extreme"],
)
def test_odd_numbers_are_drawn_all_the_same(changes: dict[str, Any]) -> None:
    made = make_choice(**changes)
    for layout in (chart.WIDE, chart.NARROW):
        found = drawn(made, layout=layout)
        (trace,) = found.traces
        places = [*trace.points, *trace.arrows, *found.cloud, trace.chosen]
        for x, y in places:
            assert layout.left <= x <= layout.width - layout.right
            assert 0 <= y <= layout.height
        assert found.x_ticks
    assert drawn(make_choice(), metric=LOST).x_title == "Loss of distinct bigrams, symmetric log"
    assert drawn(make_choice()).y_title == f"{CHANGE.title}, lower is better"
