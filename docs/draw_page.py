"""Draws `page.png`: a figure of the page of the committed results, as Debian's chromium shows it.

Run it as `python docs/draw_page.py` when results were added or the page looks otherwise. The
picture names the results that it was made of, so that a test can tell when it is stale.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

from sparc3_bench.leaderboard.site import publish

RESULTS = Path(__file__).resolve().parents[1] / "leaderboard/results"
PICTURE = Path(__file__).with_name("page.png")
TASK, PAGE, FIGURE = "compression", "boards/compression--smollm2-135m.html", "#curves"
WIDTH, HEIGHT = 1000, 700
"""Pixels of the window."""


def shown() -> str:
    """Return a digest of the results in the figure; their files are named by their keys."""
    names = sorted(path.name for path in (RESULTS / TASK).rglob("*.json"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def photographed() -> bytes:
    """Return the figure as a PNG."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        publish(RESULTS, Path(folder))
        program = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(Path(folder, PAGE).as_uri())
        page.wait_for_load_state("networkidle")
        return page.locator(FIGURE).screenshot()


def signed(picture: bytes, text: str) -> bytes:
    """Return a PNG with a text in it, behind its header."""
    chunk = b"tEXtresults\0" + text.encode()
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    header = 8 + 25
    return picture[:header] + whole + picture[header:]


if __name__ == "__main__":
    PICTURE.write_bytes(signed(photographed(), shown()))
