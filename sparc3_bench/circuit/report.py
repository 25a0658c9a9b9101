"""The report of a correction, in Markdown: what was removed, what changed, how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from sparc3_bench.circuit.describe import Counts, in_role_order
from sparc3_bench.circuit.rebuild import SizedCircuit
from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.leaderboard.control_verdict import record_verdict
from sparc3_bench.leaderboard.phrasing import (
    interval_text,
    markdown_table,
    metric_title,
    number,
    p_value,
    precise,
    units,
)
from sparc3_bench.record.parts import Point, Versus
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.band import LEAST, one_more

_MOST_LISTED = 2000
"""More units than this are counted by layer and not named; the mask has them."""


@dataclass(frozen=True)
class Correction:
    """What came out of a correction.

    Attributes
    ----------
    result
        The run.
    amount
        How much is removed; 0 when nothing was better than the model as it is.
    circuit
        What is kept at this amount.
    whole
        By role of the matrix, how many weights every block has in scope.
    """

    result: Result
    amount: float
    circuit: SizedCircuit
    whole: Counts

    @property
    def point(self) -> Point:
        """The measurements at the amount, with controls on the same samples where there are any."""
        found = self.result.found
        if found is not None and found.point.amount.requested == self.amount:
            return found.point
        points = self.result.points
        return next(point for point in points if point.amount.requested == self.amount)

    @property
    def removed(self) -> str:
        """What is removed, in words."""
        count = self.point.amount.units_removed or 0
        return f"{count:,} {units(self.result.spec, count)}"

    @property
    def is_choice(self) -> bool:
        """Whether the amount is the one that was best within the limits."""
        found = self.result.found
        return found is not None and found.point.amount.requested == self.amount


def report(outcome: Correction, dtype: str) -> str:
    """Return the report.

    Parameters
    ----------
    outcome
        What it is about.
    dtype
        Number format of the corrected model.
    """
    result = outcome.result
    assert result.found is not None
    titles = {metric.name: metric.title for metric in result.metrics}
    return markdown_text(
        "correction.md.j2",
        outcome=outcome,
        dtype=dtype,
        corrects=True,
        result=result,
        spec=result.spec,
        found=result.found,
        point=outcome.point,
        draws=draws_beside(outcome),
        before_and_after=before_and_after(outcome),
        versus=_versus(outcome),
        removed=removed_table(outcome),
        tried=_tried(outcome, titles),
        limits=", ".join(f"{titles[n]} {most:g}" for n, most in result.found.limits.items()),
    )


def draws_beside(outcome: Correction) -> int:
    """Return beside how many random removals it was measured."""
    return max((len(numbers) for numbers in outcome.point.control.values()), default=0)


def before_and_after(outcome: Correction) -> str:
    """Return the table of every metric before and after, and of random removals."""
    dense, point, drawn = outcome.result.points[0], outcome.point, draws_beside(outcome)
    head = ["", "better", "before", "after"]
    if drawn:
        head.append(f"random {units(outcome.result.spec)} ({drawn} draw{'s' * (drawn > 1)})")
    rows = []
    for metric in outcome.result.metrics:
        both = (interval_text(*at.read(metric.name)) for at in (dense, point))
        row = [metric_title(metric), metric.direction, *both]
        if drawn:
            row.append(_range(point.control.get(metric.name, ())))
        rows.append(row)
    return markdown_table(head, rows)


def _versus(outcome: Correction) -> str:
    found = outcome.result.found
    if found is None or found.versus is None:
        return ""
    return beside_random(outcome.result, found.point, found.metric, found.versus, "prompts")


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


def removed_table(outcome: Correction) -> str:
    """Return the table of what is removed, by layer; of weights, also by role."""
    spec, kept = outcome.result.spec, outcome.circuit.kept
    if outcome.amount == 0:
        return "Nothing."
    if spec.unit == "weight":
        whole, weights = in_role_order(outcome.whole), outcome.circuit.counts
        gone = [[n - k for n, k in zip(whole[r], weights[r], strict=True)] for r in whole]
        by_layer = enumerate(zip(*gone, strict=True))
        rows = [[str(layer), *(f"{n:,}" for n in row)] for layer, row in by_layer if any(row)]
        return markdown_table(["layer", *whole], rows)
    lost = lost_units(kept)
    listed = sum(map(len, lost.values())) <= _MOST_LISTED
    head = ["layer", f"{units(spec)} removed", *(["which"] if listed else [])]
    rows = [
        [layer, str(len(which)), *([", ".join(map(str, which))] if listed else [])]
        for layer, which in lost.items()
    ]
    rest = len(kept) - len(lost)
    others = "The other layer loses none." if rest == 1 else f"The other {rest} layers lose none."
    return markdown_table(head, rows) + (f"\n\n{others}" if rest else "")


def lost_units(kept: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """Return the numbers of the neurons or heads that go, by layer; layers without are left out."""
    lost = {layer: (~keep).nonzero().flatten().tolist() for layer, keep in kept.items()}
    return {layer: which for layer, which in lost.items() if which}


def _tried(outcome: Correction, titles: Mapping[str, str]) -> str:
    result = outcome.result
    assert result.found is not None
    names = [result.found.metric, *result.found.limits]
    head = ["ranking", "removed", *(titles[name] for name in names), "within the limits"]
    rows = []
    for one in result.tried:
        if one.requested == 0:
            continue
        ours = one.candidate == result.candidate and one.requested == outcome.amount
        numbers = (number(one.metrics[name]) for name in names)
        passes = "yes" if one.passes else "no"
        cells = [one.candidate or "–", f"{one.requested:,g}", *numbers, passes]
        rows.append([f"**{cell}**" if ours else cell for cell in cells])
    return markdown_table(head, rows)


def _range(numbers: Sequence[float]) -> str:
    told = [number(f(numbers), 3) for f in (fmean, min, max)] if numbers else []
    return "{} ({} to {})".format(*told) if told else "–"


def outcome_line(outcome: Correction) -> str:
    """Return the outcome in a line: the number that was to change, and the limits."""
    result, point = outcome.result, outcome.point
    assert result.found is not None
    titles = {metric.name: metric.title for metric in result.metrics}
    names = [result.found.metric, *result.found.limits]
    return "; ".join(f"{titles[name]} {interval_text(*point.read(name))}" for name in names)


def correction_json(outcome: Correction, dtype: str) -> dict[str, object]:
    """Return what the folder's description has besides the digests of its files."""
    result, spec = outcome.result, outcome.result.spec
    kept: Mapping[str, Tensor] = outcome.circuit.kept if outcome.amount else {}
    return {
        "key": result.key,
        "spec": spec.model_dump(mode="json"),
        "dtype": dtype,
        "candidate": result.candidate,
        "is_choice": outcome.is_choice,
        "amount": outcome.point.amount.model_dump(mode="json"),
        "removed": {} if spec.unit == "weight" else lost_units(kept),
    }
