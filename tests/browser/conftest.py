"""Fixtures of the browser tests: the site of the committed results, opened and watched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chrome
from browser.watch import Visit, Watch, served, visiting
from playwright.sync_api import Browser

from sparc3_bench.leaderboard.site import publish

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "leaderboard" / "results"
UNDER = "some/where"
"""The folder of the site below the root of the server: nobody's leaderboard is at a root."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close the browser behind the last of these tests."""
    if nextitem is None or not nextitem.path.is_relative_to(HERE):
        chrome.close()


@pytest.fixture
def chromium() -> Browser:
    """Return the browser."""
    return chrome.browser()


@pytest.fixture(scope="session")
def results() -> Path:
    """Return the committed results."""
    return RESULTS


@pytest.fixture(scope="session")
def site(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of their site, built once."""
    folder = tmp_path_factory.mktemp("host") / UNDER
    publish(results, folder)
    return folder


@pytest.fixture(scope="session")
def kinds(site: Path) -> dict[str, str]:
    """Return a page of every kind by its name; of those with most on them."""

    def largest(pattern: str) -> str:
        found = sorted(site.glob(pattern), key=lambda path: (path.stat().st_size, path))
        assert found, f"the site has no {pattern}"
        return found[-1].relative_to(site).as_posix()

    names = ("index", "compare", "literature", "submit")
    return {
        **{name: f"{name}.html" for name in names},
        "board": largest("boards/compression--*.html"),
        "circuit-board": largest("boards/ioi-circuit--*.html"),
        "section": largest("sections/*.html"),
        "result": largest("results/ioi-circuit/*/*.html"),
        "scorer": largest("scorers/*.html"),
    }


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """Return the address of the site on a server of this machine."""
    with served(site.parents[UNDER.count("/")]) as address:
        yield f"{address}{UNDER}/"


@pytest.fixture
def watched(chromium: Browser, site: Path) -> Iterator[tuple[Visit, Watch]]:
    """Return what opens pages of the site's folder; in the end none may have complained."""
    with visiting(chromium, f"{site.as_uri()}/") as (visit, watch):
        yield visit, watch
    assert watch.complaints == []
    assert watch.strayed == []


@pytest.fixture
def visit(watched: tuple[Visit, Watch]) -> Visit:
    """Return what opens pages of the site's folder."""
    return watched[0]


@pytest.fixture
def web(chromium: Browser, server: str) -> Iterator[Visit]:
    """Return what opens pages of the site over HTTP."""
    with visiting(chromium, server) as (visit, watch):
        yield visit
    assert watch.complaints == []
    assert watch.strayed == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return the folder of pictures for a person to look at."""
    return Path(os.environ.get("SPARC3_SCREENSHOTS", tmp_path))
