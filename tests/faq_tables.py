"""Tables in docs/faq.md, made of committed results and of published numbers; run it to renew them.

No scorer is named: each table has whatever was measured under all that it compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from circuit_tables import at, with_interval
from tables import renewed, results_below, table

from sparc3_bench.contracts import AGGREGATIONS, option_fields
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.leaderboard.tables import split
from sparc3_bench.leaderboard.words import number
from sparc3_bench.record.result import Result

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/faq.md"

HALF = 0.5
GROUPS = ("row", "layer", "model")
SIZES = (0.0, 0.2, 0.4, 0.5, 0.6)


@cache
def found(task: str, dtype: str = "bfloat16") -> list[tuple[Path, Result]]:
    """Return the committed results of a task on the default model, measured as by default."""
    cls = default_host().get("task", task).cls
    every = results_below(ROOT / "leaderboard/results" / task)
    return [
        (Path(task) / path, one)
        for path, one in every
        if one.status == "ok"
        and (one.spec.model.id, one.spec.model.dtype) == ("smollm2-135m", dtype)
        and {*changed(cls, one.spec.task.options)} <= cls.steering
    ]


def changed(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not as they are by default."""
    defaults = {field.name: field.default for field in option_fields(cls)}
    return {name: value for name, value in options.items() if defaults.get(name) != value}


def label(one: Result) -> str:
    """Return a scorer with what sets it apart, but for its aggregation."""
    scorer = one.spec.scorer
    options = changed(default_host().get("scorer", scorer.name).cls, scorer.options)
    told = [f"`{name}={value}`" for name, value in options.items() if name != "aggregation"]
    return ", ".join([scorer.title, *told])


def runs(task: str, dtype: str = "bfloat16", **conventions: object) -> list[Result]:
    """Return those of scorers that are no controls, under these conventions."""
    return [
        one
        for _, one in found(task, dtype)
        if not one.is_control
        and one.spec.seed == 0
        and all(getattr(one.spec, name) == value for name, value in conventions.items())
    ]


def compared(
    results: Iterable[Result],
    by: Callable[[Result], str],
    columns: Sequence[str],
    cell: Callable[[Result], str],
) -> str:
    """Return a table of what was measured under every column, the same scorer in a row."""
    rows: dict[str, dict[str, Result]] = {}
    for one in results:
        row = rows.setdefault(label(one), {})
        assert by(one) not in row, f"{label(one)}, {by(one)}: measured twice; compare what is alike"
        row[by(one)] = one
    whole = {title: row for title, row in sorted(rows.items()) if {*columns} <= {*row}}
    lines = [(title, *(cell(row[name]) for name in columns)) for title, row in whole.items()]
    return table(("scorer", *(f"`{name}`" for name in columns)), lines)


def perplexity(result: Result, amount: float = HALF) -> str:
    return number(at(result, amount).metrics["perplexity"])


def half(result: Result) -> str:
    return with_interval(at(result, HALF))


def percent(fraction: float, digits: int = 0) -> str:
    return f"{100 * fraction:.{digits}f} %"


def groups() -> str:
    """Return perplexity with half of the weights removed, by comparison group."""
    here = [one for one in runs("compression", schedule="one-shot") if one.spec.unit == "weight"]
    defaults = [one for one in here if _aggregation(one) in {"", "token-rms"}]
    return compared(defaults, lambda one: one.spec.group, GROUPS, perplexity)


def short() -> list[Result]:
    """Return what was measured on IOI with half of the weights by row alone."""
    here = runs("ioi-circuit", unit="weight", group="row", removal="lowest")
    return [one for one in here if one.spec.amounts == (0.0, HALF, 1.0)]


def aggregations() -> str:
    """Return faithfulness on IOI with half of the weights, by aggregation."""
    here = [one for one in short() if one.spec.objective == "logit-difference"]
    return compared(here, _aggregation, AGGREGATIONS, half)


def objectives() -> str:
    """Return the same by objective."""
    here = [one for one in short() if _aggregation(one) == "token-rms"]
    names = ("logit-difference", "io-logit", "io-log-probability")
    return compared(here, lambda one: one.spec.objective or "", names, half)


def schedules() -> str:
    """Return perplexity one-shot and blockwise."""
    amounts = (0.4, HALF, 0.6)
    pairs: dict[str, dict[str, Result]] = {}
    for one in runs("compression", unit="weight", group="row"):
        if {*amounts} <= {*one.spec.amounts}:
            pairs.setdefault(label(one), {})[one.spec.schedule] = one
    lines = [
        (f"{title}, `{name}`", *(perplexity(pair[name], amount) for amount in amounts))
        for title, pair in sorted(pairs.items())
        for name in ("one-shot", "blockwise")
        if len(pair) == 2
    ]
    return table(("scorer", *map(percent, amounts)), lines)


def units() -> str:
    """Return faithfulness on IOI with half kept, by unit."""
    here = runs("ioi-circuit", group="model", removal="lowest", objective="logit-difference")
    blind = runs("ioi-circuit", group="model", removal="lowest", objective=None)
    defaults = [one for one in (*here, *blind) if len(one.points) > 3]
    return compared(defaults, lambda one: one.spec.unit, ("weight", "neuron", "head"), half)


def ends() -> str:
    """Return faithfulness on IOI when one half or the other is removed."""
    rows: dict[str, dict[str, Result]] = {}
    for one in runs("ioi-circuit", unit="weight", group="row"):
        if len(one.points) > 3:
            rows.setdefault(label(one), {})[one.spec.removal] = one
    lines = [
        (title, half(row["lowest"]), half(row["highest"]), with_interval(at(row["highest"], 0.01)))
        for title, row in sorted(rows.items())
        if len(row) == 2
    ]
    ends = ("lowest half removed", "highest half removed", "highest 1 % removed")
    return table(("scorer", *ends), lines)


def sparsities() -> str:
    """Return what a request for a sparsity comes to."""
    result = max(runs("compression", unit="weight", group="row"), key=lambda one: len(one.points))
    lines = [
        (
            percent(one.requested),
            f"{one.weights_removed:,}",
            percent(one.in_scope, 2),
            percent(one.in_model, 2),
        )
        for one in (point.amount for point in result.points)
        if one.requested
    ]
    return table(("requested", "weights removed", "of the scope", "of the model"), lines)


def references() -> str:
    """Return how rankings from other reference samples of the same text compare."""
    lines = []
    for one in runs("ioi-circuit", unit="weight", group="row", removal="lowest"):
        if one.stability:
            places = [one.spec.amounts.index(amount) for amount in (HALF, 0.99)]
            means = [_mean([other.jaccard[place] for other in one.stability]) for place in places]
            spearman = _mean([other.spearman for other in one.stability])
            cells = (f"{value:.3f}" for value in (spearman, *means))
            lines.append((label(one), *cells))
    head = ("scorer", "Spearman of scores", "circuits of a half, Jaccard", "of 1 %, Jaccard")
    return table(head, sorted(lines))


def reported() -> str:
    """Return published perplexities: two lengths of windows, two sizes of the reference."""
    lines = []
    cells = [
        (one, cell)
        for one in literature()
        for line in one.lines
        for cell in line.cells
        if cell is not None and cell.metric == "perplexity"
    ]
    wanted = [("Llama-2-7B", "Dense"), ("TinyLlama", "LRP")]
    for one, cell in cells:
        if any(cell.model.lower() == m.lower() and cell.method == n for m, n in wanted):
            length = f"{cell.context} tokens" if cell.context else "not stated"
            reference = one.reference if cell.method != "Dense" else ""
            source = f"[{cell.source.key}, {one.where}]"
            lines.append((cell.model, cell.method, length, reference, cell.text, source))
    head = ("model", "method", "evaluation windows", "reference", "perplexity", "source")
    return table(head, sorted(lines, key=lambda line: (line[1], line[0].lower(), line[4])))


def ties() -> str:
    """Return perplexity with half of the weights removed by row, with ranks as on the site."""
    sections, _ = split(found("compression"))
    (entry,) = [
        entry
        for board in boards(sections, default_host())
        for entry in board.entries
        if (entry.spec.unit, entry.spec.group, entry.spec.schedule) == ("weight", "row", "one-shot")
    ]
    lines = []
    for place, one in enumerate(entry.section.series):
        value = one.value(HALF, "perplexity")
        if value is not None and not one.is_control and value.interval:
            ends = " to ".join(number(end) for end in value.interval)
            named = f"{one.label}, {one.difference}" if one.difference else one.label
            lines.append((named, number(value.centre), ends, entry.rank(place)))
    assert entry.metric.name == "perplexity", entry.where
    return table(("scorer", "perplexity", "95 % interval", "rank"), lines)


def scorers() -> str:
    """Return perplexity and faithfulness with half of each row removed, of all scorers."""
    here = runs("compression", unit="weight", group="row", schedule="one-shot")
    text = [one for one in here if one.spec.amounts == SIZES]
    prompts = {label(one): one for one in short() if _is_default(one)}
    lines = []
    for one in sorted(text, key=lambda one: at(one, HALF).metrics["perplexity"]):
        low, high = at(one, HALF).intervals["perplexity"]
        told = f"{perplexity(one)} [{number(low)}, {number(high)}]"
        if _is_default(one) and label(one) in prompts:
            lines.append((label(one), told, half(prompts[label(one)])))
    return table(("scorer", "perplexity", "faithfulness"), lines)


def accuracies() -> str:
    """Return perplexity, and accuracy over benchmarks, of the same pruned models."""
    text = {label(one): one for one in runs("compression", "float32", group="row")}
    rows: dict[str, list[str]] = {}
    here = runs("zero-shot", "float32", group="row")
    for one in sorted(here, key=lambda one: -at(one, HALF).metrics["accuracy"]):
        for name, amount in (("dense model", 0.0), (label(one), 0.3), (label(one), HALF)):
            low, high = (100 * end for end in at(one, amount).intervals["accuracy"])
            share = percent(at(one, amount).metrics["accuracy"], 1)
            told = [perplexity(text[label(one)], amount), f"{share} [{low:.1f}, {high:.1f}]"]
            rows[name] = told * 2 if amount == 0 else rows.get(name, []) + told
    sizes = ("30 %", "50 %")
    head = [f"{what}, {size}" for size in sizes for what in ("perplexity", "accuracy")]
    return table(("scorer", *head), [(name, *cells) for name, cells in rows.items()])


def formats() -> str:
    """Return perplexity with half of the weights removed by row, in two number formats."""
    here: dict[str, list[str]] = {}
    for dtype in ("float32", "bfloat16"):
        for one in runs("compression", dtype, unit="weight", group="row", schedule="one-shot"):
            if _is_default(one):
                here.setdefault(label(one), []).append(perplexity(one))
    lines = [(title, *cells) for title, cells in sorted(here.items()) if len(cells) == 2]
    return table(("scorer", "`float32`", "`bfloat16`"), lines)


def _is_default(one: Result) -> bool:
    cls = default_host().get("scorer", one.spec.scorer.name).cls
    objective = one.spec.objective
    task = default_host().get("task", one.spec.task.name).cls
    return objective in (None, task.default_objective) and "aggregation" not in changed(
        cls, one.spec.scorer.options
    )


def _aggregation(one: Result) -> str:
    return str(one.spec.scorer.options.get("aggregation", ""))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


MAKERS: dict[str, Callable[[], str]] = {
    "scorers": scorers,
    "accuracies": accuracies,
    "formats": formats,
    "groups": groups,
    "aggregations": aggregations,
    "objectives": objectives,
    "schedules": schedules,
    "units": units,
    "ends": ends,
    "sparsities": sparsities,
    "references": references,
    "reported": reported,
    "ties": ties,
}

if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(), MAKERS))
