"""Shards: the numbers of one board as data, for its page's script and for download."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from sparc3_bench.leaderboard.charts import curves, ends_of, rounded, value_of
from sparc3_bench.types.conventions import CONVENTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparc3_bench.leaderboard.boards import Board
    from sparc3_bench.leaderboard.charts import Look
    from sparc3_bench.leaderboard.entries import Entry
    from sparc3_bench.leaderboard.headtohead import Meeting
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.values import Value
    from sparc3_bench.record.parts import MetricRecord

_COLUMNS = (
    *("task", "task_version", "model", "dtype", "label", *CONVENTIONS, "judge", "section"),
    *("scorer", "title", "control", "objective", "settings", "rank", "seeds"),
    *("amount", "in_scope", "in_model", "metric", "direction", "metric_unit"),
    *("value", "low", "high", "seeds_low", "seeds_high", "note"),
    *("controls", "control_low", "control_median", "control_high"),
    *("attribution_seconds", "evaluation_seconds", "peak_bytes", "results"),
)


def shard(board: Board, look: Look) -> dict[str, Any]:
    """Return the numbers of a board, and the look of every row.

    Numbers have six significant digits; a value is ``[centre, low, high]``, its ends null where no
    interval is known.
    """
    spec = board.spec
    return {
        "id": board.id,
        "task": spec.task.name,
        "title": board.title,
        "version": spec.task.task_version,
        "model": board.model,
        "sections": [
            {**_section(entry, look), "leads": any(entry is one for one in board.leading)}
            for entry in board.entries
        ],
    }


def script(data: dict[str, Any]) -> str:
    """Return a script that hands the numbers to the page; a page of a file may load no JSON."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return f"sparc3.receive({text.replace('<', chr(92) + 'u003c')});\n"


def csv_table(board: Board) -> str:
    """Return the numbers as CSV, a line for every row, amount and metric.

    Those of a whole curve, or of the scores themselves, have no amount.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({n: _inert(v) for n, v in line.items()} for line in _lines(board))
    return out.getvalue()


def _section(entry: Entry, look: Look) -> dict[str, Any]:
    section, spec = entry.section, entry.spec
    drawn = curves(entry, look, section.metrics)
    rows = zip(section.series, drawn["rows"], strict=True)
    return {
        **drawn,
        "id": section.id,
        "href": entry.href,
        "words": entry.words,
        "dtype": spec.model.dtype,
        "label": spec.model.label,
        **spec.conventions(),
        "judge": spec.judge.name if spec.judge else "",
        "focus": section.order,
        "opens": entry.opens,
        "machine": section.machine,
        "ordered": {"metric": entry.metric.title, "where": entry.where},
        "chosen": section.order_chosen is not None,
        "resolvable": entry.tests.ranks.resolvable if entry.tests.ranks else None,
        "rows": [{**row, **_row(entry, place, one)} for place, (one, row) in enumerate(rows)],
        "pairs": [
            [*pair, [[section.amounts.index(one.amount), *_told(one)] for one in found]]
            for pair, found in entry.tests.meetings.items()
        ],
    }


def _told(one: Meeting) -> list[float | None]:
    told = one.difference
    return rounded(told.value, told.low, told.high, told.p_value, one.p_adjusted)


def _row(entry: Entry, place: int, one: Series) -> dict[str, Any]:
    return {
        "machine": machines[0] if len(machines := one.machines) == 1 else None,
        "aggregation": str(one.scorer.options.get("aggregation", "")),
        "objective": one.runs[0].result.spec.objective or "",
        "rank": entry.rank(place),
        "verdict": entry.verdict(one),
        "whole": {
            name: [*(value_of(value) or ()), value.note] for name, value in one.whole.curve.items()
        },
        "cost": [
            rounded(value.centre)[0] if value else None
            for value in (one.attribution, one.evaluation, one.peak_bytes)
        ],
        "results": [[run.result.key, run.page] for run in one.runs],
    }


def _lines(board: Board) -> Iterator[dict[str, Any]]:
    for entry in board.entries:
        section, spec = entry.section, entry.spec
        shared = {
            "task": spec.task.name,
            "task_version": spec.task.task_version,
            "model": board.model,
            "dtype": spec.model.dtype,
            "label": spec.model.label,
            **spec.conventions(),
            "judge": spec.judge.name if spec.judge else "",
            "section": section.id,
        }
        for place, one in enumerate(section.series):
            row = {
                **shared,
                "scorer": one.scorer.name,
                "title": one.scorer.title,
                "control": one.is_control,
                "objective": one.runs[0].result.spec.objective or "",
                "settings": "; ".join(f"{name}={value}" for name, value in one.settings),
                "rank": entry.rank(place),
                "seeds": len({run.result.spec.seed for run in one.runs}),
                "attribution_seconds": one.attribution and one.attribution.centre,
                "evaluation_seconds": one.evaluation and one.evaluation.centre,
                "peak_bytes": one.peak_bytes and one.peak_bytes.centre,
                "results": " ".join(run.result.key for run in one.runs),
            }
            for amount in section.amounts:
                scope, model = one.achieved.get(amount, (None, None))
                for metric in section.metrics:
                    value = one.value(amount, metric.name)
                    if value is None:
                        continue
                    yield {
                        **row,
                        "amount": amount,
                        "in_scope": scope and scope.centre,
                        "in_model": model and model.centre,
                        **_numbers(metric, value, one.beside(amount, metric.name)),
                    }
            for metric in one.whole.metrics:
                if value := one.whole.curve.get(metric.name):
                    drawn = one.whole.controls.get(metric.name, ())
                    yield {**row, **_numbers(metric, value, drawn)}


def _numbers(metric: MetricRecord, value: Value, drawn: tuple[float, ...]) -> dict[str, Any]:
    low, median, high = ends_of(drawn) or (None, None, None)
    return {
        "metric": metric.name,
        "direction": metric.direction,
        "metric_unit": metric.unit,
        "value": value.centre,
        "low": value.interval and value.interval[0],
        "high": value.interval and value.interval[1],
        "seeds_low": value.low,
        "seeds_high": value.high,
        "note": value.note,
        "controls": len(drawn),
        "control_low": low,
        "control_median": median,
        "control_high": high,
    }


def _inert(value: Any) -> Any:
    """Return a text that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value
