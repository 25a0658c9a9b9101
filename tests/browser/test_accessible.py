"""Reading without a mouse, without scripts, without good eyes."""

from __future__ import annotations

import re

import pytest
from browser.accessible import violations
from browser.test_pages import KINDS
from playwright.sync_api import Page

NUMBER = re.compile(r"\d")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_keeps_a_page_from_being_read(kind, kinds, visit):
    page = visit(kinds[kind], color_scheme="light")
    assert violations(page) == []
    light = brightness(page)
    # Colours are all that differs in the dark.
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast") == []
    assert brightness(page) < 3 * 64 < 3 * 192 < light


def brightness(page: Page) -> int:
    """Return the sum of red, green and blue of what is behind a page."""
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    if colour == "rgba(0, 0, 0, 0)":
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize("kind", ["index", "board", "compare", "result"])
def test_the_first_key_offers_to_skip_what_is_on_every_page(kind, kinds, visit):
    page = visit(kinds[kind])
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    target = focused.get_attribute("href")
    assert target is not None
    assert target.startswith("#")
    assert focused.is_visible()
    page.keyboard.press("Enter")
    main = page.locator(f"main{target}")
    assert main.evaluate("one => one.contains(document.activeElement)")
    # The next key goes to what is inside, not back to the navigation.
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('nav, header')")


@pytest.mark.parametrize("kind", ["board", "compare"])
def test_every_control_is_reached_by_key_in_the_order_of_the_page(kind, kinds, visit):
    page = visit(kinds[kind])
    controls = page.locator("#filters").locator("select, input, button")
    expected = [_name(page, index) for index in range(controls.count())]
    assert len(expected) > 3
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "(one => one.closest('#filters') ? one.name || one.type : '')(document.activeElement)"
        )
        if reached and not inside:
            break
        reached += [inside] if inside else []
    assert reached == expected


def test_a_table_is_sorted_by_key(kinds, visit):
    page = visit(kinds["board"])
    heading = page.locator("#runs th[data-column][data-kind=number]").first
    button = heading.locator("button")
    for key, expected in (("Enter", "first"), ("Space", "second")):
        before = heading.get_attribute("aria-sort")
        button.focus()
        page.keyboard.press(key)
        after = heading.get_attribute("aria-sort")
        assert after in {"ascending", "descending"}, expected
        assert after != before


@pytest.mark.parametrize(("kind", "table"), [("index", "overview"), ("board", "runs")])
def test_tables_are_whole_without_scripts(kind, table, kinds, visit):
    with_scripts, without = (visit(kinds[kind], java_script_enabled=on) for on in (True, False))
    rows = _rows(without, table)
    assert len(rows) > 5
    assert all(len(row) > 3 for row in rows)
    assert sum(bool(NUMBER.search(" ".join(row[1:]))) for row in rows) == len(rows)
    assert sorted(rows) == sorted(_rows(with_scripts, table))


def test_what_needs_scripts_is_not_offered_without(kinds, visit):
    page = visit(kinds["board"], java_script_enabled=False)
    assert not page.locator("#filters").is_visible()
    assert page.locator("#runs").is_visible()
    compare = visit(kinds["compare"], java_script_enabled=False)
    assert "sparc3 compare" in compare.locator("main").inner_text()


def _name(page: Page, index: int) -> str:
    control = page.locator("#filters").locator("select, input, button").nth(index)
    return str(control.evaluate("one => one.name || one.type"))


def _rows(page: Page, table: str) -> list[list[str]]:
    """Return the texts of the cells of every row; a row that heads a group is left out."""
    return [
        cells
        for cells in page.eval_on_selector_all(
            f"table#{table} tbody tr",
            "all => all.map(row => [...row.cells].map(one => one.innerText.trim()))",
        )
        if len(cells) > 1
    ]
