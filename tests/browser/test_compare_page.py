"""Head to head: the page says what `sparc3 compare` says of the same two files."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import typer.testing
from browser.filters import cells, choose, chosen, drawn, numbers, offered, rows_of
from playwright.sync_api import Page

from sparc3_bench.cli import app

BOARDS = ("compression--smollm2-135m", "ioi-circuit--smollm2-135m", "planted-circuit--planted-ioi")
LEVEL = 0.05


def address(board: str, section: str, first: int, second: int) -> str:
    found = {"board": board, "section": section, "first": first, "second": second}
    return f"compare.html#{urlencode(found)}"


def single(section: dict[str, Any]) -> list[int]:
    """Return the rows of one run each: two files can be compared, several seeds of a row cannot."""
    return [at for at, row in enumerate(section["rows"]) if len(row["results"]) == 1]


def pairs(site: Path, board: str) -> list[tuple[dict[str, Any], int, int]]:
    """Return from every section two pairs of rows: the best two, and the best and the last."""
    data = json.loads((site / "data" / f"{board}.json").read_text())
    found = []
    for section in data["sections"]:
        rows = single(section)
        some = {(rows[0], rows[1]), (rows[-1], rows[0])} if len(rows) > 1 else set()
        found += [(section, *pair) for pair in sorted(some)]
    return found


def compared(results: Path, section: dict[str, Any], *rows: int) -> list[list[float]]:
    """Return the numbers that the command prints: amount, both, difference, interval, p."""
    files = []
    for row in rows:
        ((key, page),) = section["rows"][row]["results"]
        (path,) = results.rglob(f"*--{key}.json")
        assert path.stem == Path(page).stem
        files.append(str(path))
    run = typer.testing.CliRunner().invoke(app, ["compare", *files, "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert (told["scale"] == "log") == is_ratio(section)
    return [
        [row["amount"], row["first"]["value"], row["second"]["value"]]
        + [row[name] for name in ("difference", "low", "high", "p_value")]
        for row in told["rows"]
    ]


def is_ratio(section: dict[str, Any]) -> bool:
    """Return whether two rows of a section are compared by their ratio."""
    return bool(section["metrics"][0]["scale"] == "log")


def turn_to(page: Page, board: str, section: str, first: int, second: int) -> None:
    """Compare another pair on the same page, which answers when it comes to it."""
    page.goto(page.url.partition("compare.html")[0] + address(board, section, first, second))
    page.wait_for_function(
        """wanted => {
            const chosen = document.getElementById("filters").elements;
            return Object.entries(wanted).every(([name, value]) => chosen[name].value === value);
        }""",
        arg={"board": board, "section": section, "first": str(first), "second": str(second)},
    )


def table(page: Page) -> list[list[float]]:
    """Return the numbers of the table; the amount as the command has it."""
    amounts = page.eval_on_selector_all(
        "#head-to-head tbody tr", "all => all.map(row => Number(row.dataset.amount))"
    )
    rows = [[n for cell in row[1:] for n in numbers(cell)] for row in cells(page, "head-to-head")]
    return [[amount, *row] for amount, row in zip(amounts, rows, strict=True)]


def verdict(page: Page) -> str:
    return page.locator("#verdict").inner_text()


@pytest.mark.parametrize("board", BOARDS)
def test_the_page_has_the_numbers_of_the_command(board, site, results, visit):
    chosen_pairs = pairs(site, board)
    assert chosen_pairs
    page = visit("compare.html")
    for section, first, second in chosen_pairs:
        turn_to(page, board, section["id"], first, second)
        expected = compared(results, section, first, second)
        found = table(page)
        where = f"{section['words']}: {first} and {second}"
        assert len(found) == len(expected) > 0, where
        for ours, theirs in zip(found, expected, strict=True):
            assert ours[0] == pytest.approx(theirs[0]), where
            # Four digits, and of p two; what is smaller than 0.0001 is said to be so.
            assert ours[1:3] == pytest.approx(theirs[1:3], rel=1e-3), where
            scale = max(abs(number) for number in theirs[3:6])
            assert ours[3:6] == pytest.approx(theirs[3:6], rel=1e-3, abs=1e-3 * scale), where
            assert ours[6] == pytest.approx(max(theirs[6], 1e-3), rel=0.06), where


@pytest.mark.parametrize("board", BOARDS)
def test_one_sentence_says_what_the_table_shows(board, site, visit):
    page = visit("compare.html")
    said = set()
    for section, first, second in pairs(site, board):
        turn_to(page, board, section["id"], first, second)
        rows, told = table(page), verdict(page)
        assert re.fullmatch(r"[^.]*(\d\.\d[^.]*)*\.", told), told
        for row in (first, second):
            assert section["rows"][row]["title"] in told
        none = float(is_ratio(section))
        sure = [row for row in rows if row[6] <= LEVEL and row[3] != none]
        higher = section["metrics"][0]["direction"] == "higher"
        ahead = sum((row[3] > none) == higher for row in sure)
        counts = [count for count in (ahead, len(sure) - ahead) if count]
        expected = [f"at {count} of {len(rows)} amounts" for count in counts]
        assert re.findall(r"at \d+ of \d+ amounts", told) == expected
        assert ("not told apart" in told) == (not sure)
        said.add(bool(sure))
    assert True in said


@pytest.mark.parametrize("board", BOARDS)
def test_the_other_way_round_is_the_opposite(board, site, visit):
    section, first, second = pairs(site, board)[0]
    one, other = (
        visit(address(board, section["id"], *rows)) for rows in ((first, second), (second, first))
    )
    for mine, theirs in zip(table(one), table(other), strict=True):
        amount, a, b, *beside, p = mine
        opposite = [1 / x if is_ratio(section) else -x for x in reversed(beside)]
        assert theirs[:3] + theirs[6:] == [amount, b, a, p]
        assert sorted(theirs[3:6]) == pytest.approx(sorted(opposite), rel=1e-3, abs=1e-12)
    assert re.findall(r"(\w+) is better", verdict(one)) == re.findall(
        r"(\w+) is better", verdict(other)
    )


def test_a_row_is_not_compared_with_itself(site, visit):
    section, first, _ = pairs(site, BOARDS[0])[0]
    page = visit(address(BOARDS[0], section["id"], first, first))
    assert table(page) == []
    assert drawn(page, "difference") == ""
    assert "different" in verdict(page)


def test_whatever_is_offered_can_be_compared(site, visit):
    page = visit("compare.html")
    data = {path.stem: json.loads(path.read_text()) for path in (site / "data").glob("*.json")}
    # A board of scores alone, where nothing is removed, has no curves to set side by side.
    boards = {
        stem for stem, of in data.items() if any(len(s["amounts"]) > 1 for s in of["sections"])
    }
    assert {*offered(page, "board")} == boards < data.keys()
    drawings = 0
    for board in sorted(boards):
        choose(page, "board", board)
        page.wait_for_function("id => location.hash.includes(id)", arg=board)
        data = json.loads((site / "data" / f"{board}.json").read_text())
        sections = {one["id"]: one for one in data["sections"]}
        for name in offered(page, "section"):
            choose(page, "section", name)
            assert verdict(page).endswith(".")
            at = sections[name]
            places = [at["places"][at["amounts"].index(row[0])] for row in table(page)]
            # Size 0 has no place on a logarithmic axis.
            expected = [place for place in places if place > 0 or not at["log"]]
            assert page.locator("figure#difference svg circle").count() == len(expected)
            drawings += bool(expected)
    assert drawings > 10


def test_the_address_keeps_what_is_compared(site, visit):
    page = visit("compare.html")
    choose(page, "board", BOARDS[1])
    page.wait_for_function("id => location.hash.includes(id)", arg=BOARDS[1])
    for name in ("section", "first", "second"):
        choose(page, name, [*offered(page, name)][-1 if name != "second" else 1])
    state = chosen(page)
    fragment = urlsplit(page.url).fragment
    assert {name: values for name, (values,) in parse_qs(fragment).items()} == state
    again = visit(f"compare.html#{fragment}")
    assert chosen(again) == state
    assert table(again) == table(page) != []
    assert verdict(again) == verdict(page)
    assert drawn(again, "difference") == drawn(page, "difference") != ""


@pytest.mark.parametrize("hash", ["#board=none&first=x&second=99", "#%E0%A4%A", "#section=s-0"])
def test_an_address_of_nonsense_leaves_a_page_that_works(hash, visit):
    page = visit(f"compare.html{hash}")
    assert verdict(page).endswith(".")
    first, second = [*offered(page, "first")][:2]
    choose(page, "first", first)
    choose(page, "second", second)
    assert table(page)
    assert drawn(page, "difference")


def test_a_board_leads_to_two_of_its_rows(kinds, site, visit):
    page = visit(kinds["board"])
    section = [*offered(page, "section")][-1]
    choose(page, "section", section)
    page.locator("main a[href*='compare.html']").click()
    page.wait_for_selector("#head-to-head tbody tr")
    state = chosen(page)
    assert (state["board"], state["section"]) == (Path(kinds["board"]).stem, section)
    assert state["first"] != state["second"]


def test_rows_of_several_seeds_are_compared_too(site, visit):
    data = json.loads((site / "data" / f"{BOARDS[0]}.json").read_text())
    several = [
        (section, at)
        for section in data["sections"]
        for at, row in enumerate(section["rows"])
        if len(row["results"]) > 1 and len(section["rows"]) > 1
    ]
    assert len(rows_of(data)) > len(several) > 0
    for section, at in itertools.islice(several, 2):
        page = visit(address(BOARDS[0], section["id"], 0 if at else 1, at))
        assert table(page)
