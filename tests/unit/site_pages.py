"""The pages of a site as texts, without a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sparc3_bench.comparison.sections import Section
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.charts import curves, looks
from sparc3_bench.leaderboard.pages import pages
from sparc3_bench.record.result import Result

JSON = "application/json"
"""What a script is that is data and does nothing."""


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


def curves_of(section: Section) -> dict[str, Any]:
    """Return what is drawn of a section's first metric."""
    names = sorted({one.scorer.name for one in section.series})
    return curves(section, looks(names), section.metrics[:1])


def drawn(text: str, kind: str = "") -> list[dict[str, Any]]:
    """Return the data of the charts of a page, of all kinds or of one."""
    found = re.findall(
        r'data-chart="([^"]*)".*?<script type="application/json">(.*?)</script>', text, re.DOTALL
    )
    return [json.loads(data) for name, data in found if kind in ("", name)]
