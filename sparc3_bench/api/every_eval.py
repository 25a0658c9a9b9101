"""Every Eval Ever: finished results as records of that schema."""

from __future__ import annotations

import datetime
import hashlib
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison.phrasing import (
    convention_text,
    dataset_text,
    is_reference,
    metric_title,
    scorer_text,
)
from sparc3_bench.record.spec import canonical_json

if TYPE_CHECKING:
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.result import Result

SCHEMA = "0.3.0"
"""The version of the schema that records follow."""
_US = "sparc3-bench"
_HOW = "Student's t over independent samples, with the spread of a bootstrap of whole clusters"


def evaluation_record(result: Result, organization: str) -> tuple[str, dict[str, Any]]:
    """Return where the record of a finished result belongs in a folder of such, and the record.

    The schema wants to know which end of a number is better; one that has none is left out.
    """
    spec, versions = result.spec, result.environment.packages
    model, task = spec.model, f"{_US}-{spec.task.name}"
    developer, _, name = model.id.rpartition("/")
    moment = int(datetime.datetime.fromisoformat(result.created).timestamp())
    record = {
        "schema_version": SCHEMA,
        "evaluation_id": f"{task}/{model.id}/{moment}-{result.key}",
        "evaluation_timestamp": result.created,
        "retrieved_timestamp": str(int(time.time())),
        "source_metadata": {
            "source_name": _US,
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "other",
            "additional_details": {
                "key": result.key,
                "content_hash": result.content_hash or "",
                "origin": result.origin,
            },
        },
        "eval_library": {
            "name": _US,
            "version": versions.get(_US, "unknown"),
            "additional_details": {"source_digest": result.environment.source_digest},
        },
        "model_info": {
            "name": f"{name}, pruned by {scorer_text(spec)}",
            "id": model.id,
            **({"developer": developer} if developer else {}),
            "inference_engine": {
                "name": "transformers",
                "version": versions.get("transformers", "unknown"),
            },
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown",
                "weight_digest": model.weight_digest,
                "dtype": model.dtype,
                "scorer": spec.scorer.name,
                "scorer_options": canonical_json(spec.scorer.options),
                "scorer_version": f"{spec.scorer.distribution} {spec.scorer.version}",
                "objective": spec.objective or "",
                "seed": str(spec.seed),
                "pruning": convention_text(spec),
            },
        },
        "evaluation_results": list(_numbers(result)),
    }
    named = hashlib.sha256((result.content_hash or result.key).encode()).digest()[:16]
    file = f"{uuid.UUID(bytes=named, version=4)}.json"
    return f"data/{task}/{developer or 'unknown'}/{model.slug}/{file}", record


def _numbers(result: Result) -> Iterator[dict[str, Any]]:
    spec = result.spec
    for point in result.points:
        size = {
            "amount": point.amount.requested,
            "share_of_scope": point.amount.in_scope,
            "share_of_model": point.amount.in_model,
        }
        where = f"{point.amount.requested:g} removed"
        for metric in result.metrics:
            if metric.direction != "neither":
                yield _number(result, metric, where, size, *point.read(metric.name))
    for metric in result.curve_metrics:
        if metric.direction != "neither":
            one = result.curve[metric.name]
            amounts = {"amounts": canonical_json(spec.amounts)}
            yield _number(result, metric, "whole curve", amounts, one.value, one.interval)


def _number(
    result: Result,
    metric: MetricRecord,
    where: str,
    size: dict[str, Any],
    value: float,
    ends: tuple[float, float] | None,
) -> dict[str, Any]:
    spec = result.spec
    measured = [data for data in spec.datasets if not is_reference(data)]
    uncertainty: dict[str, Any] = {}
    if ends is not None:
        low, high = ends
        interval = {"lower": low, "upper": high, "confidence_level": 0.95, "method": _HOW}
        uncertainty["confidence_interval"] = interval
    if metric.clusters is not None:
        uncertainty["num_samples"] = metric.clusters
    return {
        "evaluation_result_id": f"{result.key}/{metric.name}/{where}",
        "evaluation_name": f"{spec.task.title}, {where}",
        "source_data": {
            "dataset_name": "; ".join(data.source for data in measured),
            "source_type": "other",
            "additional_details": {
                data.purpose: f"{dataset_text(data)}; digest of tokens {data.token_digest}"
                for data in measured
            },
        },
        "metric_config": {
            "metric_id": f"{_US}.{spec.task.name}.{metric.name}",
            "metric_name": metric_title(metric),
            "metric_unit": metric.unit,
            "metric_parameters": size,
            "lower_is_better": metric.direction == "lower",
            "additional_details": {
                "task_version": str(spec.task.task_version),
                "task_options": canonical_json(spec.task.options),
            },
        },
        "score_details": {
            "score": value,
            **({"uncertainty": uncertainty} if uncertainty else {}),
        },
    }
