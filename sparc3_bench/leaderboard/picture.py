"""The chart of one result as a drawing of its own, in SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.chart import WIDE, draw
from sparc3_bench.leaderboard.tables import split
from sparc3_bench.leaderboard.templating import templates

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result

_LOOK = """\
.paper{{fill:{paper}}}.chart text{{fill:{muted}}}.chart .title,.chart .label{{fill:{ink}}}
.grid{{stroke:{rule}}}.axis{{stroke:{muted};fill:none}}.dense{{stroke:{ink};fill:none}}
.line{{stroke:{own};stroke-width:2;fill:none}}.whisker,.leader{{stroke:{own};fill:none}}
.marker{{fill:{own}}}.band{{fill:{grey};opacity:.25}}.median{{stroke:{grey};fill:none}}
"""
"""The part of the page's style sheet that the chart of one series needs, without variables."""

_DAY = _LOOK.format(
    paper="#ffffff", ink="#1b1d22", muted="#5c626d", rule="#d9dce2", own="#0067a8", grey="#6f7681"
)

_NIGHT = _LOOK.format(
    paper="#15171b", ink="#e7e9ed", muted="#a2a9b4", rule="#353a43", own="#62b5ee", grey="#8f97a3"
)


def picture(result: Result, metric: str) -> str:
    """Return the chart of a metric over the amounts, with intervals and random controls.

    Parameters
    ----------
    result
        A finished run.
    metric
        Name of one of its metrics.
    """
    # A section draws its first metric.
    first = tuple(sorted(result.metrics, key=lambda one: one.name != metric))
    own = result.model_copy(update={"metrics": first, "curve": {}, "curve_metrics": ()})
    (section,), _ = split([(Path(result.spec.path), own)])
    chart = draw(section, [result.spec.scorer.name], WIDE)
    parts = templates().get_template("parts.html").module
    drawing = str(parts.drawing(chart, "chart", first[0].title)).strip()  # type: ignore[attr-defined]
    opening, _, rest = drawing.partition(">")
    style = f"<style>\n{_DAY}@media(prefers-color-scheme:dark){{\n{_NIGHT}}}\n</style>\n"
    box = f'width="{WIDE.width}" height="{WIDE.height}"'
    opening += f' xmlns="http://www.w3.org/2000/svg" {box} font-family="system-ui, sans-serif"'
    opening += ' font-size="13"'
    return f'{opening}>\n{style}<rect class="paper" {box} fill="#fff"/>{rest}\n'
