"""The pages: complete, inert and reproducible."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from unit.results import make_control, make_result, save
from unit.site_pages import JSON, drawn, every_page, render

from sparc3_bench.leaderboard.site import publish
from sparc3_bench.record.parts import Phase
from sparc3_bench.record.result import Result

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}"

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """The elements of a page, its tables as rows of cells, and its nesting checked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[tuple[dict[str, str], str]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append((found, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and {"td", "th"} & set(self._open):
            attributes, text = self.rows[-1][-1]
            self.rows[-1][-1] = (attributes, text + data)

    def all(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.elements if attribute in found]

    def row(self, start: str) -> list[tuple[dict[str, str], str]]:
        """Return the cells of the one row that starts so, those of all tables of a section."""
        found = [row for row in self.rows if row[0][1].strip().startswith(start)]
        assert len({row[0][0].get("data-value") for row in found}) == 1
        return [found[0][0], *(cell for row in found for cell in row[1:])]


def pairs(*results: Result) -> list[tuple[Path, Result]]:
    return [(Path(result.spec.path), result) for result in results]


def several() -> list[Result]:
    return [
        make_result("wanda", (20.0, 44.25)),
        make_result("magnitude", (20.0, 95.0), objective=None),
        *(make_control(seed, (20.0, value)) for seed, value in enumerate((90.0, 100.0, 110.0))),
        make_result("lrp", group="model", warnings=("Two windows hold the same text.",)),
        make_result("gradient", status="failed", error="Ran out of memory in block 3."),
    ]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for result in several():
        save(folder, result)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_site_does_not_depend_on_the_order_of_the_results() -> None:
    found = pairs(*several())
    site = every_page(found)
    for seed in range(3):
        random.Random(seed).shuffle(found)
        assert every_page(found) == site


def test_the_site_does_not_depend_on_where_the_folders_are(results: Path, tmp_path: Path) -> None:
    publish(results, tmp_path / "one")
    publish(results, tmp_path / "deep" / "er" / "two")
    one, two = files(tmp_path / "one"), files(tmp_path / "deep" / "er" / "two")
    assert one == two
    assert not [name for name, content in one.items() if str(tmp_path).encode() in content]


def test_every_page_is_well_formed_and_every_link_leads_to_a_file(
    results: Path, tmp_path: Path
) -> None:
    awkward = results / "a b" / "100% #1?.json"
    awkward.parent.mkdir()
    awkward.write_text(make_result("wanda", seed=9).to_json())
    publish(results, tmp_path / "site")
    written = files(tmp_path / "site")
    names = [name for name in written if name.endswith(".html")]
    assert {"index.html", "compare.html", "failed.html", "literature.html"} <= set(names)
    pages = {name: Page(written[name].decode()) for name in names}
    for name, page in pages.items():
        ids = page.all("id")
        assert len(ids) == len(set(ids)), name
        named = [one for value in page.all("aria-labelledby") for one in value.split()]
        assert set(named) <= set(ids), name
        for link in [*page.all("href"), *page.all("src")]:
            if link.startswith(("https://", "data:")):
                continue
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path)))
            assert target in written if path else True, (name, link)
            if anchor and "=" not in anchor:
                assert anchor in pages[target if path else name].all("id"), (name, link)


def test_every_result_has_its_copy_its_samples_and_a_page(results: Path, tmp_path: Path) -> None:
    publish(results, tmp_path / "site")
    written = files(tmp_path / "site")
    for name, content in files(results).items():
        assert written[f"results/{name}"] == content
        if name.endswith(".samples.json.gz"):
            continue
        page = Page(written[f"results/{name.removesuffix('.json')}.html"].decode())
        downloads = [found["href"] for tag, found in page.elements if "download" in found]
        assert Path(name).name in [unquote(one) for one in downloads]
        assert json.loads(content)["key"] in written[f"results/{name[:-5]}.html"].decode()


def test_hostile_text_comes_out_inert() -> None:
    hostile = make_result(
        "lrp",
        title=HOSTILE,
        options={HOSTILE: HOSTILE, "nested": [HOSTILE]},
        objective=HOSTILE,
        model="m",
        label=HOSTILE,
        dtype=HOSTILE,
        processor=HOSTILE,
        warnings=(HOSTILE,),
    )
    other = make_result("lrp", title=HOSTILE, model="m", label=HOSTILE, dtype=HOSTILE)
    failed = make_result("wanda", status="failed", error=HOSTILE, warnings=(HOSTILE,))
    site = every_page([*pairs(hostile, other), (Path(f"{HOSTILE}.json"), failed)])
    assert "{{ 7*7 }}" in site["failed.html"]
    for name, text in site.items():
        assert "<script>alert" not in text or name.endswith((".json", ".csv", "/places.js")), name
        if name.endswith(".html"):
            page = Page(text)
            assert [found for tag, found in page.elements if tag == "img"] == [], name
            assert page.all("onerror") == []
            scripts = [found for tag, found in page.elements if tag == "script"]
            assert all(found.get("src") or found["type"] == JSON for found in scripts)
        if name.startswith("data/") and name.endswith(".js"):
            assert "<" not in text
            handed = text.removeprefix("sparc3.receive(").removesuffix(");\n")
            assert json.loads(handed)["sections"][0]["label"] == HOSTILE


def test_numbers_of_a_board_can_be_downloaded() -> None:
    site = every_page(pairs(*several()))
    (name,) = [one for one in site if one.endswith(".csv")]
    lines = list(csv.DictReader(io.StringIO(site[name])))
    (row,) = [
        one
        for one in lines
        if (one["scorer"], one["amount"], one["metric"]) == ("wanda", "0.5", "perplexity")
    ]
    assert float(row["value"]) == 44.25
    assert (row["unit"], row["group"], row["direction"]) == ("weight", "row", "lower")
    data = json.loads(site[name.replace(".csv", ".json")])
    assert site[name.replace(".csv", ".js")].startswith("sparc3.receive({")
    section = next(one for one in data["sections"] if one["group"] == "row")
    (own,) = [one for one in section["rows"] if one["scorer"] == "wanda"]
    assert own["points"][section["amounts"].index(0.5)][0][0] == 44.25


def test_a_cost_says_what_went_forward_what_came_back_and_what_the_model_did() -> None:
    phase = Phase(
        seconds=1, peak_bytes=2 * 10**9, tokens=4_096, backward_tokens=2_048, flops=1_234 * 10**9
    )
    known, old = (make_result(name, (1.0, 2.0)) for name in ("lrp", "wanda"))
    known = known.model_copy(update={"cost": {"attribution": phase}})
    site = every_page(pairs(known, old))
    (page,) = (text for name, text in site.items() if known.key in name and name.endswith("html"))
    row = page[page.index(">attribution</th>") :].partition("</tr>")[0]
    assert re.findall(r">([^<>]+)</td>", row) == ["1.000", "2.00", "4,096", "2,048", "1.23 T"]
    for kind in ("sections/", "boards/"):
        (text,) = (" ".join(one.split()) for n, one in site.items() if n.startswith(kind))
        assert "4,096 <small>2,048 back</small><small>1.23 TFLOP</small>" in text


def test_a_text_of_a_download_is_no_formula() -> None:
    made = make_result("lrp", title="=HYPERLINK(1)", label="@SUM(1)")
    site = every_page(pairs(made))
    (name,) = [one for one in site if one.endswith(".csv")]
    for line in csv.DictReader(io.StringIO(site[name])):
        assert line["title"] == "'=HYPERLINK(1)"
        assert line["label"] == "'@SUM(1)"


def test_half_a_surrogate_pair_can_be_written(tmp_path: Path) -> None:
    record = make_result(options={"text": "a\ud800b"}).model_dump()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "one.json").write_text(json.dumps(record))
    publish(tmp_path / "results", tmp_path / "site")
    (page,) = (tmp_path / "site" / "sections").iterdir()
    assert "a\\ud800b" in page.read_text(encoding="utf-8")


def test_conventions_make_sections_with_headings_in_words() -> None:
    text = render(pairs(*several()))
    page = Page(text)
    tables = [found for tag, found in page.elements if tag == "table" and "class" in found]
    assert len(tables) == 2 * 3
    assert "ranked within each output row" in text
    assert "ranked across the whole model" in text
    assert "16 windows × 128 tokens from a made-up text" in text


def test_rows_have_a_cell_a_column_with_raw_numbers_to_sort_by() -> None:
    page = Page(render(pairs(*several())))
    row = page.row("Wanda")
    columns = [
        (found["data-column"], found["data-kind"], text.replace("\N{NO-BREAK SPACE}", " "))
        for heading in page.rows
        for found, text in heading
        if "data-column" in found
    ]
    # Of every section three tables, each of which begins with the scorer.
    titles = ["Scorer", *(text for at, _, text in columns[: len(columns) // 2] if at != "0")]
    assert len(row) == len(titles) + 2
    assert {kind for at, kind, _ in columns if at == "0"} == {"text"}
    assert all(float(cell[0]["data-value"] or 0) >= 0 for cell in row[1:-2])
    assert row[titles.index("50 %")][0]["data-value"] == "44.25"
    assert row[titles.index("of the model")][0]["data-value"] == "0.4"
    scores, measuring = (at for at, title in enumerate(titles) if title == "peak GB")
    assert [row[scores + at][0]["data-value"] for at in (0, 1)] == ["2.0", "12.5"]
    assert [row[measuring + at][0]["data-value"] for at in (0, 1)] == ["1.0", "25.0"]
    headings = [found for tag, found in page.elements if tag == "th" and "aria-sort" in found]
    buttons = [found for tag, found in page.elements if tag == "button"]
    assert len(headings) == len(buttons) == len(columns)


def test_only_the_scorer_inside_the_band_is_marked() -> None:
    page = Page(render(pairs(*several())))
    names = {row[0][1].split()[0] for row in page.rows if "data-value" in row[0][0]}
    marked = {
        name: [i for i, cell in enumerate(page.row(name)) if "not better than" in cell[1]]
        for name in names
    }
    assert {name: cells for name, cells in marked.items() if cells} == {"Magnitude": [2]}
    assert "not better than random" in page.row("Magnitude")[2][1]


def test_a_control_shows_median_and_range() -> None:
    page = Page(render(pairs(*several())))
    cell = page.row("Random (3 seeds)")[2]
    assert cell[0]["data-value"] == "100.0"
    assert cell[1].split()[0] == "100.0"
    assert "90.0 to 110" in cell[1]


def test_the_chart_names_the_control_and_the_dense_model() -> None:
    text = render(pairs(*several()))
    (chart,) = drawn(text, "curves")[:1]
    assert "Random (3 seeds)" in [row["title"] for row in chart["rows"] if row["control"]]
    assert chart["metrics"][0]["dense"] == 20.0


def test_failures_warnings_and_surroundings_are_listed() -> None:
    text = "".join(every_page(pairs(*several())).values())
    assert "Ran out of memory in block 3." in text
    assert "Two windows hold the same text." in text
    assert "torch 2.6.0" in text
    assert "A processor" in text


def test_what_a_user_must_know_of_a_scorer_stands_on_every_page_of_a_site_that_has_it() -> None:
    said = "The authors of LRP state that it is patented technology"
    pages = {name: text for name, text in every_page(pairs(*several())).items() if "html" in name}
    assert [name for name, text in pages.items() if said not in text] == []
    without = every_page(pairs(make_result("wanda"), make_result("magnitude")))
    assert [name for name, text in without.items() if said in text] == []


def test_runs_of_different_states_of_the_suite_are_pointed_out() -> None:
    one, other = make_result("wanda"), make_result("lrp", suite_digest="8" * 16)
    note = "made with 2 different states of the suite's code"
    assert note in render(pairs(one, other)).replace("&#39;", "'")
    assert note not in render(pairs(one)).replace("&#39;", "'")


def test_runs_of_different_machines_are_pointed_out() -> None:
    one, other = make_result("wanda"), make_result("lrp", processor="Another")
    note = "on different machines (A processor, 2 threads; Another, 2 threads): seconds do not"
    assert note in render(pairs(one, other))
    assert "on different machines" not in render(pairs(one, make_result("lrp")))


def test_a_page_of_failures_only_can_be_made() -> None:
    site = every_page(pairs(make_result(status="failed", error="No memory.")))
    page = Page(site["failed.html"])
    assert "failed.html" in Page(site["index.html"]).all("href")
    assert "No memory." in page.row("Wanda")[6][1]


def test_publishing_needs_no_torch() -> None:
    code = (
        "import sys, sparc3_bench.leaderboard.site; "
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
