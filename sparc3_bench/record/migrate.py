"""Migrations: a record of an earlier schema as the current one, one function a step."""

from __future__ import annotations

import copy
from typing import Any

from sparc3_bench.record.spec import content_key

Record = dict[str, Any]


def migrated(record: Record) -> Record:
    """Return `record` in the newest schema; one that is no record, or newest, as it is.

    Numbers are never changed. Fields that enter the key change it, so the file's name changes too.
    """
    version = record.get("schema_version")
    while type(version) is int and version in _STEPS:
        try:
            record = _STEPS[version](copy.deepcopy(record))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            return record  # not what it says it is; the schema will say where
        version += 1
        record["schema_version"] = version
    return record


def _from_1(record: Record) -> Record:
    """Ablation, removal, counts, controls and intervals came; runs before had one choice each."""
    spec = record["spec"]
    was_right = record["key"] == content_key(spec)
    came = {
        "ablation": "zero",
        "removal": "lowest",
        "amount_kind": "fraction",
        "controls": 0,
        "stability_seeds": 0,
    }
    if came.keys() & spec.keys():
        raise KeyError("a field that schema 1 does not have")
    spec |= came
    for dataset in spec["datasets"]:
        dataset["item"] = "window"
    for point in record["points"]:
        point["intervals"] = {}
        amount = point["amount"]
        amount["units_removed"] = amount["weights_removed"] if spec["unit"] == "weight" else None
    if was_right:
        record["key"] = content_key(spec)
    return record


def _from_2(record: Record) -> Record:
    """Judges of texts came; no run before had any."""
    spec = record["spec"]
    was_right = record["key"] == content_key(spec)
    if "judge" in spec:
        raise KeyError("a field that schema 2 does not have")
    spec["judge"] = None
    if was_right:
        record["key"] = content_key(spec)
    return record


def _from_3(record: Record) -> Record:
    """Add the origin; samples are moved to a file of their own when the record is written."""
    if {"content_hash", "origin", "sample_file"} & record.keys():
        raise KeyError("a field that schema 3 does not have")
    if record.get("chosen_by"):
        record["origin"] = "replayed"
    return record


def _from_4(record: Record) -> Record:
    """Metrics without a better end, and notes beside numbers, came; no run before had any."""
    metrics = [*record["metrics"], *record.get("curve_metrics", ())]
    if any(metric["direction"] == "neither" for metric in metrics):
        raise ValueError("a direction that schema 4 does not have")
    if any("note" in estimate for estimate in record.get("curve", {}).values()):
        raise KeyError("a field that schema 4 does not have")
    return record


def _from_5(record: Record) -> Record:
    """Digests of all code, scales, and comparisons with controls came; keys stay as they are."""
    metrics = [*record["metrics"], *record.get("curve_metrics", ())]
    numbers = [*record["points"], *record.get("curve", {}).values()]
    came = [record["spec"].keys() & {"code"}]
    came += [metric.keys() & {"scale", "clusters"} for metric in metrics]
    came += [number.keys() & {"versus"} for number in numbers]
    came += [data.keys() & {"begin"} for data in record["spec"]["datasets"]]
    if any(came):
        raise KeyError("a field that schema 5 does not have")
    return record


_STEPS = dict(enumerate((_from_1, _from_2, _from_3, _from_4, _from_5), 1))
