"""Shards: the numbers of one board as data, for its page's script and for download."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import Series, seeds
from sparc3_bench.leaderboard.boards import Board
from sparc3_bench.leaderboard.charts import Look, curves, ends_of, rounded, value_of

_DRAWN = ("control_low", "control_median", "control_high")


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
            {**_section(one, look), "leads": one in board.leading} for one in board.sections
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
    out, lines = io.StringIO(), [*_lines(board)]
    writer = csv.DictWriter(out, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({n: _inert(v) for n, v in line.items()} for line in lines)
    return out.getvalue()


def _section(section: Section, look: Look) -> dict[str, Any]:
    drawn, ranks = curves(section, look, section.metrics), section.tests.ranks
    return {
        **drawn,
        **_conventions(section),
        "id": section.id,
        "href": section.href,
        "words": section.words,
        "focus": section.order,
        "opens": section.opens,
        "machine": section.machine,
        "ordered": {"metric": section.metric.title, "where": section.where},
        "chosen": section.order_chosen is not None,
        "resolvable": ranks.resolvable if ranks else None,
        "rows": [
            {**row, **_row(section, one)}
            for one, row in zip(section.series, drawn["rows"], strict=True)
        ],
        "pairs": [
            [*pair, [[section.amounts.index(one.amount), *rounded(*one.told)] for one in found]]
            for pair, found in section.tests.meetings.items()
        ],
    }


def _conventions(section: Section) -> dict[str, Any]:
    spec = section.spec
    judge = spec.judge.name if spec.judge else ""
    model = {"dtype": spec.model.dtype, "label": spec.model.label}
    return {**model, **spec.conventions(), "judge": judge}


def _row(section: Section, one: Series) -> dict[str, Any]:
    return {
        "machine": machines[0] if len(machines := one.machines) == 1 else None,
        "aggregation": str(one.scorer.options.get("aggregation", "")),
        "objective": one.runs[0].result.spec.objective or "",
        "rank": section.rank(one),
        "verdict": section.verdict(one),
        "whole": {
            name: [*(value_of(value) or ()), value.note]
            for (amount, name), value in one.numbers.items()
            if amount is None
        },
        "cost": [
            rounded(value.centre)[0] if value else None
            for value in (
                *(one.cost(), one.cost("evaluation"), one.peak_bytes),
                *(one.cost(unit=unit) for unit in ("tokens", "peak_bytes", "flops")),
            )
        ],
        "results": [[run.result.key, run.page] for run in one.runs],
    }


def _lines(board: Board) -> Iterator[dict[str, Any]]:
    for section in board.sections:
        for one in section.series:
            yield from _numbers(board, section, one)


def _numbers(board: Board, section: Section, one: Series) -> Iterator[dict[str, Any]]:
    task = section.spec.task
    row = {
        **{"task": task.name, "task_version": task.task_version, "model": board.model},
        **_conventions(section),
        "section": section.id,
        "scorer": one.scorer.name,
        "title": one.scorer.title,
        "control": one.is_control,
        "objective": one.runs[0].result.spec.objective or "",
        "settings": "; ".join(f"{name}={value}" for name, value in one.settings),
        "rank": section.rank(one),
        "seeds": len(seeds(one.runs)),
    }
    spent = {
        f"{phase}_{unit}": one.cost(phase, unit)
        for phase in ("attribution", "evaluation")
        for unit in ("seconds", "tokens", "backward_tokens", "flops", "peak_bytes")
    } | {"peak_bytes": one.peak_bytes}
    costs = {name: value and value.centre for name, value in spent.items()}
    keys = " ".join(run.result.key for run in one.runs)
    places = [(amount, metric) for amount in section.amounts for metric in section.metrics]
    for amount, metric in [*places, *((None, metric) for metric in one.curve_metrics)]:
        if (value := one.value(amount, metric.name)) is None:
            continue
        drawn = value.controls if amount is None else one.beside(amount, metric.name)
        low, high = value.interval or (None, None)
        scope, model = (None, None) if amount is None else one.achieved[amount]
        yield {
            **row,
            **{"amount": amount, "in_scope": scope and scope.centre},
            **{"in_model": model and model.centre, "metric": metric.name},
            **{"direction": metric.direction, "metric_unit": metric.unit},
            **{"value": value.centre, "low": low, "high": high},
            **{"seeds_low": value.low, "seeds_high": value.high},
            **{"note": value.note, "controls": len(drawn)},
            **dict(zip(_DRAWN, ends_of(drawn) or (None,) * 3, strict=True)),
            **{**costs, "results": keys},
        }


def _inert(value: Any) -> Any:
    """Return a text that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value
