"""What pages are of use for: search, badges, and heads by name."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from playwright.sync_api import expect


def test_search_finds_scorers_tasks_models_and_conventions(visit):
    page = visit("compare.html", viewport={"width": 1280, "height": 900})
    field, found = page.locator("#search input"), page.locator("#search li a")
    for words, first in (
        ("wanda", "Wanda (wanda)"),
        ("compress instruct", "Compression, smollm2-135m, Instruct, 4-bit, de-quantised"),
        ("heads highest", "IOI circuit, smollm2-135m: Heads by model, highest removed"),
    ):
        field.fill(words)
        expect(found.first).to_have_text(first)
    field.fill("no such thing")
    expect(page.locator("#search [role=status]")).to_have_text("0 found.")
    field.fill("wanda")
    expect(found.first).to_be_visible()
    field.press("Enter")
    page.wait_for_url("**/scorers/wanda.html")


def test_heads_are_told_by_name_and_asked_by_a_click(site, visit):
    (path,) = [p for p in site.glob("sections/*.html") if 'id="heads"' in p.read_text()]
    page = visit(path.relative_to(site).as_posix(), viewport={"width": 1280, "height": 900})
    figure = page.locator("figure#heads")
    data = json.loads(figure.locator("script").text_content())
    for size in range(1, len(data["circuits"])):
        figure.locator("[name=size]").select_option(str(size))
        first, second = (
            {
                f"L{b}H{h}"
                for b, row in enumerate(one["levels"])
                for h, at in enumerate(row)
                if at >= size
            }
            for one in data["rows"][:2]
        )
        told = [
            set(re.findall(r"L\d+H\d+", text)) for text in figure.locator("dd").all_inner_texts()
        ]
        assert told == [first & second, first - second, second - first]
        assert f"{len(first & second)} in both" in figure.locator("figcaption").inner_text()
    figure.locator("svg").scroll_into_view_if_needed()
    box = figure.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = figure.locator("[role=status]").inner_text()
    block, head = map(int, re.match(r"L(\d+)H(\d+), head", told).groups())
    for one in data["rows"]:
        assert f": {data['circuits'][one['levels'][block][head]]}" in told


def test_a_badge_says_the_rank_of_its_table(site):
    badges = sorted(site.glob("badges/*.svg"))
    assert badges
    for path in badges[::10]:
        told = ElementTree.fromstring(path.read_text()).get("aria-label")
        section, _, scorer = path.stem.partition("--")
        table = (site / "sections" / f"{section}.html").read_text()
        row = re.search(rf"<code>{scorer}</code>.*?rank <b>([^<]+)</b>", table)
        assert f"rank {row[1]} of " in told
