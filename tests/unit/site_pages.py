"""The pages of a site as texts, without a folder."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.pages import pages
from sparc3_bench.record.result import Result


def every_page(results: list[tuple[Path, Result]]) -> dict[str, str]:
    return dict(pages(results, default_host()))


def render(results: list[tuple[Path, Result]]) -> str:
    """Return what stands between the frames of the pages of all sections, one after the other."""
    made = every_page(results)
    inner = [
        text.partition('<main id="content" tabindex="-1">')[2].partition("</main>")[0]
        for name, text in made.items()
        if name.startswith("sections/")
    ]
    assert all(inner)
    return "".join(inner)
