"""Drawing: the pictures that are files, a curve and a heat map, by matplotlib."""

from __future__ import annotations

import html
import io
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison.phrasing import metric_title, number
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.printable import printable
from sparc3_bench.record.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _GREY = "#0067a8", "#6f7681"
_DARK = "@media (prefers-color-scheme:dark){svg{filter:invert(1) hue-rotate(180deg)}}"
_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "sparc3",  # the same picture twice is the same file
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def curve(result: Result, metric: str) -> str:
    """Return a metric of a finished run over its amounts as SVG.

    With 95 % intervals, the dense model, and the range and median of random controls.
    """
    (section,), _ = split([(Path(result.spec.path), result)])
    (one,), sizes = section.series, section.sizes
    how = next(each for each in result.metrics if each.name == metric)
    points = [
        (sizes.place(at), value) for at in section.amounts if (value := one.value(at, metric))
    ]
    dense = one.value(0.0, section.metrics[0].name)
    drawn = [
        (sizes.place(at), numbers)
        for at in section.amounts
        if one.is_comparable(metric) and (numbers := one.drawn(at, metric))
    ]

    def draw(axes: Axes) -> None:
        at = [place for place, _ in points]
        centres = [value.centre for _, value in points]
        if sizes.is_broken:
            axes.set_xscale("symlog", linthresh=min(place for place in at if place > 0))
        if min(centres) > 0 and max(centres) > 10 * min(centres):
            axes.set_yscale("log")
        if drawn:
            places, numbers = zip(*drawn, strict=True)
            low, high = list(map(min, numbers)), list(map(max, numbers))
            axes.fill_between(places, low, high, color=_GREY, alpha=0.25, lw=0, gid="random")
            middle = list(map(statistics.median, numbers))
            label = f"Matched random ({max(map(len, numbers))})"
            axes.plot(places, middle, color=_GREY, lw=1, label=label)
        if dense is not None and metric == section.metrics[0].name:
            label = f"dense model: {number(dense.centre)}"
            axes.axhline(dense.centre, color="black", lw=0.8, alpha=0.7, label=label)
        axes.plot(
            at, centres, color=_BLUE, marker="o", ms=4, label=printable(one.label), gid="curve"
        )
        for place, value in points:
            if value.interval is not None:
                axes.vlines(place, *value.interval, color=_BLUE, lw=1, alpha=0.7)
        axes.set_xticks(at, [sizes.text(amount) for amount in section.amounts[: len(at)]])
        axes.minorticks_off()
        axes.set_xlabel(sizes.axis)
        axes.set_ylabel(printable(f"{metric_title(how)}, {how.direction} is better"))
        axes.legend(frameon=False)

    said = ", ".join(
        f"{number(value.centre)} at {sizes.text(at)}"
        for at in (section.amounts[0], section.amounts[-1])
        if (value := one.value(at, metric))
    )
    return _drawn(draw, f"{how.title} over {sizes.over}", f"{one.label}: {said}.", (7.5, 4.2))


def heatmap(
    matrix: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    legend: str,
    *,
    row_title: str = "",
    column_title: str = "",
    top: float | None = None,
    ticks: Sequence[tuple[float, str]] = (),
    form: Callable[[float], str] = number,
) -> str:
    """Return a matrix as SVG: the darker a cell, the larger its number; None is crossed out.

    Numbers are 0 or above, and `top` is the one drawn darkest, else the largest. The legend has the
    `ticks`, each with its text, else five from 0 to `top`, written by `form`.
    """
    rows, columns = list(map(printable, rows)), list(map(printable, columns))
    found = [value for row in matrix for value in row if value is not None]
    largest = (max(found, default=0.0) if top is None else top) or 1.0
    shown = [[0.0 if value is None else value for value in row] for row in matrix]
    said = ticks or [(largest * i / 4, form(largest * i / 4)) for i in range(5)]

    def draw(axes: Axes) -> None:
        image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=largest, aspect="auto")
        missing = [(x, y) for y, row in enumerate(matrix) for x, v in enumerate(row) if v is None]
        for x, y in missing:
            axes.text(x, y, "×", ha="center", va="center", color=_GREY)
        axes.set_xticks(
            range(len(columns)), columns, rotation=35, ha="left", rotation_mode="anchor"
        )
        axes.set_yticks(range(len(rows)), rows)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel(printable(column_title))
        axes.set_ylabel(printable(row_title))
        bar = axes.figure.colorbar(image, ax=axes, label=printable(legend))
        bar.set_ticks([value for value, _ in said], labels=[printable(text) for _, text in said])

    size = (3 + 0.3 * max(6, len(columns)), 1.6 + 0.2 * len(rows))
    span = f", from {form(min(found))} to {form(max(found))}" if found else ", no values"
    told = f"{len(rows)} rows and {len(columns)} columns{span}."
    return _drawn(draw, title, told, size, shown=True)


def _drawn(
    draw: Callable[[Axes], None],
    title: str,
    described: str,
    size: tuple[float, float],
    *,
    shown: bool = False,
) -> str:
    """Return a figure as SVG, its title seen or for those alone who cannot see it."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise Sparc3Error(
            "Pictures are drawn by matplotlib, which is not installed: "
            "`pip install 'sparc3-bench[run]'`."
        ) from None
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure: Any = Figure(figsize=size)
        axes = figure.subplots()
        draw(axes)
        if shown:
            figure.suptitle(printable(title))
        named = {"Title": printable(title), "Date": None, "Creator": None}
        figure.savefig(out, format="svg", metadata=named, bbox_inches="tight")
    more = f"</title>\n <desc>{html.escape(printable(described))}</desc>\n <style>{_DARK}</style>"
    return out.getvalue().replace("</title>", more, 1)
