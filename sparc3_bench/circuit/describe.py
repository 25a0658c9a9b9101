"""What a circuit is, as text and as pictures, from its result file alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sparc3_bench.circuit.drawing import heatmap
from sparc3_bench.circuit.sizes import MeasuredCircuit, option, size_text
from sparc3_bench.comparison.control_verdict import record_verdict
from sparc3_bench.comparison.phrasing import interval_text, number, scorer_text
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.result import Result
from sparc3_bench.types.architecture import Role

Counts = Mapping[str, Sequence[int]]
"""Role of a matrix to a number for every decoder block."""

Shares = list[list[float | None]]
"""A row for each block, a column for each role; None where the role has nothing there."""

_IN, _OUT, _UNKNOWN = "■", "·", "?"


def circuit_text(result: Result, at: MeasuredCircuit) -> str:
    """Return all that a result tells of one of its circuits."""
    parts = [_head(result, at), _metrics(result, at)]
    if found := counts(result, at):
        parts.append(_table(*found))
    else:
        parts.append("The record has no counts by role and block; run it again to have them.")
    if result.spec.unit == "head":
        parts.append(_heads(result, at))
    if more := _curve(result) + _stability(result, at):
        parts.append("\n".join(more))
    return "\n\n".join(parts)


def shares(kept: Counts, whole: Counts) -> Shares:
    """Return what share of the weights is kept, by block and role."""
    blocks = range(max(len(row) for row in whole.values()))
    return [
        [kept[role][block] / row[block] if row[block] else None for role, row in whole.items()]
        for block in blocks
    ]


def membership(result: Result, at: MeasuredCircuit) -> list[list[bool | None]] | None:
    """Return which heads of each block are in the circuit, as far as the sketch can tell.

    Circuits of one ranking are nested, and the sketch says how many of the curve's circuits a head
    belongs to. For a circuit between two points of the curve it leaves some heads open: None.
    """
    sketch, blocks = result.sketch, _blocks(result)
    if result.spec.unit != "head" or sketch is None or sketch.stride != 1 or not blocks:
        return None
    if sketch.units % blocks:
        return None
    amounts = result.spec.amounts
    denser = sum(amount <= at.amount for amount in amounts)
    sparser = next((n + 1 for n, amount in enumerate(amounts) if amount >= at.amount), None)

    def member(level: int) -> bool | None:
        # A head with this level is in the first so many circuits of the curve.
        if sparser is not None and level >= sparser:
            return True
        return False if level < denser else None

    heads = [member(int(level, 36)) for level in sketch.levels]
    width = sketch.units // blocks
    return [heads[start : start + width] for start in range(0, len(heads), width)]


def in_role_order(given: Counts) -> dict[str, Sequence[int]]:
    """Return counts with the roles in the order of a block; in a file they are sorted."""
    places = {str(role): place for place, role in enumerate(Role)}
    order = sorted(given, key=lambda role: (places.get(role, len(places)), role))
    return {role: given[role] for role in order}


def counts(result: Result, at: MeasuredCircuit) -> tuple[Counts, Counts] | None:
    """Return what is kept and what there is, or None where the record does not say."""
    whole, kept = in_role_order(result.points[0].kept), in_role_order(at.point.kept)
    lengths = {len(row) for row in (*whole.values(), *kept.values())}
    return (kept, whole) if whole and whole.keys() == kept.keys() and len(lengths) == 1 else None


def grid(
    rows: Sequence[tuple[str, Sequence[float | None]]],
    roles: Sequence[str],
    corner: str,
    form: Callable[[float], str],
) -> list[str]:
    """Return the lines of a table of shares, told by `form`; None leaves a cell empty."""
    widths = [max(len(role), 6) + 2 for role in roles]
    label = max(len(corner), *(len(name) for name, _ in rows))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"{name:<{label}}{''.join(padded)}".rstrip()

    told = [(name, ["" if one is None else form(one) for one in row]) for name, row in rows]
    return [line(*row) for row in ((corner, roles), *told)]


def pictures(result: Result, at: MeasuredCircuit) -> dict[str, str]:
    """Return the circuit as heat maps in SVG: by role ("") and, for heads, by head ("heads")."""
    found = counts(result, at)
    if found is None:
        raise Sparc3Error(
            "The record has no counts by role and block to draw; make the result again with "
            "`sparc3 run`."
        )
    title = f"{scorer_text(result.spec)} on {result.spec.model.id}, {_size(result, at)}"
    rows = [str(block) for block in range(_blocks(result))]
    drawn = {
        "": heatmap(
            shares(*found),
            rows,
            list(found[1]),
            title,
            "share of the weights kept",
            row_title="block",
            form=lambda share: f"{share_text(share)} %",
        )
    }
    if heads := membership(result, at):
        drawn["heads"] = heatmap(
            [[None if member is None else float(member) for member in row] for row in heads],
            rows,
            [str(head) for head in range(len(heads[0]))],
            title,
            "heads",
            row_title="block",
            column_title="head",
            top=1.0,
            ticks=[(0.0, "not in the circuit"), (1.0, "in the circuit")],
            form=lambda member: "in the circuit" if member else "not in the circuit",
        )
    return drawn


def _head(result: Result, at: MeasuredCircuit) -> str:
    spec, amount = result.spec, at.point.amount
    label = f" ({spec.model.label})" if spec.model.label else ""
    objective = f", objective {spec.objective}" if spec.objective else ""
    kept = 1 - amount.in_scope
    # Of some old records the number of neurons or heads is not known.
    known = spec.unit != "weight" and amount.units_removed is not None
    units = f"{amount.units_removed:,} {spec.unit}s with " if known else ""
    what = "Circuit" if spec.removal == "lowest" else "What is left without the circuit"
    lines = [
        f"{what} of {scorer_text(spec)} on {spec.model.id}{label}, {spec.model.dtype}",
        f"  result    {result.key}, task {spec.task.name}, seed {spec.seed}{objective}",
        f"  chosen    units of '{spec.unit}', ranked by '{spec.group}', scope '{spec.scope}', "
        f"schedule '{spec.schedule}'",
        f"  removed   the {spec.removal}, ablation '{spec.ablation}'",
        f"  size      {_size(result, at)}; reached {100 * kept:.4g} % of the weights in scope",
        f"            {units}{amount.weights_removed:,} weights are removed, "
        f"{100 * amount.in_model:.4g} % of the model",
    ]
    if result.found is not None and at.amount == result.found.point.amount.requested:
        lines.append(f"  found     {result.found.title}")
    return "\n".join(lines)


def _size(result: Result, at: MeasuredCircuit) -> str:
    kind = result.spec.amount_kind
    return f"{size_text(at.amount, kind)} {'kept' if option(kind) == '--size' else 'units removed'}"


def _metrics(result: Result, at: MeasuredCircuit) -> str:
    dense = result.points[0]
    width = max(len(metric.title) for metric in result.metrics) + 2
    drawn = bool(at.point.control)
    head = f"{'':<{width}}{'this circuit':<34}{'dense':<14}"
    lines = [head + (f"{'random, mean':<14}against random" if drawn else "")]
    for metric in result.metrics:
        value = interval_text(*at.point.read(metric.name))
        line = f"{metric.title:<{width}}{value:<34}{number(dense.metrics[metric.name]):<14}"
        if numbers := at.point.control.get(metric.name):
            mean = sum(one / len(numbers) for one in numbers)
            line += f"{number(mean):<14}{record_verdict(result, at.point, metric)}"
        lines.append(line)
    return "\n".join(line.rstrip() for line in lines)


def _table(kept: Counts, whole: Counts) -> str:
    kept, whole = _with_sums(kept), _with_sums(whole)
    *blocks, last = shares(kept, whole)
    rows = [(f"block {block}", row) for block, row in enumerate(blocks)]
    return "\n".join(grid([*rows, ("all", last)], list(whole), "kept, %", share_text))


def _with_sums(given: Counts) -> Counts:
    """Return counts with one more role and one more block, which have the sums of the others."""
    every = {**given, "all": [sum(column) for column in zip(*given.values(), strict=True)]}
    return {role: [*row, sum(row)] for role, row in every.items()}


def share_text(share: float) -> str:
    """Return a share in percent, with more digits where it is small."""
    return f"{100 * share:.1f}" if share == 0 or share >= 0.0095 else f"{100 * share:.2g}"


def _heads(result: Result, at: MeasuredCircuit) -> str:
    heads = membership(result, at)
    if heads is None:
        return "The record has no sketch that names single heads."
    signs = {True: _IN, False: _OUT, None: _UNKNOWN}
    label = len(f"block {len(heads)}") + 2
    lines = [f"heads, from the left; {_IN} in the circuit, {_OUT} not"]
    if any(member is None for row in heads for member in row):
        lines[0] += f", {_UNKNOWN} not told by the sketch"
    for block, row in enumerate(heads):
        count = sum(member is True for member in row)
        cells = "".join(signs[member] for member in row)
        lines.append(f"{f'block {block}':<{label}}{cells}  {count}")
    return "\n".join(lines)


def _curve(result: Result) -> list[str]:
    titles = {metric.name: metric.title for metric in result.curve_metrics}
    lines = []
    for name, estimate in result.curve.items():
        text = interval_text(estimate.value, estimate.interval)
        if estimate.control:
            text += f", random {number(sum(estimate.control) / len(estimate.control))}"
        lines.append(f"whole curve: {titles.get(name, name)} {text}")
    return lines


def _stability(result: Result, at: MeasuredCircuit) -> list[str]:
    lines = []
    for other in result.stability:
        line = f"reference seed {other.seed}: Spearman {other.spearman:.3f}"
        if at.index is not None:
            line += f", Jaccard at this size {other.jaccard[at.index]:.3f}"
        lines.append(line)
    return lines


def _blocks(result: Result) -> int:
    return max((len(row) for row in result.points[0].kept.values()), default=0)
