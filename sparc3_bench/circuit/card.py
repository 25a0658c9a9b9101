"""model_card: the README of a pruned model, with the front matter that hubs read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.comparison.phrasing import dataset_text, is_reference, metric_title
from sparc3_bench.host import default_host

if TYPE_CHECKING:
    from sparc3_bench.model.load import FoundModel
    from sparc3_bench.record.result import Result

_REPO = re.compile(r"[\w.-]+/[\w.-]+")


def model_card(result: Result, found: FoundModel, repo: str, told: Mapping[str, Any]) -> str:
    """Return the card of a model, at `repo` on a hub or nowhere, with what its report tells."""
    measured = [data for data in result.spec.datasets if data.purpose == "evaluation"]
    text = "; ".join(f"{dataset_text(data)} from {data.source}" for data in measured)
    name = repo.rpartition("/")[2] or f"{result.spec.model.slug}-pruned"
    return markdown_text(
        "card.md.j2",
        **told,
        name=name,
        origin=result.spec.model.id,
        evaluation=text,
        front_matter=_front_matter(result, found, name),
    )


def license_of(model_id: str, folder: Path) -> str | None:
    """Return the licence of a model as hubs write it; None where nothing says."""
    if (entry := default_host().all("model").get(model_id)) is not None:
        return str(entry.cls.licence).lower() or None
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
        told = yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    except (OSError, ValueError, IndexError, yaml.YAMLError):
        return None
    found = told.get("license") if isinstance(told, dict) else None
    return found if isinstance(found, str) else None


def _front_matter(result: Result, found: FoundModel, name: str) -> str:
    spec, point = result.spec, result.points[-1]
    is_hub = _REPO.fullmatch(found.origin) is not None and not Path(found.origin).exists()
    text = next((one for one in spec.datasets if not is_reference(one)), None)
    measured = [
        EvalResult(
            task_type="text-generation",
            dataset_type="text",
            dataset_name=text.source if text else "",
            metric_type=metric.name,
            metric_name=metric_title(metric),
            metric_value=point.metrics[metric.name],
            metric_args={"interval_95": [*ends]} if (ends := point.read(metric.name)[1]) else None,
        )
        for metric in result.metrics
    ]
    data = ModelCardData(
        base_model=found.origin if is_hub else None,
        license=license_of(spec.model.id, found.folder),
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["pruning", "sparse", "sparc3-bench", spec.scorer.name],
        metrics=[result.metrics[0].name],
        model_name=name,
        eval_results=measured,
    )
    return data.to_yaml().strip()
