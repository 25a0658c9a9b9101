"""The table of a board: it sorts, and what can be downloaded holds the same numbers."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from browser.filters import choose, column, rows_of, runs
from browser.test_filters import data_of

HEADINGS = "#runs th[data-column]"


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_heading_sorts_both_ways(kinds, visit):
    page = visit(kinds["circuit-board"])
    headings = page.locator(HEADINGS)
    moved = []
    for index in range(headings.count()):
        heading = headings.nth(index)
        place, kind = (heading.get_attribute(f"data-{name}") for name in ("column", "kind"))
        orders = []
        for _ in range(2):
            heading.locator("button").click()
            states = [headings.nth(at).get_attribute("aria-sort") for at in range(headings.count())]
            assert [state for at, state in enumerate(states) if at != index] == ["none"] * (
                headings.count() - 1
            )
            values = column(page, place)
            filled = [float(v) if kind == "number" else v for v in values if v or kind == "text"]
            # Rows without a number stay at the end.
            assert [v for v in values if v or kind == "text"] == values[: len(filled)]
            orders.append((states[index], filled))
        (one, up), (other, down) = orders
        assert {one, other} == {"ascending", "descending"}
        assert sorted(up) == sorted(down)
        assert up == down[::-1]
        if kind == "number":
            assert up == sorted(up, reverse=one == "descending")
        if len(set(up)) > 1:
            assert up != down
            moved.append(place)
    assert len(moved) > headings.count() / 2


def test_sorting_moves_whole_rows_and_keeps_filters(kinds, visit):
    page = visit(kinds["circuit-board"])
    choose(page, "scorer", "wanda")
    before = runs(page)
    value = page.locator(HEADINGS).filter(has_text="Value").locator("button")
    value.click()
    after = runs(page)
    assert before != after
    assert sorted(map(sorted, before)) == sorted(map(sorted, after))


def test_a_sorted_row_still_belongs_to_its_numbers(kinds, site, visit):
    page = visit(kinds["board"])
    page.locator(HEADINGS).filter(has_text="Value").locator("button").click()
    focus = {keys: _ordering(section, row) for section, row, keys in rows_of(_data(site, kinds))}
    values = [float(value) for value in column(page, _place(page, "Value"))]
    for keys, value in zip(runs(page), values, strict=True):
        assert value == pytest.approx(focus[keys], rel=1e-5)


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_the_numbers_can_be_downloaded(suffix, kinds, site, web):
    page = web(kinds["board"])
    with page.expect_download() as found:
        page.get_by_role("link", name=suffix.upper(), exact=True).click()
    name = Path(kinds["board"]).with_suffix(f".{suffix}").name
    assert found.value.suggested_filename == name
    assert Path(found.value.path()).read_bytes() == (site / "data" / name).read_bytes()


def test_the_table_holds_the_numbers_of_the_download(kinds, site, visit):
    page = visit(kinds["board"])
    lines = lines_of(site / "data" / Path(kinds["board"]).with_suffix(".csv").name)
    ids = {(line["section"], line["results"]) for line in lines}
    assert len(ids) == len(runs(page))
    costs = {
        frozenset(line["results"].split()): [
            float(line[name]) for name in ("attribution_seconds", "evaluation_seconds")
        ]
        for line in lines
    }
    named = [column(page, _place(page, text)) for text in ("Scores, s", "Measuring")]
    for keys, *told in zip(runs(page), *named, strict=True):
        assert list(map(float, told)) == costs[keys]
    ordered = {
        frozenset(line["results"].split()): float(line["value"])
        for section in _data(site, kinds)["sections"]
        for line in lines
        if (line["section"], line["metric"]) == (section["id"], section["metrics"][0]["name"])
        if line["amount"] and float(line["amount"]) == section["focus"]
    }
    values = map(float, column(page, _place(page, "Value")))
    assert dict(zip(runs(page), values, strict=True)) == ordered


def test_what_can_be_downloaded_is_what_was_measured(site, results):
    records = {}
    for path in results.rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        records[record["key"]] = record
    seen, lines = set(), 0
    for path in sorted((site / "data").glob("*.csv")):
        for line in lines_of(path):
            measured = [
                number
                for key in line["results"].split()
                for number in _measured(records[key], line["metric"], line["amount"])
            ]
            seen.update(line["results"].split())
            lines += 1
            # Of a control's seeds the number is the median, of others the mean.
            assert min(measured) <= float(line["value"]) <= max(measured)
            if line["control"] == "False":
                assert float(line["value"]) == pytest.approx(math.fsum(measured) / len(measured))
    assert seen == {key for key, record in records.items() if record["status"] == "ok"}
    assert lines > len(seen)


def test_both_downloads_and_the_page_s_own_data_agree(site):
    for path in sorted((site / "data").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        script = path.with_suffix(".js").read_text(encoding="utf-8")
        assert json.loads(script[script.index("{") : script.rindex("}") + 1]) == data
        lines = lines_of(path.with_suffix(".csv"))
        told = {
            (section["id"], keys, amount, metric["name"]): row["points"][i][m][0]
            for section, row, keys in rows_of(data)
            for i, amount in enumerate(section["amounts"])
            for m, metric in enumerate(section["metrics"])
            if row["points"][i][m] is not None
        }
        told |= {
            (section["id"], keys, None, name): numbers[0]
            for section, row, keys in rows_of(data)
            for name, numbers in row["whole"].items()
        }
        assert len(told) == len(lines)
        for line in lines:
            keys = frozenset(line["results"].split())
            amount = float(line["amount"]) if line["amount"] else None
            where = (line["section"], keys, amount, line["metric"])
            assert told[where] == pytest.approx(float(line["value"]), rel=1e-5)


def _measured(record: dict[str, Any], metric: str, amount: str) -> list[float]:
    """Return what a result measured at an amount, or of its whole curve where none is told."""
    if not amount:
        return [record["curve"][metric]["value"]]
    return [
        point["metrics"][metric]
        for point in record["points"]
        if point["amount"]["requested"] == float(amount)
    ]


def _data(site: Path, kinds: dict[str, str]) -> dict[str, Any]:
    return data_of(site, kinds["board"])


def _ordering(section: dict[str, Any], row: dict[str, Any]) -> float:
    return row["points"][section["amounts"].index(section["focus"])][0][0]


def _place(page: Any, text: str) -> str:
    """Return the place of the column whose heading starts with `text`."""
    return page.locator(HEADINGS).filter(has_text=text).get_attribute("data-column")
