"""The harness: on pages made with a fault, each of its checks finds it; on a good one none does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browser.accessible import violations
from browser.crawl import crawl, loaded
from browser.watch import is_too_wide, picture, served, too_wide, until, visiting
from playwright.sync_api import Browser

STYLE = "<style>body { color: #222; background: #fff } .box { overflow-x: auto }</style>"
DARK = "<style>@media (prefers-color-scheme: dark) { body { background: #444 } }</style>"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a small site and returns its folder."""

    def written(body: str = "", head: str = STYLE, **others: str) -> Path:
        folder = tmp_path / "host" / "site"
        folder.mkdir(parents=True, exist_ok=True)
        pages = {"index": f"<main><h1>A page</h1>{body}</main>", **others}
        for name, text in pages.items():
            start = f'<!doctype html><html lang="en"><head><title>{name}</title>{head}</head>'
            (folder / f"{name}.html").write_text(f"{start}<body>{text}</body></html>")
        return folder

    return written


def complaints(browser: Browser, folder: Path, wait: float = 0.2) -> tuple[list[str], list[str]]:
    """Return what the first page complains of, and which of its requests left the folder."""
    with visiting(browser, f"{folder.as_uri()}/") as (visit, watch):
        page = visit("index.html")
        until(lambda: bool(watch.complaints), page, wait)
    return watch.complaints, watch.strayed


def test_a_good_page_passes(chromium, write):
    folder = write(
        '<p id="here">Text</p><a href="#here">here</a> <a href="two.html">two</a>', two=""
    )
    assert complaints(chromium, folder) == ([], [])
    assert crawl(folder).broken == []
    with visiting(chromium, f"{folder.as_uri()}/") as (visit, _):
        page = visit("index.html")
        assert violations(page) == []
        assert not is_too_wide(page)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<script>console.error('oh')</script>", "console: oh"),
        ("<script>console.warn('hm')</script>", "console: hm"),
        ("<script>throw new Error('thrown')</script>", "error: thrown"),
        ("<script>Promise.reject(new Error('later'))</script>", "error: later"),
        ("<script>alert(1)</script>", "dialog: 1"),
        ("<script src='gone.js'></script>", "request: file:"),
    ],
)
def test_what_a_page_complains_of_is_noted(chromium, write, body, said):
    found, _ = complaints(chromium, write(body))
    assert any(one.startswith(said) for one in found)


@pytest.mark.parametrize(
    "address", ["../other.js", "file:///nowhere.js", "http://127.0.0.1:9/x.js"]
)
def test_a_request_that_leaves_the_folder_is_noted(chromium, write, address):
    folder = write(f"<script src='{address}'></script>")
    assert len(complaints(chromium, folder)[1]) == 1


def test_an_answer_that_is_an_error_is_noted_over_http(chromium, write):
    folder = write("<img src='gone.png' alt='gone'>")
    with served(folder.parent) as address, visiting(chromium, f"{address}site/") as (visit, watch):
        assert visit("index.html").title() == "index"
    assert f"status 404: {address}site/gone.png" in watch.complaints
    assert watch.strayed == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("gone.html", "leads to no file"),
        ("#gone", "names no place"),
        ("two.html#gone", "names no place in two.html"),
        ("../index.html", "leaves the site"),
        ("/index.html", "does not stay"),
        ("javascript:alert(1)", "does not stay"),
        ("data/gone%20file.csv", "leads to no file"),
    ],
)
def test_a_broken_link_is_found_behind_another_page(write, link, said):
    (broken,) = crawl(write('<a href="two.html">two</a>', two=f'<a href="{link}">x</a>')).broken
    assert said in broken


def test_a_crawl_follows_links_alone_and_knows_what_a_page_loads(write):
    inside = '<script src="a%20b.js"></script><a href="two.html#x=1">x</a><a href="c.csv">c</a>'
    folder = write(inside, two="", three="")
    for name in ("a b.js", "c.csv"):
        (folder / name).write_text("")
    found = crawl(folder)
    assert found.broken == []
    assert found.pages == {"index.html", "two.html"}
    assert found.files == {"a b.js", "c.csv"}
    assert loaded(folder, "index.html") == ["index.html", "a b.js"]


def test_what_cannot_be_read_by_everybody_is_found_by_its_rule(chromium, write):
    folder = write("<input type='text'>", STYLE + DARK)
    with visiting(chromium, f"{folder.as_uri()}/") as (visit, _):
        light, dark = (visit("index.html", color_scheme=scheme) for scheme in ("light", "dark"))
        assert [one.split()[0] for one in violations(light)] == ["label"]
        assert [one.split()[0] for one in violations(dark)] == ["color-contrast", "label"]
        assert [one.split()[0] for one in violations(dark, "label")] == ["label"]


def test_what_is_wider_than_the_window_is_found_unless_its_box_scrolls(chromium, write, tmp_path):
    wide = "<div id='wide' style='width: 600px'>wide</div>"
    with visiting(chromium, f"{write(f'<div class=box>{wide}</div>').as_uri()}/") as (visit, _):
        page = visit("index.html", viewport={"width": 380, "height": 500})
        assert not is_too_wide(page)
        assert too_wide(page) == []
    with visiting(chromium, f"{write(wide).as_uri()}/") as (visit, _):
        page = visit("index.html", viewport={"width": 380, "height": 500})
        assert is_too_wide(page)
        assert [one[:14] for one in too_wide(page)] == ['<div id="wide"']
        picture(page, tmp_path / "deep" / "one.png")
    assert (tmp_path / "deep" / "one.png").stat().st_size > 1000


def test_scripts_can_be_turned_off(chromium, write):
    folder = write("<p>before</p><script>document.querySelector('p').textContent = 'x'</script>")
    with visiting(chromium, f"{folder.as_uri()}/") as (visit, _):
        assert visit("index.html").locator("p").inner_text() == "x"
        assert visit("index.html", java_script_enabled=False).locator("p").inner_text() == "before"
