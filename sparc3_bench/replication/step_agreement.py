"""Step agreement: a record beside what its own spec gave again, to the first step that differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from sparc3_bench.replication.tolerance import distance, tolerance_of

if TYPE_CHECKING:
    from sparc3_bench.record.parts import EstimateRecord, MetricRecord
    from sparc3_bench.record.result import Result
    from sparc3_bench.record.spec import RunSpec
    from sparc3_bench.types.values import Scale

Agreement = Literal["equal", "within tolerance", "differs"]

_FIRST = ("model.weight_digest", "model.tokenizer_digest", "datasets")
"""What of a spec is looked at before the rest."""
_NOTED = {
    *("version", "distribution", "title", "source_digest", "label"),
    *("source", "digest", "choice"),
}
"""Last parts of names in a spec that tell where something comes from and move no number.

Of texts they are what is told of the whole; of the tokens that are used there is a digest.
"""


@dataclass(frozen=True)
class Mismatch:
    """Two values that should be the same and are not."""

    where: str
    """What they are of."""
    recorded: Any
    replayed: Any
    """The values."""
    size: float = math.inf
    """How far they are apart, as the tolerance of the step counts it; infinite where one of them is
    not there, or they are no numbers."""


@dataclass(frozen=True)
class StepAgreement:
    """How far two records agree in one step."""

    step: str
    """Its name."""
    gaps: int
    """How many values are not the same."""
    worst: Mismatch | None
    """That which is furthest apart; None where all are the same."""
    allowed: float
    """How far apart they may be."""

    @property
    def agreement(self) -> Agreement:
        """What that comes to."""
        if self.worst is None:
            return "equal"
        return "within tolerance" if self.worst.size <= self.allowed else "differs"


def spec_agreement(recorded: RunSpec, replayed: RunSpec) -> tuple[StepAgreement, list[str]]:
    """Compare what was run with what would be run now, where nothing may differ.

    With it come the names of what differs and moves no number by itself: code, versions, titles,
    options that came later.
    """
    before, now = _flat(recorded), _flat(replayed)
    gaps, noted = [], []
    for name in sorted(before.keys() | now.keys(), key=_by_weight):
        # Old records have empty digests.
        if before.get(name) == now.get(name) or before.get(name) == "":
            continue
        is_option = ".options." in name
        tells = name.startswith("code.") or name.rpartition(".")[2] in _NOTED
        if name not in before if is_option else tells:
            noted.append(name)
        else:
            gaps.append(Mismatch(name, before.get(name), now.get(name)))
    return StepAgreement("spec", len(gaps), gaps[0] if gaps else None, 0.0), noted


def step_agreements(
    recorded: Result,
    replayed: Result,
    contradictions: Sequence[str] = (),
    *,
    written: bool = False,
) -> Iterator[StepAgreement]:
    """Yield how far two records of one spec agree, step by step, to the first that differs.

    `contradictions` are what of the record does not follow from its own samples. Where there is
    such a thing no sample may be off, and the record differs even if all else agrees. `written`
    says that what is measured are answers of the model.
    """
    allowed = tolerance_of(recorded.spec.model.dtype, written=written)
    share = 0.0 if contradictions else allowed.samples
    steps: list[tuple[str, Callable[[Result, Result], Iterable[Mismatch]], float]] = [
        ("choice", _choice, allowed.number),
        ("amounts", _amounts, 0.0),
        ("circuits", _circuits, allowed.units),
        ("samples", partial(_samples, allowed.sample), share),
        ("metrics", _metrics, allowed.number),
        ("controls", _controls, allowed.number),
        ("curve", _curve, allowed.number),
        ("operating point", _operating_point, allowed.number),
        ("stability", _stability, allowed.number),
        ("record", lambda *_: [Mismatch(one, None, None) for one in contradictions], 0.0),
    ]
    for name, gaps_of, most in steps:
        gaps = list(gaps_of(recorded, replayed))
        worst = max(gaps, key=lambda gap: gap.size, default=None)
        found = StepAgreement(name, len(gaps), worst, most)
        yield found
        if found.agreement == "differs":
            return


def _flat(spec: RunSpec) -> dict[str, Any]:
    """Return every value of a spec by its path; a data set goes by its purpose."""
    found: dict[str, Any] = {}

    def add(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                add(f"{place}.{name}" if place else name, inner)
        else:
            found[place] = value

    whole = spec.model_dump(mode="json")
    texts = whole.pop("datasets")
    for number, text in enumerate(texts):
        again = sum(one["purpose"] == text["purpose"] for one in texts[:number])
        add(f"datasets.{text['purpose']}{f'-{again + 1}' if again else ''}", text)
    add("", whole)
    return found


def _by_weight(name: str) -> tuple[int, str]:
    place = next((i for i, first in enumerate(_FIRST) if name.startswith(first)), len(_FIRST))
    return place, name


def _choice(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    if recorded.candidate != replayed.candidate:
        yield Mismatch("the ranking that was chosen", recorded.candidate, replayed.candidate)
    now = {(one.candidate, one.requested): one.metrics for one in replayed.tried}
    for one in recorded.tried:
        where = f"{one.candidate} at amount {one.requested:g}".strip()
        again = now.get((one.candidate, one.requested), {})
        yield from _numbers(f"{{}} of {where}, on the selection part", one.metrics, again)


def _amounts(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    for before, now in zip(recorded.points, replayed.points, strict=True):
        for name in ("weights_removed", "units_removed"):
            one, other = getattr(before.amount, name), getattr(now.amount, name)
            if one is not None and one != other:  # null in old records
                yield Mismatch(f"{name} at amount {before.amount.requested:g}", one, other)


def _circuits(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    before, now = recorded.sketch, replayed.sketch
    if before is None or now is None:
        return
    if (before.units, before.stride) != (now.units, now.stride):
        yield Mismatch("units that are ranked", before.units, now.units)
    elif before.levels != now.levels:
        pairs = list(zip(before.levels, now.levels, strict=True))
        place = next(i for i, (one, other) in enumerate(pairs) if one != other)
        off = sum(one != other for one, other in pairs)
        where = f"{off:,} of {len(pairs):,} sampled units, the first is unit {place * now.stride:,}"
        one, other = (f"kept at {int(level, 36)} amounts" for level in pairs[place])
        yield Mismatch(where, one, other, off / len(pairs))


def _samples(allowed: float, recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    """Yield the kinds of samples that are not the same, each with the one that is furthest off."""
    for before, now in zip(recorded.points, replayed.points, strict=True):
        at = f"at amount {before.amount.requested:g}"
        for kind, values in before.samples.items():
            others = now.samples.get(kind, ())
            if len(values) != len(others):
                yield Mismatch(f"number of samples of {kind} {at}", len(values), len(others))
            elif values != others:
                sizes = [distance(one, other) for one, other in zip(values, others, strict=True)]
                place = max(range(len(sizes)), key=sizes.__getitem__)
                off = sum(size > allowed for size in sizes)
                where = f"{kind} {at}, sample {place}; {off:,} of {len(sizes):,} by more than"
                where += f" {allowed:g}"
                yield Mismatch(where, values[place], others[place], off / len(sizes))


def _metrics(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    scales = _scales(replayed.metrics)
    for before, now in zip(recorded.points, replayed.points, strict=True):
        where = f"{{}} at amount {before.amount.requested:g}"
        yield from _numbers(where, before.metrics, now.metrics, scales)


def _controls(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    scales = _scales(replayed.metrics)
    for before, now in zip(recorded.points, replayed.points, strict=True):
        for name, drawn in before.control.items():
            where = f"{name} of control {{}} at amount {before.amount.requested:g}"
            again = dict(enumerate(now.control.get(name, ())))
            scale = dict.fromkeys(range(len(drawn)), scales.get(name, "linear"))
            yield from _numbers(where, dict(enumerate(drawn)), again, scale)


def _curve(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    def values(curve: Mapping[str, EstimateRecord]) -> dict[str, float]:
        return {name: one.value for name, one in curve.items()}

    scales = _scales(replayed.curve_metrics)
    yield from _numbers(
        "{} of the whole curve", values(recorded.curve), values(replayed.curve), scales
    )


def _operating_point(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    if recorded.found is None:
        return
    if replayed.found is None:
        yield Mismatch("the amount that was found", recorded.found.point.amount.requested, None)
        return
    before, now = recorded.found.point, replayed.found.point
    one, other = before.amount.requested, now.amount.requested
    tried = {
        again.requested: again.metrics.get(recorded.found.metric)
        for again in replayed.tried
        if again.candidate == replayed.candidate
    }
    best, beside = tried.get(other), tried.get(one)
    if one != other and best is not None and beside is not None:
        # The best of what was tried turns as a sample does, where another is as good as equal.
        yield Mismatch("amount that was chosen", one, other, distance(best, beside))
        return
    yield from _numbers("{} that was found", {"amount": one}, {"amount": other})
    where = "{} at the amount that was found"
    yield from _numbers(where, before.metrics, now.metrics, _scales(replayed.metrics))


def _stability(recorded: Result, replayed: Result) -> Iterator[Mismatch]:
    again = {one.seed: one for one in replayed.stability}
    for one in recorded.stability:
        other = again.get(one.seed)
        where = f"{{}} with the ranking of seed {one.seed}"
        now = {"correlation": other.spearman} if other else {}
        yield from _numbers(where, {"correlation": one.spearman}, now)
        overlap = dict(enumerate(other.jaccard)) if other else {}
        yield from _numbers(f"overlap at point {where}", dict(enumerate(one.jaccard)), overlap)


def _scales(metrics: Iterable[MetricRecord]) -> dict[Any, Scale]:
    return {metric.name: metric.scale for metric in metrics}


def _numbers(
    where: str,
    recorded: Mapping[Any, float],
    replayed: Mapping[Any, float],
    scales: Mapping[Any, Scale] = {},
) -> Iterator[Mismatch]:
    """Yield the numbers that are not the same; `where` has a place for the name."""
    for name, one in recorded.items():
        other = replayed.get(name)
        if other is None:
            yield Mismatch(where.replace("{}", str(name)), one, None)
        elif one != other:
            size = distance(one, other, scales.get(name, "linear"))
            yield Mismatch(where.replace("{}", str(name)), one, other, size)
