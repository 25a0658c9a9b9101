"""Every page: it loads without complaint, its links lead somewhere, it fits on any screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.crawl import Crawl, crawl, resolved
from browser.watch import WIDTHS, is_too_wide, picture, too_wide

KINDS = (
    *("index", "board", "circuit-board", "section", "result", "scorer"),
    *("compare", "literature", "submit"),
)


@pytest.fixture(scope="module")
def found(site) -> Crawl:
    """Return what following every link from the overview finds."""
    return crawl(site)


def unlike(site: Path) -> list[str]:
    """Return all pages, but of those of results, which are made alike, one a scorer and task."""
    every = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    alike = {name.rpartition("--")[0]: name for name in every if name.startswith("results/")}
    return [name for name in every if not name.startswith("results/")] + sorted(alike.values())


def test_every_link_leads_to_a_file_and_to_a_place_in_it(found, results):
    assert found.broken == []
    assert len(found.pages) > len(list(results.rglob("*.json")))


def test_every_page_and_every_number_can_be_reached_from_the_overview(found, site):
    assert found.pages == {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    for pattern in ("data/*.csv", "data/*.json", "results/**/*.json", "results/**/*.json.gz"):
        files = {path.relative_to(site).as_posix() for path in site.glob(pattern)}
        assert files
        assert files <= found.files


def test_no_page_complains_or_asks_for_what_is_not_beside_it(site, watched):
    visit, watch = watched
    chosen = unlike(site)
    page = visit(chosen[0], viewport={"width": WIDTHS[0], "height": 900})
    for name in chosen[1:]:
        page.goto(watch.base + name)
        assert watch.complaints == [], name
        assert watch.strayed == [], name
    assert {url for url in watch.requests if url.endswith(".html")} == {
        watch.base + name for name in chosen
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_also_works_from_a_server_below_its_root(kind, kinds, web):
    page = web(kinds[kind])
    assert page.locator("h1").inner_text()
    # Following the first link of the navigation stays on this server.
    page.locator("nav a").first.click()
    # To its end: a request that is cut off counts as one that failed.
    page.wait_for_url("**/index.html", wait_until="load")


@pytest.mark.parametrize("kind", ["board", "circuit-board", "compare"])
def test_links_that_a_script_writes_lead_somewhere(kind, kinds, site, visit):
    page = visit(kinds[kind])
    links = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
    inside = [link for link in links if not link.startswith("https:")]
    base = f"{site.as_uri()}/"
    assert inside
    assert [link for link in inside if not link.startswith(base)] == []
    wrong = [resolved(site, "index.html", link.removeprefix(base))[2] for link in inside]
    assert set(wrong) == {""}


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_is_wider_than_the_window(kind, kinds, visit, pictures):
    first, *others = WIDTHS
    page = visit(kinds[kind], viewport={"width": first, "height": 900})
    for width in WIDTHS:
        if width in others:
            page.set_viewport_size({"width": width, "height": 900})
            page.reload()
        picture(page, pictures / f"{kind}-{width}.png")
        assert too_wide(page) == [], width
        assert not is_too_wide(page), width


def test_every_table_fits_a_window_of_1280_pixels(site, watched):
    visit, watch = watched
    page = visit("index.html", viewport={"width": 1280, "height": 900})
    wide = "all => all.map(one => one.scrollWidth - one.clientWidth).filter(more => more > 1)"
    for name in unlike(site):
        page.goto(watch.base + name)
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
        assert page.eval_on_selector_all(".scroll", wide) == [], name
