"""The pictures that are files: text stays text, and nothing of a stranger runs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from unit.results import make_result

from sparc3_bench.circuit.drawing import curve, heatmap

SPACE = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert('x')</script>\"><img src=x onerror=alert(1)>$x^2\x00\ud800"


def words(drawing: str) -> set[str]:
    root = ElementTree.fromstring(drawing)
    return {"".join(text.itertext()).strip() for text in root.iter(f"{SPACE}text")}


def test_a_heat_map_names_its_rows_columns_and_numbers() -> None:
    drawing = heatmap(
        [[0.25, None], [0.5, 1.0]], ["r0", "r1"], ["c0", "c1"], "A map", "share", row_title="block"
    )
    assert {"r0", "r1", "c0", "c1", "A map", "share", "block", "×", "0.5000"} <= words(drawing)
    assert "2 rows and 2 columns, from 0.2500 to 1.000." in drawing
    assert "prefers-color-scheme:dark" in drawing
    assert drawing == heatmap(
        [[0.25, None], [0.5, 1.0]], ["r0", "r1"], ["c0", "c1"], "A map", "share", row_title="block"
    )


@pytest.mark.parametrize("matrix", [[[None]], [[0.0]]])
def test_nothing_can_be_drawn(matrix: list[list[float | None]]) -> None:
    assert "r" in words(heatmap(matrix, ["r"], ["c"], "t", "l"))


def test_a_curve_has_its_amounts_its_random_controls_and_the_dense_model() -> None:
    control = {"perplexity": [[20.0, 20.0], [90.0, 80.0]]}
    made = make_result("wanda", (20.0, 44.0), control=control)
    drawing = curve(made, "perplexity")
    root = ElementTree.fromstring(drawing)
    assert {"Wanda", "dense model: 20.00", "Matched random (2)"} <= words(drawing)
    assert {"random", "curve"} <= {one.get("id") for one in root.iter()}
    assert next(root.iter(f"{SPACE}title")).text == "Perplexity over sparsity"
    without = curve(make_result("wanda", (20.0, 44.0)), "perplexity")
    assert 'id="random"' not in without


def test_hostile_text_comes_out_inert() -> None:
    made = heatmap([[1.0]], [HOSTILE], [HOSTILE], HOSTILE, HOSTILE, row_title=HOSTILE)
    strange = make_result("wanda", title=HOSTILE.partition("\x00")[0])
    for drawing in (made, curve(strange, "perplexity")):
        root = ElementTree.fromstring(drawing)
        assert not {one.tag for one in root.iter()} & {f"{SPACE}script", f"{SPACE}img"}
        assert "<script" not in drawing
        drawing.encode()
