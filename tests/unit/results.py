"""A factory of valid results, from the real models, for tests of what reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sparc3_bench.record.files import write_result
from sparc3_bench.record.parts import (
    Amount,
    Environment,
    EstimateRecord,
    Found,
    MetricRecord,
    Phase,
    Point,
    Responses,
    Sketch,
    Stability,
    Tried,
)
from sparc3_bench.record.result import SCHEMA_VERSION, Result
from sparc3_bench.record.spec import (
    DatasetRecord,
    JudgeRef,
    ModelRef,
    PluginRef,
    RunSpec,
    TaskRef,
)
from sparc3_bench.types.conventions import NO_REPAIR, UNIFORM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparc3_bench.types.conventions import Ablation, AmountKind, Removal, Schedule, Scope, Unit
    from sparc3_bench.types.groups import Group

AMOUNTS = (0.0, 0.5)

PERPLEXITY = MetricRecord(name="perplexity", direction="lower", unit="1", title="Perplexity")
KL = MetricRecord(name="kl", direction="lower", unit="nats", title="KL divergence")


def make_result(
    scorer: str = "wanda",
    values: Sequence[float] = (20.0, 40.0),
    *,
    amounts: Sequence[float] = AMOUNTS,
    metrics: Sequence[MetricRecord] = (PERPLEXITY, KL),
    others: Mapping[str, Sequence[float]] | None = None,
    spread: float = 0.1,
    windows: int = 4,
    title: str | None = None,
    options: Mapping[str, Any] | None = None,
    objective: str | None = "log-probability",
    seed: int = 0,
    is_control: bool = False,
    task: str = "compression",
    task_version: int = 1,
    model: str = "tiny-llama",
    label: str = "",
    dtype: str = "float32",
    unit: Unit = "weight",
    group: Group = "row",
    schedule: Schedule = "one-shot",
    scope: Scope = "all",
    evaluation_digest: str = "e" * 64,
    scorer_version: str = "0.1.0",
    seconds: float = 12.5,
    peak_bytes: int = 2_000_000_000,
    processor: str = "A processor",
    suite_digest: str = "9" * 16,
    created: str = "2026-01-02T03:04:05Z",
    status: Literal["ok", "failed"] = "ok",
    error: str | None = None,
    warnings: Sequence[str] = (),
    intervals: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    control: Mapping[str, Sequence[Sequence[float]]] | None = None,
    curve: Mapping[str, EstimateRecord] | None = None,
    curve_metrics: Sequence[MetricRecord] = (),
    ablation: Ablation = "zero",
    removal: Removal = "lowest",
    allocation: str = UNIFORM,
    repair: str = NO_REPAIR,
    amount_kind: AmountKind = "fraction",
    kept: Sequence[Mapping[str, Sequence[int]]] | None = None,
    clusters: Mapping[str, Sequence[int]] | None = None,
    sketch: Sketch | None = None,
    stability: Sequence[Stability] = (),
    found: Found | None = None,
    judge: JudgeRef | None = None,
    chosen_by: JudgeRef | None = None,
    tried: Sequence[Tried] = (),
    candidate: str = "",
    responses: Responses | None = None,
) -> Result:
    """Return a result whose first metric is `values` at `amounts`.

    Parameters
    ----------
    others
        Values of the metrics after the first, by name; a tenth of the amount where not given.
    spread
        Half the difference between the losses of even and odd windows.
    intervals
        By metric, the ends at every amount; none where not given.
    control
        By metric, at every amount the numbers of the random circuits; none where not given.
    kept
        At every amount, by role, how many weights are kept in each block; empty where not given.
    """
    drawn = max((len(values) for rows in (control or {}).values() for values in rows), default=0)
    spec = RunSpec(
        scorer=PluginRef(
            name=scorer,
            title=scorer.capitalize() if title is None else title,
            options=dict(options or {}),
            distribution="sparc3-bench",
            version=scorer_version,
            source_digest="5" * 16,
        ),
        task=TaskRef(
            name=task,
            title=task.capitalize(),
            options={},
            distribution="sparc3-bench",
            version="0.1.0",
            source_digest="7" * 16,
            task_version=task_version,
        ),
        model=ModelRef(
            id=model,
            slug=model,
            label=label,
            model_type="llama",
            adapter="llama",
            weight_digest="a" * 64,
            tokenizer_digest="b" * 64,
            dtype=dtype,
            device="cpu",
        ),
        judge=judge,
        objective=objective,
        datasets=(
            _dataset("reference", f"{seed:064x}", 16),
            _dataset("evaluation", evaluation_digest, windows),
        ),
        unit=unit,
        group=group,
        schedule=schedule,
        scope=scope,
        ablation=ablation,
        removal=removal,
        allocation=allocation,
        repair=repair,
        amount_kind=amount_kind,
        amounts=tuple(amounts),
        controls=drawn,
        stability_seeds=len(stability),
        seed=seed,
    )
    points = [
        Point(
            amount=Amount(
                requested=amount,
                in_scope=_fraction(amount, amount_kind),
                in_model=0.8 * _fraction(amount, amount_kind),
                weights_removed=round(1000 * _fraction(amount, amount_kind)),
                units_removed=round(1000 * _fraction(amount, amount_kind)),
            ),
            metrics={
                metrics[0].name: value,
                **{
                    metric.name: (others or {}).get(metric.name, [a / 10 for a in amounts])[index]
                    for metric in metrics[1:]
                },
            },
            samples={
                "loss": tuple(
                    math.log(max(value, 1e-9)) + (spread if window % 2 else -spread)
                    for window in range(windows)
                )
            },
            intervals={name: ends[index] for name, ends in (intervals or {}).items()},
            control={name: tuple(rows[index]) for name, rows in (control or {}).items()},
            kept={role: tuple(row) for role, row in (kept[index] if kept else {}).items()},
        )
        for index, (amount, value) in enumerate(zip(amounts, values, strict=True))
    ]
    return Result(
        schema_version=SCHEMA_VERSION,
        key=spec.key,
        status=status,
        created=created,
        is_control=is_control,
        spec=spec,
        metrics=tuple(metrics),
        points=tuple(points) if status == "ok" else (),
        curve_metrics=tuple(curve_metrics),
        curve=dict(curve or {}),
        found=found,
        tried=tuple(tried),
        candidate=candidate,
        chosen_by=chosen_by,
        responses=responses,
        stability=tuple(stability),
        sketch=sketch,
        clusters={name: tuple(ids) for name, ids in (clusters or {}).items()},
        cost={
            "attribution": Phase(seconds=seconds, peak_bytes=peak_bytes),
            "evaluation": Phase(seconds=2 * seconds, peak_bytes=peak_bytes // 2),
        },
        environment=Environment(
            python="3.12.1",
            packages={"sparc3-bench": "0.1.0", "torch": "2.6.0"},
            platform="Linux x86_64",
            processor=processor,
            threads=2,
            memory_bytes=16_000_000_000,
            source_digest=suite_digest,
            commit=None,
            dirty=None,
        ),
        warnings=tuple(warnings),
        error=error,
    )


def make_control(seed: int, values: Sequence[float] = (20.0, 100.0), **changes: Any) -> Result:
    """Return a result of a random control."""
    changes = {"objective": None, "is_control": True, "seed": seed, **changes}
    return make_result("random", values, **changes)


def save(folder: Path, result: Result) -> Path:
    """Write `result` where it belongs below `folder`; return its relative path."""
    write_result(folder / result.spec.path, result)
    return Path(result.spec.path)


def _fraction(amount: float, kind: AmountKind) -> float:
    """Return the fraction that goes; the scope has 1000 units."""
    return amount if kind == "fraction" else amount / 1000


def _dataset(purpose: str, token_digest: str, windows: int) -> DatasetRecord:
    return DatasetRecord(
        purpose=purpose,
        source="a made-up text",
        digest="d" * 64,
        token_digest=token_digest,
        windows=windows,
        window_length=128,
        tokens=windows * 128,
        choice="evenly spaced",
    )


def in_memory(result: Result) -> Result:
    """Return a result that was read without what is said of its files."""
    return result.model_copy(update={"content_hash": None, "sample_file": None})
