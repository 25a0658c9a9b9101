"""The heat map: right shades, inert text, a valid file of its own."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from sparc3_bench.leaderboard.heatmap import heatmap

SPACE = "{http://www.w3.org/2000/svg}"

HOSTILE = "</title><script>alert('x')</script>\"><img src=x onerror=alert(1)>\x00\ud800"


def drawn(matrix: Any, **changes: Any) -> ElementTree.Element:
    rows = [f"r{i}" for i in range(len(matrix))]
    columns = [f"c{j}" for j in range(len(matrix[0]) if matrix else 0)]
    made = {"row_labels": rows, "column_labels": columns, "title": "A map", "legend": "share"}
    return ElementTree.fromstring(heatmap(matrix, **{**made, "standalone": True, **changes}))


def cells(root: ElementTree.Element) -> list[tuple[str, float]]:
    """Return the words and the shade of every cell; the swatches of the legend have no words."""
    return [
        (title.text or "", float(path.get("fill-opacity", "")))
        for path in root.iter(f"{SPACE}path")
        if (title := path.find(f"{SPACE}title")) is not None
    ]


def words(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SPACE}text")]


def test_every_number_has_a_cell_shaded_by_its_share_of_the_largest() -> None:
    assert cells(drawn([[0.0, 1.0], [2.0, 4.0]])) == [
        ("r0, c0: 0", 0.0),
        ("r0, c1: 1.000", 0.25),
        ("r1, c0: 2.000", 0.5),
        ("r1, c1: 4.000", 1.0),
    ]


def test_the_darkest_shade_can_be_set_and_is_never_exceeded() -> None:
    assert [shade for _, shade in cells(drawn([[0.1, 0.5, 3.0]], top=1.0))] == [0.1, 0.5, 1.0]
    assert [shade for _, shade in cells(drawn([[0.0, 0.0]]))] == [0.0, 0.0]


def test_a_missing_number_is_crossed_out() -> None:
    root = drawn([[None, 1.0]])
    assert cells(root) == [("r0, c0: no value", 0.0), ("r0, c1: 1.000", 1.0)]
    paths = [path.get("d", "") for path in root.iter(f"{SPACE}path") if len(path)]
    assert ["l" in path for path in paths] == [True, False]


def test_titles_labels_and_legend_are_written() -> None:
    root = drawn(
        [[0.25, 0.5]],
        row_title="block",
        column_title="head",
        ticks=[(0.0, "none"), (0.5, "half")],
        texts=[["a quarter", "a half"]],
    )
    assert [text for text, _ in cells(root)] == [
        "block r0, head c0: a quarter",
        "block r0, head c1: a half",
    ]
    assert words(root) == ["A map", "head", "block", "c0", "c1", "r0", "share", "none", "half"]
    assert "0.2500 to 0.5000; the largest in row r0, column c1" in "".join(root.itertext())
    assert root.get("aria-labelledby") == "heatmap-title heatmap-desc"
    assert {one.get("id") for one in root.iter()} >= {"heatmap-title", "heatmap-desc"}


def test_hostile_text_comes_out_inert() -> None:
    text = heatmap(
        [[1.0]],
        [HOSTILE],
        [HOSTILE],
        HOSTILE,
        HOSTILE,
        description=HOSTILE,
        row_title=HOSTILE,
        column_title=HOSTILE,
        ticks=[(1.0, HOSTILE)],
        texts=[[HOSTILE]],
        name=HOSTILE,
        standalone=True,
    )
    root = ElementTree.fromstring(text)
    assert not {one.tag for one in root.iter()} & {f"{SPACE}script", f"{SPACE}img"}
    assert all("onerror" not in one.attrib for one in root.iter())
    assert "<script" not in text
    text.encode()


def test_on_a_page_it_has_no_namespace_style_or_visible_title() -> None:
    text = heatmap([[1.0]], ["r"], ["c"], "A map", "share", name="m-1")
    assert "xmlns" not in text
    assert "<style" not in text
    assert '<title id="m-1-title">A map</title>' in text
    assert ">A map</text>" not in text


def test_a_file_of_its_own_has_colours_for_light_and_dark_and_needs_nothing_else() -> None:
    text = heatmap([[1.0]], ["r"], ["c"], "A map", "share", standalone=True)
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "prefers-color-scheme:dark" in text
    assert "href" not in text
    assert text == heatmap([[1.0]], ["r"], ["c"], "A map", "share", standalone=True)


@pytest.mark.parametrize("matrix", [[], [[], []], [[None]]])
def test_nothing_can_be_drawn(matrix: Any) -> None:
    assert "No values." in "".join(drawn(matrix).itertext())


def test_everything_lies_inside_the_drawing() -> None:
    root = drawn(
        [[1.0] * 9] * 3,
        column_labels=["a rather long label of a column"] * 9,
        ticks=[(i / 9, f"{i} of nine") for i in range(10)],
    )
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for text in root.iter(f"{SPACE}text"):
        if text.get("x"):
            assert 0 <= float(text.get("x", "")) < width
            assert 0 <= float(text.get("y", "")) < height


def test_labels_must_fit_the_matrix() -> None:
    with pytest.raises(ValueError, match="`matrix` must have 1 rows of 2 numbers"):
        heatmap([[1.0]], ["r"], ["c", "d"], "", "")
    with pytest.raises(ValueError, match="`matrix` must have 2 rows"):
        heatmap([[1.0]], ["r", "s"], ["c"], "", "")
    with pytest.raises(ValueError, match="`texts` must have the shape"):
        heatmap([[1.0]], ["r"], ["c"], "", "", texts=[["a", "b"]])
