"""Filters of a board: they leave what they say, the drawings follow, the address keeps them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.filters import (
    CHECKS,
    SELECTS,
    choose,
    chosen,
    control,
    drawn,
    offered,
    rows_of,
    runs,
    shown,
)
from browser.watch import is_too_wide
from playwright.sync_api import Page

SOME: dict[str, str | bool] = {"unit": "weight", "group": "row", "scorer": "lrp"}


@pytest.fixture
def board(kinds, visit) -> Page:
    """Return the page of the board with most choices."""
    return visit(kinds["circuit-board"])


@pytest.fixture
def data(kinds, site) -> dict[str, Any]:
    """Return its numbers."""
    return data_of(site, kinds["circuit-board"])


def data_of(site: Path, page: str) -> dict[str, Any]:
    return json.loads((site / "data" / Path(page).with_suffix(".json").name).read_text())


def left(data: dict[str, Any], **wanted: str | bool) -> Counter[frozenset[str]]:
    """Return the rows that filters should leave."""
    return Counter(
        keys
        for section, row, keys in rows_of(data)
        if all((section | row)[name] == value for name, value in wanted.items() if value)
    )


def kept(page: Page) -> dict[str, str]:
    """Return the filters as they stand in the address."""
    found = parse_qs(urlsplit(page.url).fragment, strict_parsing=True)
    return {name: values[0] for name, values in found.items()}


def test_every_filter_is_labelled_and_offers_what_there_is(board, data):
    assert {*chosen(board)} == {*SELECTS, *CHECKS}
    for name in (*SELECTS, *CHECKS):
        label = board.locator(control(name)).evaluate("one => one.labels[0].innerText")
        assert label.strip(), name
    for name in ("unit", "group"):
        assert {*offered(board, name)} == {"", *(section[name] for section in data["sections"])}
    for name in ("scorer", "aggregation"):
        assert {*offered(board, name)} == {"", *(row[name] for _, row, _ in rows_of(data))}
    assert {*offered(board, "section")} == {section["id"] for section in data["sections"]}


def test_without_filters_every_row_is_shown(board, data):
    assert Counter(runs(board)) == left(data)
    assert shown(board) == (len(rows_of(data)), len(rows_of(data)))


@pytest.mark.parametrize("name", ["unit", "group", "aggregation", "scorer"])
def test_a_filter_leaves_what_it_names(name, board, data):
    values = [value for value in offered(board, name) if value]
    assert len(values) > 1
    for value in values:
        choose(board, name, value)
        expected = left(data, **{name: value})
        assert Counter(runs(board)) == expected, value
        assert 0 < expected.total() < len(rows_of(data))
        assert shown(board) == (expected.total(), len(rows_of(data)))


def test_filters_work_together_and_are_reset(board, data):
    before = chosen(board)
    for name, value in SOME.items():
        choose(board, name, value)
    assert Counter(runs(board)) == left(data, **SOME)
    board.locator("#filters [type=reset]").click()
    assert chosen(board) == before
    assert Counter(runs(board)) == left(data)


def test_what_nothing_passes_is_said_and_harms_nothing(board, data):
    choose(board, "unit", "head")
    choose(board, "group", "row")
    assert not left(data, unit="head", group="row")
    assert runs(board) == []
    assert shown(board)[0] == 0
    assert (drawn(board, "curves"), drawn(board, "pareto")) == ("", "")


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("section", ("curves", "pareto")),
        ("metric", ("curves", "pareto")),
        ("scorer", ("curves", "pareto")),
        ("unit", ("curves", "pareto")),
        ("amount", ("pareto",)),
        ("cost", ("pareto",)),
        ("logx", ("curves",)),
        ("logy", ("curves", "pareto")),
    ],
)
def test_the_drawings_follow_a_filter(name, figures, board, data):
    before = {figure: drawn(board, figure) for figure in figures}
    assert all(before.values())
    if name in CHECKS:
        choose(board, name, not chosen(board)[name])
    else:
        values = [value for value in offered(board, name) if value != chosen(board)[name]]
        if name == "scorer":  # of those that the drawn section has
            section = next(one for one in data["sections"] if one["id"] == chosen(board)["section"])
            values = [value for value in values if value in {r["scorer"] for r in section["rows"]}]
        choose(board, name, values[-1])
    for figure in figures:
        assert drawn(board, figure), figure
        assert drawn(board, figure) != before[figure], figure


def test_the_drawings_show_the_rows_of_the_convention_drawn(board, data):
    section = next(one for one in data["sections"] if one["id"] == chosen(board)["section"])
    told = board.locator("figure#curves").inner_text()
    for row in section["rows"]:
        assert row["title"] in told or row["folded"]
    assert section["metrics"][0]["title"] in board.locator("#curves figcaption").inner_text()
    # Seconds are drawn of one kind of machine alone, which is named.
    timed = [row for row in section["rows"] if row["machine"] == section["machine"]]
    told = board.locator("figure#pareto").inner_text()
    assert section["machine"] in told
    assert any(row["title"] in told for row in timed)
    # Bytes are those of a row wherever it ran.
    choose(board, "cost", "bytes")
    told = board.locator("figure#pareto").inner_text()
    assert section["machine"] not in told
    assert "bytes of memory at most" in told


def test_the_address_keeps_every_choice(board, kinds, visit):
    for name, value in (SOME | {"logx": False, "logy": True}).items():
        choose(board, name, value)
    for name in ("metric", "amount"):
        choose(board, name, [*offered(board, name)][-1])
    state = chosen(board)
    expected = {name: str(value) for name, value in state.items() if value and name in SELECTS}
    assert kept(board) == expected | {name: str(int(state[name])) for name in CHECKS}
    again = visit(kinds["circuit-board"] + "#" + urlsplit(board.url).fragment)
    assert chosen(again) == state
    assert runs(again) == runs(board)
    assert shown(again) == shown(board)
    for figure in ("curves", "pareto"):
        assert drawn(again, figure) == drawn(board, figure)


def test_a_page_follows_its_address_when_it_is_changed(board, data):
    board.evaluate("location.hash = 'unit=neuron&scorer=wanda'")
    assert Counter(runs(board)) == left(data, unit="neuron", scorer="wanda")
    assert chosen(board)["scorer"] == "wanda"


@pytest.mark.parametrize(
    "hash",
    ["#unit=stone&section=s-0&metric=%3Cb%3E&amount=x&logx=9", "#%E0%A4%A", "#&&==", "#content"],
)
def test_an_address_of_nonsense_shows_everything(hash, kinds, data, visit):
    page = visit(kinds["circuit-board"] + hash)
    assert Counter(runs(page)) == left(data)
    assert drawn(page, "curves")


@pytest.mark.parametrize("kind", ["board", "circuit-board"])
def test_no_choice_makes_a_narrow_page_wider(kind, kinds, visit):
    page = visit(kinds[kind], viewport={"width": 380, "height": 900})
    for name in ("section", "metric"):
        for value in offered(page, name):
            choose(page, name, value)
            assert not is_too_wide(page), value
