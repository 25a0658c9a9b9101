"""What is left on every benchmark, and two tasks on the same models: on any screen, to anyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.accessible import violations
from browser.crawl import crawl
from browser.watch import WIDTHS, Visit, is_too_wide, picture, too_wide, visiting
from playwright.sync_api import Browser, Page
from unit.results import save
from unit.retained import both, perplexed

from sparc3_bench.leaderboard.site import publish

# Between them a name that cannot be broken, and more scorers than there are colours.
MERITS = {
    **{"wanda": 0.9, "lrp": 0.85, "gradient": 0.7, "fisher": 0.5, "magnitude": 0.3},
    **{"activation": 0.4, "a-name-of-many-letters-and-no-space": 0.6, "random": 0.0},
}


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site of two tasks on the same pruned models, one with benchmarks.

    On another model one scorer was run alone, so that over the site it is the one used most.
    """
    folder = tmp_path_factory.mktemp("benchmarks")
    elsewhere = perplexed("wanda", [20.0, 22.0, 30.0], model="tiny-opt")
    for result in [*both(MERITS), elsewhere]:
        save(folder / "results", result)
    publish(folder / "results", folder / "site")
    return folder / "site"


@pytest.fixture
def opened(chromium: Browser, benchmarks: Path) -> Iterator[Visit]:
    with visiting(chromium, f"{benchmarks.as_uri()}/") as (visit, watch):
        yield visit
    assert watch.complaints == []
    assert watch.strayed == []


@pytest.fixture
def places(benchmarks: Path) -> dict[str, str]:
    """Return the page of the benchmarks, and of their task."""
    (section,) = [
        path.relative_to(benchmarks).as_posix()
        for path in benchmarks.glob("sections/*.html")
        if '"small":true' in path.read_text()
    ]
    return {"section": section, "board": "boards/zero-shot--tiny-llama.html"}


@pytest.mark.parametrize("kind", ["section", "board"])
def test_nothing_is_wider_than_the_window(kind, places, opened, pictures):
    page = opened(places[kind], viewport={"width": WIDTHS[0], "height": 900})
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        picture(page, pictures / f"benchmarks-{kind}-{width}.png")
        assert too_wide(page) == [], width
        assert not is_too_wide(page), width


@pytest.mark.parametrize("kind", ["section", "board"])
def test_nothing_keeps_it_from_being_read(kind, places, opened):
    page = opened(places[kind], color_scheme="light")
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast") == []


def test_it_is_whole_without_scripts(places, opened):
    page = opened(places["section"], java_script_enabled=False)
    assert page.locator("figure[data-chart]:visible").count() == 0
    first = page.locator("table.retention").first
    assert first.is_visible()
    # The mean, two numbers of one benchmark and one of the other; dense, and a column a scorer.
    assert first.locator("tbody tr").count() == 4
    assert first.locator("tbody tr").first.locator("td").count() == 1 + len(MERITS)
    board = opened(places["board"], java_script_enabled=False)
    asked = "Does perplexity tell of mean accuracy over benchmarks?"
    assert board.get_by_role("heading", name=asked).is_visible()
    assert board.locator("figure[data-chart]:visible").count() == 0
    board.locator("details").last.locator("summary").click()
    assert board.locator("details").last.locator("tbody tr").count() == 2 * len(MERITS)


def test_no_text_of_a_small_drawing_is_cut_off_or_covers_another(places, opened):
    page = opened(places["section"])
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wrong = page.evaluate(_CUT_OR_COVERED)
        assert wrong == [], width


def looks(page: Page, figure: str) -> dict[str, str]:
    """Return the colour and the marker of every row of a legend."""
    return dict(
        page.eval_on_selector_all(
            f"{figure} .legend li:has(.key)",
            "all => all.map(one => [one.textContent.replace(' (1 seed)', '').split(',')[0],"
            " one.querySelector('.key').className])",
        )
    )


def test_a_scorer_has_one_look_of_its_own_in_all_drawings_of_a_page(places, opened):
    page = opened(places["board"])
    drawn, told = looks(page, "#curves"), looks(page, "figure[data-chart=scatter]")
    assert len(drawn) == len(set(drawn.values())) == len(MERITS)
    assert drawn == told


def test_a_click_on_the_legend_hides_a_row_and_shows_it_again(places, opened):
    page = opened(places["section"])
    figure = page.locator("figure[data-chart=curves]:not(:has(figure))").first
    marks = figure.locator("svg g[stroke-width='2']")
    before = marks.count()
    button = figure.locator(".legend button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert marks.count() == before - 1
    button.click()
    assert marks.count() == before


def test_its_links_lead_to_places(benchmarks):
    assert crawl(benchmarks).broken == []


_CUT_OR_COVERED = """() => {
  const wrong = [];
  for (const svg of document.querySelectorAll(".panels figure svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter(one => one.textContent);
    const boxes = texts.map(one => one.getBoundingClientRect());
    boxes.forEach((box, i) => {
      const inside = box.left >= frame.left - 1 && box.right <= frame.right + 1;
      if (!inside) wrong.push(texts[i].textContent);
      boxes.slice(i + 1).forEach((other, j) => {
        if (box.left < other.right && other.left < box.right
            && box.top + 3 < other.bottom && other.top + 3 < box.bottom)
          wrong.push(texts[i].textContent + " / " + texts[i + 1 + j].textContent);
      });
    });
  }
  return wrong;
}"""
