"""Controls and tables of the pages with filters, read and set as a reader would."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page

SELECTS = ("section", "unit", "group", "aggregation", "scorer", "metric", "amount", "cost")
CHECKS = ("logx", "logy")

_NUMBER = re.compile(r"([+-]?[\d,]*\.?\d+)(?: × 10\^?(-?\d+))?(?:e([+-]?\d+))?")
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def control(name: str) -> str:
    """Return the selector of a control."""
    return f"#filters [name={name}]"


def choose(page: Page, name: str, value: str | bool) -> None:
    """Set a select or a checkbox."""
    if isinstance(value, bool):
        page.locator(control(name)).set_checked(value)
    else:
        page.locator(control(name)).select_option(value=value)


def chosen(page: Page) -> dict[str, str | bool]:
    """Return what every control is set to."""
    return page.eval_on_selector_all(
        "#filters select, #filters input",
        "all => Object.fromEntries(all.map(one =>"
        " [one.name, one.type === 'checkbox' ? one.checked : one.value]))",
    )


def offered(page: Page, name: str) -> dict[str, str]:
    """Return the values of a select with their texts."""
    return page.eval_on_selector_all(
        f"{control(name)} option",
        "all => Object.fromEntries(all.map(one => [one.value, one.textContent]))",
    )


def runs(page: Page) -> list[frozenset[str]]:
    """Return the rows that are shown, in their order, each by the keys of its results."""
    rows = page.eval_on_selector_all(
        "#runs tbody tr",
        "all => all.filter(row => row.checkVisibility())"
        ".map(row => [...row.querySelectorAll('code')].map(one => one.textContent))",
    )
    return [frozenset(text for text in row if re.fullmatch(r"[0-9a-f]{12}", text)) for row in rows]


def shown(page: Page) -> tuple[int, int]:
    """Return how many of how many rows the page says that it shows."""
    told = re.search(r"(\d+) of (\d+)", page.locator("#shown[role=status]").inner_text())
    assert told
    return int(told[1]), int(told[2])


def column(page: Page, place: str, table: str = "runs") -> list[str]:
    """Return the raw values of a column, top to bottom."""
    return page.eval_on_selector_all(
        f"#{table} tbody tr",
        f"all => all.map(row => row.cells[{place}].dataset.value)",
    )


def cells(page: Page, table: str) -> list[list[str]]:
    """Return the texts of a table's rows."""
    return page.eval_on_selector_all(
        f"#{table} tbody tr",
        "all => all.map(row => [...row.cells].map(one => one.innerText.trim()))",
    )


def drawn(page: Page, figure: str) -> str:
    """Return the drawing of a figure, as markup; empty without one."""
    found = page.locator(f"figure#{figure} svg")
    markup = "".join(found.nth(at).inner_html() for at in range(found.count()))
    # Every drawing of a page has a number of its own.
    return re.sub(r"plot-clip-\d+", "plot-clip", markup)


def numbers(text: str) -> list[float]:
    """Return the numbers in a text as pages and tables of the terminal write them."""
    return [
        float(f"{digits.replace(',', '')}e{power or exponent or 0}")
        for digits, power, exponent in _NUMBER.findall(text.replace("−", "-").translate(_RAISED))
    ]


def rows_of(board: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any], frozenset[str]]]:
    """Return of a board's data every row with its section and the keys of its results."""
    return [
        (section, row, frozenset(key for key, _ in row["results"]))
        for section in board["sections"]
        for row in section["rows"]
    ]
