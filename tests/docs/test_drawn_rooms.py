"""The pictures of the documents are what the code and the results make them."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_picture_of_the_rooms_is_that_of_the_code():
    drawing = runpy.run_path(str(DOCS / "draw_rooms.py"))
    said = "draw it again with `python docs/draw_rooms.py`"
    assert drawing["draw"]() == (DOCS / "data-flow.svg").read_text(), said
    shown = {name.removeprefix("sparc3_bench.") for row in drawing["rooms"]() for name in row}
    core = DOCS.parent / "sparc3_bench"
    files = {file.relative_to(core).parts[0] for file in core.rglob("*.py")} - {"__init__.py"}
    assert {name.removesuffix(".py") for name in files} <= shown


def test_the_picture_of_the_page_is_of_the_committed_results():
    drawing, picture = runpy.run_path(str(DOCS / "draw_page.py")), (DOCS / "page.png").read_bytes()
    said = "draw it again with `python docs/draw_page.py`"
    assert drawing["shown"]().encode() in picture[:200], said
    assert len(picture) < 150_000
    alone = picture[:33] + picture[33 + 12 + len("results\0") + 64 :]
    assert drawing["signed"](alone, drawing["shown"]()) == picture
