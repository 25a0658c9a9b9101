"""Reports of changed models: what was removed, what changed, how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from sparc3_bench.circuit.changed import ChangedModel
from sparc3_bench.circuit.describe import in_role_order
from sparc3_bench.circuit.drawing import curve
from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.comparison.control_verdict import record_verdict
from sparc3_bench.comparison.phrasing import (
    interval_text,
    markdown_table,
    metric_title,
    number,
    p_value,
    precise,
    units,
)
from sparc3_bench.record.files import write_result
from sparc3_bench.record.parts import Point, Versus
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.band import LEAST, one_more

_MOST_LISTED = 2000
"""More units than this are counted by layer and not named; the mask has them."""


def report_facts(changed: ChangedModel) -> dict[str, Any]:
    """Return what the texts about every changed model tell, by its name in their templates."""
    return {
        "result": changed.result,
        "spec": changed.result.spec,
        "point": changed.point,
        "dtype": changed.dtype,
        "draws": _draws(changed),
        "before_and_after": _before_and_after(changed),
        "removed": _removed(changed),
    }


def write_report(
    changed: ChangedModel, part: Path, template: str, metric: str, **more: Any
) -> dict[str, Any]:
    """Write the record, the report and a plot of a metric; return what the description says of it.

    The template is given `report_facts` and `more`.
    """
    write_result(part / "result.json", changed.result)
    (part / "plot.svg").write_text(curve(changed.result, metric), encoding="utf-8")
    text = markdown_text(template, **report_facts(changed), **more)
    (part / "report.md").write_text(text, encoding="utf-8")
    point = changed.point
    return {
        "dtype": changed.dtype,
        "amount": point.amount.model_dump(mode="json"),
        "measured": point.model_dump(mode="json", include={"metrics", "intervals", "control"}),
        "removed": changed.lost,
    }


def beside_random(result: Result, point: Point, name: str, versus: Versus, samples: str) -> str:
    """Return how a metric differs from that of random removals on its samples, in a sentence."""
    ends = (versus.low, versus.high)
    metric = next(one for one in result.metrics if one.name == name)
    drawn = point.control.get(name, ())
    ratio = metric.scale == "log"
    said = (
        f"{metric.title}, this {'over' if ratio else 'minus'} random, on the same {samples}: "
        f"{'×' if ratio else ''}{precise(versus.difference, ends)} [{precise(versus.low, ends)}, "
        f"{precise(versus.high, ends)}], {p_value(versus.p_value)}"
    )
    if len(drawn) >= LEAST:
        p_draw = one_more(point.metrics[name], drawn, metric.scale)
        said += f"; of being one more of them {p_value(p_draw)}"
    return f"{said}: {record_verdict(result, point, metric)}."


def _draws(changed: ChangedModel) -> int:
    return max((len(numbers) for numbers in changed.point.control.values()), default=0)


def _before_and_after(changed: ChangedModel) -> str:
    """Return the table of every metric before and after, and of random removals."""
    dense, point, drawn = changed.result.points[0], changed.point, _draws(changed)
    head = ["", "better", "before", "after"]
    if drawn:
        head.append(f"random {units(changed.result.spec)} ({drawn} draw{'s' * (drawn > 1)})")
    rows = []
    for metric in changed.result.metrics:
        both = (interval_text(*at.read(metric.name)) for at in (dense, point))
        row = [metric_title(metric), metric.direction, *both]
        if drawn:
            row.append(_range(point.control.get(metric.name, ())))
        rows.append(row)
    return markdown_table(head, rows)


def _removed(changed: ChangedModel) -> str:
    """Return the table of what is removed, by layer; of weights, also by role."""
    spec = changed.result.spec
    if changed.amount == 0:
        return "Nothing."
    if spec.unit == "weight":
        whole, weights = in_role_order(changed.made.whole), changed.size.kept
        gone = [[n - k for n, k in zip(whole[r], weights[r], strict=True)] for r in whole]
        by_layer = enumerate(zip(*gone, strict=True))
        rows = [[str(layer), *(f"{n:,}" for n in row)] for layer, row in by_layer if any(row)]
        return markdown_table(["layer", *whole], rows)
    lost = changed.lost
    listed = sum(map(len, lost.values())) <= _MOST_LISTED
    head = ["layer", f"{units(spec)} removed", *(["which"] if listed else [])]
    rows = [
        [layer, str(len(which)), *([", ".join(map(str, which))] if listed else [])]
        for layer, which in lost.items()
    ]
    rest = len(changed.circuit.kept) - len(lost)
    others = "The other layer loses none." if rest == 1 else f"The other {rest} layers lose none."
    return markdown_table(head, rows) + (f"\n\n{others}" if rest else "")


def _range(numbers: Sequence[float]) -> str:
    told = [number(f(numbers), 3) for f in (fmean, min, max)] if numbers else []
    return "{} ({} to {})".format(*told) if told else "–"
