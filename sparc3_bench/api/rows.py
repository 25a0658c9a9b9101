"""Rows: every number of results with its interval, what it is of, and its rank on the pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sparc3_bench.comparison.comparable import judge_of
from sparc3_bench.comparison.phrasing import is_reference, scorer_text
from sparc3_bench.comparison.ranks import draws_of, ranks
from sparc3_bench.comparison.tables import split
from sparc3_bench.record.spec import canonical_json, content_key
from sparc3_bench.types.conventions import Conventions
from sparc3_bench.types.values import Direction, Scale

if TYPE_CHECKING:
    from sparc3_bench.comparison.sections import Section
    from sparc3_bench.record.parts import MetricRecord, Point, Versus
    from sparc3_bench.record.result import Result

Kind = Literal["point", "curve", "operating point"]


class NumberRow(Conventions):
    """One number of one result."""

    section: str
    """The table of the pages it belongs to: only within one may numbers be compared."""
    place: int
    """The row of that table, from 1, the best first and controls last; runs of several seeds share
    it, and its number is their mean."""
    rank: str | None
    """The rank of that row, as `2–3` where samples cannot tell it apart; null for controls, and
    where nothing can be tested."""
    orders: bool
    """Whether this is the number that orders the rows of the table."""
    task: str
    """The task."""
    task_version: int
    """Its version; numbers of different versions are never compared."""
    task_options: str
    """Its options, JSON."""
    data: str
    """Digest of all that was measured on, by tokens."""
    model: str
    """The model, as it was typed."""
    model_digest: str
    """SHA-256 over its weights."""
    tokenizer_digest: str
    """SHA-256 over its vocabulary and settings."""
    dtype: str
    """The number format that it ran in."""
    device: str
    """The kind of device that it ran on."""
    scorer: str
    """The scorer."""
    title: str
    """The scorer as readers know it."""
    scorer_options: str
    """Its options, JSON."""
    distribution: str
    """The package that it comes from."""
    version: str
    """The version of that package."""
    source_digest: str
    """Digest of its files."""
    objective: str | None
    """The scalar that was attributed; null for a scorer that needs none."""
    seed: int
    """Seed of reference samples and of noise."""
    limit: int | None
    """How many samples of each kind there are at most in a short run; null in a whole one."""
    judge: str | None
    """Digest of who judged what models wrote; null without texts."""
    is_control: bool
    """Whether the scorer is a control."""
    origin: str
    """`run`, `replayed`, `submitted` or `reported`."""
    created: str
    """When the run ended, UTC."""
    key: str
    """Names the run."""
    content_hash: str | None
    """SHA-256 of the record; null where it was never written."""
    suite_digest: str
    """Digest of the suite's code that ran."""
    processor: str
    """The processor that it ran on."""
    threads: int
    """On so many threads."""
    attribution_seconds: float | None
    """Seconds that scoring took."""
    evaluation_seconds: float | None
    """Seconds that measuring all points took."""
    total_seconds: float
    """Seconds that all took."""
    peak_bytes: int | None
    """The most memory that was taken."""
    kind: Kind
    """Of a `point`, of the whole `curve`, or of the `operating point` that was found or chosen."""
    amount: float | None
    """What was asked to be removed, a share or a count; null for numbers of a whole curve."""
    in_scope: float | None
    """Share of the weights in scope that was removed."""
    in_model: float | None
    """Share of all parameters of the model that was removed."""
    units_removed: int | None
    """Weights, neurons, heads or blocks that were removed."""
    metric: str
    """What was measured."""
    better: Direction
    """Which way is better."""
    counted_in: str
    """What one is counted in."""
    scale: Scale
    """On which it is compared."""
    clusters: int | None
    """How many independent samples it follows from; null in old records."""
    value: float
    """The number."""
    low: float | None
    """Lower end of its 95 % interval; null without one."""
    high: float | None
    """Upper end."""
    versus_random: float | None
    """Its difference to random controls, on a log scale the ratio; null without any."""
    versus_low: float | None
    """Lower end of the 95 % interval of that."""
    versus_high: float | None
    """Upper end."""
    versus_p: float | None
    """P-value of no difference."""


def rows_of(results: Iterable[Result]) -> Iterator[NumberRow]:
    """Yield every number with its interval, table by table as the pages have them.

    Of runs that failed or were withdrawn there is nothing, nor of one without metrics or points.
    """
    whole = [one for one in results if one.metrics and one.points]
    sections, _ = split((Path(one.spec.path), one) for one in whole)
    for section in sections:
        found = ranks(section, draws_of(section))
        texts = found.texts if found else {}
        for place, series in enumerate(section.series):
            for run in series.runs:
                rank = texts.get(place)
                about: dict[str, Any] = {"section": section.id, "place": place + 1, "rank": rank}
                for row in _rows(run.result):
                    yield NumberRow.model_construct(**about, **row, orders=_orders(section, row))


def _orders(section: Section, row: Mapping[str, Any]) -> bool:
    kind = (
        "operating point" if section.order_chosen else "curve" if section.order_curve else "point"
    )
    is_there = kind != "point" or row["amount"] == section.order
    return bool((row["kind"], row["metric"]) == (kind, section.metric.name) and is_there)


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    about = _about(result)
    for point in result.points:
        yield from _of_point({**about, "kind": "point"}, result, point)
    if result.found is not None:
        yield from _of_point({**about, "kind": "operating point"}, result, result.found.point)
    nowhere = dict.fromkeys(("amount", "in_scope", "in_model", "units_removed"))
    for metric in result.curve_metrics:
        one = result.curve[metric.name]
        number = _number(metric, one.value, one.interval, one.versus)
        yield {**about, "kind": "curve", **nowhere, **number}


def _of_point(about: Mapping[str, Any], result: Result, point: Point) -> Iterator[dict[str, Any]]:
    size = {
        "amount": point.amount.requested,
        "in_scope": point.amount.in_scope,
        "in_model": point.amount.in_model,
        "units_removed": point.amount.units_removed,
    }
    for metric in result.metrics:
        number = _number(metric, *point.read(metric.name), point.versus.get(metric.name))
        yield {**about, **size, **number}


def _number(
    metric: MetricRecord, value: float, ends: tuple[float, float] | None, versus: Versus | None
) -> dict[str, Any]:
    low, high = ends or (None, None)
    return {
        "metric": metric.name,
        "better": metric.direction,
        "counted_in": metric.unit,
        "scale": metric.scale,
        "clusters": metric.clusters,
        "value": value,
        "low": low,
        "high": high,
        "versus_random": versus and versus.difference,
        "versus_low": versus and versus.low,
        "versus_high": versus and versus.high,
        "versus_p": versus and versus.p_value,
    }


def _about(result: Result) -> dict[str, Any]:
    spec, cost = result.spec, result.cost
    measured = [data for data in spec.datasets if not is_reference(data)]

    def seconds(phase: str) -> float | None:
        return cost[phase].seconds if phase in cost else None

    return {
        "task": spec.task.name,
        "task_version": spec.task.task_version,
        "task_options": canonical_json(spec.task.options),
        "data": content_key([data.token_digest for data in measured]),
        "model": spec.model.id,
        "model_digest": spec.model.weight_digest,
        "tokenizer_digest": spec.model.tokenizer_digest,
        "dtype": spec.model.dtype,
        "device": spec.model.device,
        "scorer": spec.scorer.name,
        "title": scorer_text(spec),
        "scorer_options": canonical_json(spec.scorer.options),
        "distribution": spec.scorer.distribution,
        "version": spec.scorer.version,
        "source_digest": spec.scorer.source_digest,
        "objective": spec.objective,
        "seed": spec.seed,
        "limit": spec.limit,
        "judge": content_key(judge_of(spec)) if spec.judge else None,
        **spec.conventions(),
        "is_control": result.is_control,
        "origin": result.origin,
        "created": result.created,
        "key": result.key,
        "content_hash": result.content_hash,
        "suite_digest": result.environment.source_digest,
        "processor": result.environment.processor,
        "threads": result.environment.threads,
        "attribution_seconds": seconds("attribution"),
        "evaluation_seconds": seconds("evaluation"),
        "total_seconds": sum(phase.seconds for phase in cost.values()),
        "peak_bytes": max((phase.peak_bytes for phase in cost.values()), default=None),
    }
