"""The page of a report: whole without anything beside it, on any screen, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.accessible import violations
from browser.watch import Visit, Watch, is_too_wide, picture, too_wide, visiting
from playwright.sync_api import Browser

from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.scorer_report import report_on
from sparc3_bench.record.files import read_results


@pytest.fixture(scope="module")
def site(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the page, which takes the place of the site."""
    folder = tmp_path_factory.mktemp("report")
    report = report_on(["lrp"], read_results(results), default_host())
    (folder / "report.html").write_text(report.html(), encoding="utf-8")
    return folder


@pytest.fixture
def watched(chromium: Browser, site: Path) -> Iterator[tuple[Visit, Watch]]:
    """Return what opens it; in the end it may have asked for nothing but itself."""
    with visiting(chromium, f"{site.as_uri()}/") as (visit, watch):
        yield visit, watch
    assert watch.complaints == []
    assert {url.rpartition("/")[2] for url in watch.requests if "data:" not in url} == {
        "report.html"
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_it_from_being_read(scheme, visit):
    page = visit("report.html", color_scheme=scheme)
    assert violations(page) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_not_wider_than_the_window(width, visit, pictures):
    page = visit("report.html", viewport={"width": width, "height": 900})
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    picture(page, pictures / f"report-{width}.png")
    assert too_wide(page) == []
    assert not is_too_wide(page)
