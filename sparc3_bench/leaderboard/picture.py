"""The chart of one result as a drawing of its own, in SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.chart import WIDE, draw
from sparc3_bench.leaderboard.tables import split
from sparc3_bench.leaderboard.templating import templates

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result


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
    return templates().get_template("picture.svg").render(chart=chart, title=first[0].title)
