"""Scale: ten thousand results publish soon and open at once, and fewer grow no faster than that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from board import write_board
from browser import chrome
from browser.crawl import loaded
from browser.watch import Visit, Watch, visiting

from sparc3_bench.leaderboard.site import publish

MANY = 10_000
PUBLISH_SECONDS = 60
OPEN_SECONDS = 2
LOADED_BYTES = 5_000_000

# The first model of `board` and the first two, to their last run: half a task is not a typical
# table, and the page of a task also holds the other tasks of its model against it.
FEW = (345, 690)


def opened(site: Path, page: str) -> int:
    """Return how many bytes opening a page loads."""
    return sum((site / name).stat().st_size for name in loaded(site, page))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Return two small sites by how many results they are of."""
    found = {}
    for count in FEW:
        folder = tmp_path_factory.mktemp(f"of-{count}")
        write_board(folder / "results", count)
        publish(folder / "results", folder / "site")
        found[count] = folder / "site"
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, float]:
    """Return the site of many results, and the seconds it took: on the clock, of the processor."""
    folder = tmp_path_factory.mktemp("many")
    assert write_board(folder / "results", MANY) > 500
    clock, processor = time.perf_counter(), time.process_time()
    publish(folder / "results", folder / "site")
    return folder / "site", time.perf_counter() - clock, time.process_time() - processor


@pytest.fixture
def watched(published: tuple[Path, float, float]) -> Iterator[tuple[Visit, Watch]]:
    """Return what opens its pages."""
    with visiting(chrome.browser(), f"{published[0].as_uri()}/") as found:
        yield found
    chrome.close()


@pytest.mark.parametrize("page", ["index.html", "compare.html"])
def test_what_a_page_loads_stays_small_at_the_rate_it_grows(page, sites):
    few, more = (opened(sites[count], page) for count in FEW)
    rate = (more - few) / (FEW[1] - FEW[0])
    assert rate > 0
    assert few + rate * (MANY - FEW[0]) < LOADED_BYTES


def test_the_overview_loads_as_few_files_however_many_results_there_are(sites):
    few, more = (loaded(sites[count], "index.html") for count in FEW)
    assert few == more
    assert not [name for name in few if name.startswith(("data/", "results/"))]


@pytest.mark.parametrize("pattern", ["boards/*", "sections/*", "data/*", "results/*/*/*"])
def test_what_belongs_to_one_model_does_not_grow_with_the_others(pattern, sites):
    few, more = (sites[count] for count in FEW)
    names = {path.relative_to(few) for path in few.glob(pattern)}
    assert names
    assert len(list(more.glob(pattern))) == 2 * len(names)
    assert [name for name in names if (more / name).read_bytes() != (few / name).read_bytes()] == []


@pytest.mark.scale
def test_ten_thousand_results_are_published_in_a_minute(published):
    site, seconds, busy = published
    copies = [path for path in site.glob("results/*/*/*.json")]
    assert len(copies) == MANY
    # Where they are far apart, the machine had other things to do.
    assert seconds < PUBLISH_SECONDS, f"{seconds:.0f} s, {busy:.0f} s of them busy"


@pytest.mark.scale
def test_their_overview_opens_at_once_and_loads_little(published, watched):
    site = published[0]
    visit, watch = watched
    # What starts the first tab of a browser is no part of the page.
    visit("static/site.css")
    watch.requests.clear()
    page = visit("index.html")
    timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert page.locator("#overview tbody tr").count() > 500
    assert 0 < page.evaluate(timing) < OPEN_SECONDS * 1000
    files = {unquote(urlsplit(url).path) for url in watch.requests if url.startswith("file:")}
    assert f"{site}/index.html" in files
    assert sum(Path(name).stat().st_size for name in files) < LOADED_BYTES
    assert watch.complaints == watch.strayed == []
