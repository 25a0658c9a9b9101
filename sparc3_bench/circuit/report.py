"""The report of a correction, in Markdown: what was removed, what changed, how sure it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from sparc3_bench.circuit.describe import Counts, in_role_order
from sparc3_bench.circuit.rebuild import SizedCircuit
from sparc3_bench.leaderboard.control_verdict import record_verdict
from sparc3_bench.leaderboard.phrasing import (
    dataset_text,
    interval_text,
    markdown_table,
    number,
    p_value,
    percent,
    precise,
    units,
)
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import PluginRef
from sparc3_bench.statistics.band import LEAST, one_more

_MOST_LISTED = 2000
"""More units than this are counted by layer and not named; the mask has them."""

_NO_TEXTS = (
    "Neither the prompts nor what the models wrote are in this folder: they may be offensive, and "
    "the numbers above are all that is told of them."
)

_FILES = """\
## Use it

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("model", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("model")
```

`model/` is stored in {dtype}, like the original; every weight that was not removed has its bits.
`mask.safetensors` has a bool tensor, True = kept, for every parameter that loses something.
`result.json` is the whole record, `correction.json` has the digest of every file here.
"""

_NO_MODEL = """\
## Files

There is no corrected model here. `result.json` is the whole record, `correction.json` has the
digest of every file.
"""


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
    spec = outcome.result.spec
    parts = [
        f"# {spec.model.id} without {outcome.removed}",
        _opening(outcome),
        "![The number to change, by how much is removed](plot.svg)",
        "## Before and after",
        _before_and_after(outcome),
        *_versus(outcome),
        "## What was removed",
        "\n".join(removed_rows(outcome)),
        "## What was tried",
        *_tried(outcome),
        "## How it was measured",
        "\n".join(f"- {line}" for line in _measured(outcome.result)),
        "## Read with care",
        "\n".join(f"- {line}" for line in (*outcome.result.warnings, _NO_TEXTS)),
        _FILES.format(dtype=dtype) if outcome.amount else _NO_MODEL,
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _opening(outcome: Correction) -> str:
    result, point = outcome.result, outcome.point
    assert result.found is not None
    wanted = result.found.title
    if outcome.amount == 0:
        return (
            f"Wanted: {wanted}. On the selection prompts nothing that was tried was better, within "
            "the limits, than the model as it is, so there is no corrected model."
        )
    amount = point.amount
    lines = (
        f"{amount.weights_removed:,} weights are zero, {percent(amount.in_model, 3)} of the model, "
        f"and no other has changed. Wanted: {wanted}."
    )
    if outcome.is_choice:
        return lines
    return (
        f"{lines} **On the selection prompts this was not better, within the limits, than the "
        "model as it is**; it was removed because the number was given."
    )


def _before_and_after(outcome: Correction) -> str:
    dense, point = outcome.result.points[0], outcome.point
    drawn = max((len(numbers) for numbers in point.control.values()), default=0)
    head = ["", "better", "before", "after"]
    if drawn:
        head.append(f"random {units(outcome.result.spec)} ({drawn} draws)")
    rows = []
    for metric in outcome.result.metrics:
        name = metric.name
        title = metric.title if metric.unit in ("", "1") else f"{metric.title}, {metric.unit}"
        row = [
            title,
            metric.direction,
            interval_text(*dense.read(name)),
            interval_text(*point.read(name)),
        ]
        if drawn:
            row.append(_range(point.control.get(name, ())))
        rows.append(row)
    note = "Brackets are 95 % intervals over prompts"
    if drawn:
        note += (
            "; the random ones are as many in every layer, mean and range (in the plot they are of "
            "the part of the prompts that the task has for them)"
        )
    return f"{markdown_table(head, rows)}\n\n{note}."


def _versus(outcome: Correction) -> list[str]:
    found = outcome.result.found
    if found is None or found.versus is None:
        return []
    versus, ends = found.versus, (found.versus.low, found.versus.high)
    metric = next(one for one in outcome.result.metrics if one.name == found.metric)
    drawn = found.point.control.get(found.metric, ())
    ratio = metric.scale == "log"
    said = (
        f"{metric.title}, this {'over' if ratio else 'minus'} random, on the same prompts: "
        f"{'×' if ratio else ''}{precise(versus.difference, ends)} "
        f"[{precise(versus.low, ends)}, {precise(versus.high, ends)}], {p_value(versus.p_value)}"
    )
    if len(drawn) >= LEAST:
        p_draw = one_more(found.point.metrics[found.metric], drawn, metric.scale)
        said += f"; of being one more of them {p_value(p_draw)}"
    return [f"{said}: {record_verdict(outcome.result, found.point, metric)}."]


def removed_rows(outcome: Correction) -> list[str]:
    """Return the lines of the table of what is removed, by layer."""
    spec, kept = outcome.result.spec, outcome.circuit.kept
    if outcome.amount == 0:
        return ["Nothing."]
    if spec.unit == "weight":
        return markdown_table(*_by_role(outcome)).splitlines()
    lost = lost_units(kept)
    listed = sum(map(len, lost.values())) <= _MOST_LISTED
    head = ["layer", f"{units(spec)} removed", *(["which"] if listed else [])]
    rows = [
        [layer, str(len(which)), *([", ".join(map(str, which))] if listed else [])]
        for layer, which in lost.items()
    ]
    rest = len(kept) - len(lost)
    others = "The other layer loses none." if rest == 1 else f"The other {rest} layers lose none."
    more = ["", others] if rest else []
    return [*markdown_table(head, rows).splitlines(), *more]


def lost_units(kept: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """Return the numbers of the neurons or heads that go, by layer; layers without are left out."""
    lost = {layer: (~keep).nonzero().flatten().tolist() for layer, keep in kept.items()}
    return {layer: which for layer, which in lost.items() if which}


def _by_role(outcome: Correction) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table of weights removed, by layer and role."""
    whole, kept = in_role_order(outcome.whole), outcome.circuit.counts
    lost = {role: [n - k for n, k in zip(whole[role], kept[role], strict=True)] for role in whole}
    by_layer = enumerate(zip(*lost.values(), strict=True))
    rows = [[str(layer), *(f"{n:,}" for n in row)] for layer, row in by_layer if any(row)]
    return ["layer", *lost], rows


def _tried(outcome: Correction) -> list[str]:
    result = outcome.result
    assert result.found is not None
    names = [result.found.metric, *result.found.limits]
    titles = {metric.name: metric.title for metric in result.metrics}
    head = ["ranking", "removed", *(titles[name] for name in names), "within the limits"]
    rows = []
    for one in result.tried:
        if one.requested == 0:
            continue
        ours = one.candidate == result.candidate and one.requested == outcome.amount
        cells = [
            one.candidate or "–",
            f"{one.requested:,g}",
            *(number(one.metrics[n]) for n in names),
        ]
        cells.append("yes" if one.passes else "no")
        rows.append([f"**{cell}**" if ours else cell for cell in cells])
    limits = ", ".join(f"{titles[n]} {most:g}" for n, most in result.found.limits.items())
    note = "On the selection prompts, which no other table here is of"
    note += f"; the most that may be: {limits}." if limits else "."
    return [markdown_table(head, rows), note]


def _measured(result: Result) -> Iterable[str]:
    spec = result.spec
    label = f" ({spec.model.label})" if spec.model.label else ""
    yield (
        f"model {spec.model.id}{label}, run in {spec.model.dtype}; digest of its weights "
        f"`{spec.model.weight_digest}`"
    )
    yield f"task `{spec.task.name}`, version {spec.task.task_version}"
    objective = f", objective `{spec.objective}`" if spec.objective else ""
    yield f"scorer {_plugin(spec.scorer)}{objective}, seed {spec.seed}, scope `{spec.scope}`"
    if spec.judge is None:
        yield "no judge: what is undesired is counted"
    else:
        yield f"judge {_plugin(spec.judge)}; digest `{spec.judge.weights_digest}`"
    for data in spec.datasets:
        yield f"{data.purpose}: {dataset_text(data)} from {data.source}"
    yield f"result {result.key}, {_versions(result)}"


def _plugin(ref: PluginRef) -> str:
    options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in ref.options.items())
    more = f" with {options}" if options else ""
    return f"{ref.title} (`{ref.name}`, {ref.distribution} {ref.version}){more}"


def _versions(result: Result) -> str:
    return ", ".join(f"{n} {version}" for n, version in sorted(result.environment.packages.items()))


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
