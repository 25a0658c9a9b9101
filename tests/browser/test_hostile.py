"""Hostile text in results: on every page it is text, and the data beside it stay whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browser.crawl import crawl
from browser.filters import cells, choose, drawn, offered, runs, shown
from browser.watch import Visit, Watch, is_too_wide, too_wide, visiting
from playwright.sync_api import Browser
from unit.results import make_result, save
from unit.test_leaderboard_ranks import measured

from sparc3_bench.leaderboard.site import publish
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import RunSpec

EVERY = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script><!--<script>]]>",
    "\"'><img src=x onerror=alert(3)>",
    "{{ 7*7 }}${alert(4)}</title></style></textarea></select>",
    "one\\u2028two\\u2029three\\u003c/script>\\",
    "javascript:alert(5)/" + 20 * "unbroken",
    '=HYPERLINK("http://127.0.0.1:9/","x")',
)

FAILED = "<script>alert('failed')</script>"


def hostile(place: int, text: str) -> Result:
    """Return a run with `text` wherever a record has room for one."""
    result = measured(
        f"hostile-{place}",
        place / 10,
        place % 4,
        title=text,
        options={text: text, "aggregation": text},
        objective=text,
        processor=text,
        warnings=(text,),
    )
    spec = result.spec.model_dump(mode="json")
    # All in one section: they differ in nothing that keeps runs apart.
    spec["model"] |= {"id": EVERY[0], "label": EVERY[1], "dtype": EVERY[2]}
    spec["task"]["title"] = EVERY[3]
    for data in spec["datasets"]:
        data |= {"source": text, "choice": text}
    changed = RunSpec.model_validate(spec)
    metrics = [m.model_copy(update={"title": EVERY[4], "unit": EVERY[1]}) for m in result.metrics]
    told = {"command": f"sparc3 run --scorer {text}", "metrics": tuple(metrics)}
    return result.model_copy(update={"spec": changed, "key": changed.key, **told})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Return the runs."""
    return [hostile(place, text) for place, text in enumerate(EVERY)]


@pytest.fixture(scope="module")
def site(made: list[Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of their site, which takes the place of that of the committed results."""
    folder = tmp_path_factory.mktemp("hostile")
    failed = make_result("brittle", status="failed", error=FAILED, warnings=EVERY)
    for result in (*made, failed):
        save(folder / "results", result)
    publish(folder / "results", folder / "site")
    return folder / "site"


@pytest.fixture
def watched(chromium: Browser, site: Path) -> Iterator[tuple[Visit, Watch]]:
    """Return what opens its pages; in the end none may have run what it was to show."""
    with visiting(chromium, f"{site.as_uri()}/") as (visit, watch):
        yield visit, watch
    assert watch.complaints == []
    assert watch.strayed == []


def only(site: Path, pattern: str) -> str:
    (path,) = site.glob(pattern)
    return path.relative_to(site).as_posix()


def test_no_page_runs_what_it_shows(site, watched):
    visit, watch = watched
    every = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    assert len(every) > 20
    page = visit(every[0])
    for name in every:
        page.goto(watch.base + name)
        assert page.locator("img:not([src*='badges/'])").count() == 0, name
        own = page.eval_on_selector_all(
            "script",
            "all => all.map(one => [one.src, one.type === 'application/json' ? '' : one.text])",
        )
        assert all(address.startswith(watch.base) or not address for address, _ in own), name
        assert not any(text for _, text in own), name
        assert page.locator("main h1").count() == 1, name
        assert watch.complaints == [], name


@pytest.mark.parametrize("pattern", ["failed.html", "boards/*.html", "results/*/*/brittle--*.html"])
def test_what_it_says_does_not_make_a_page_wider(pattern, site, visit):
    page = visit(only(site, pattern), viewport={"width": 380, "height": 900})
    assert too_wide(page) == []
    assert not is_too_wide(page)


def test_links_of_its_pages_lead_nowhere_else(site):
    found = crawl(site)
    assert found.broken == []
    assert len(found.pages) == len(list(site.rglob("*.html")))


def test_a_result_s_page_tells_it_literally(made, site, visit):
    for result in made:
        text = result.warnings[0]
        page = visit(f"results/{Path(result.spec.path).with_suffix('.html')}")
        told = page.locator("main").evaluate("one => one.textContent")
        # In the heading, the command, the warning and the provenance.
        assert told.count(text) >= 4, text
        assert EVERY[0] in page.title() or text in page.title()
    page = visit(f"results/{only(site / 'results', '**/brittle--*.html')}")
    assert FAILED in page.locator("main").inner_text()


def test_a_board_tells_it_literally_and_its_data_are_whole(made, site, visit):
    page = visit(only(site, "boards/*.html"))
    assert shown(page) == (len(EVERY), len(EVERY))
    names = [row[0] for row in cells(page, "runs")]
    for text in EVERY:
        assert any(text in name for name in names), text
    assert {*offered(page, "aggregation")} == {"", *EVERY}
    for text in EVERY:
        choose(page, "aggregation", text)
        ((key,),) = runs(page)
        assert key in {one.key for one in made if one.warnings == (text,)}
        assert drawn(page, "curves")
    heading = page.locator("h1").inner_text()
    assert EVERY[0] in heading
    assert EVERY[3] in heading


def test_rows_are_compared_under_their_literal_names(site, visit):
    page = visit("compare.html")
    page.wait_for_selector("#head-to-head tbody tr")
    titles = [*offered(page, "first").values()]
    assert len(titles) == len(EVERY)
    for text in EVERY:
        assert any(text in title for title in titles)
    for value in offered(page, "second"):
        choose(page, "second", value)
        assert page.locator("#verdict").inner_text().strip()


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(6)>", "</script>\u2028", "../../x"])
def test_an_address_cannot_write_into_a_page(text, site, visit):
    names = ("board", "section", "first", "second", "unit", "metric", "amount", "scorer", "logx")
    fragment = urlencode(dict.fromkeys(names, text))
    for name in ("compare.html", only(site, "boards/*.html")):
        page = visit(f"{name}#{fragment}")
        assert page.locator("img").count() == 0
        assert text not in page.locator("main").inner_html()
        assert text not in page.locator("main").evaluate("one => one.textContent")
        assert page.locator("figure svg").count() > 0 or "different" in page.content()


def test_downloads_hold_it_as_it_is(site):
    data = json.loads((site / only(site, "data/*.json")).read_text(encoding="utf-8"))
    rows = data["sections"][0]["rows"]
    assert {row["objective"] for row in rows} == {*EVERY}
    script = (site / only(site, "data/*.js")).read_text(encoding="utf-8")
    assert script.isascii()
    assert "</" not in script
    with (site / only(site, "data/*.csv")).open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    # A spreadsheet takes what starts with an equals sign for a formula.
    inert = {f"'{text}" if text.startswith("=") else text for text in EVERY}
    assert {line["objective"] for line in lines} == inert
