"""The importance of every weight, checked, saved and loaded."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.model.weights import PrunableWeight

_BIAS, _ERROR, _SAMPLES = "#bias", "#standard-error", "#by-sample"


def checked(
    scores: ScoreMap | Mapping[str, Tensor], weights: Mapping[str, PrunableWeight], scorer: str
) -> ScoreMap:
    """Return `scores` as a ScoreMap in float32, in the order of `weights`.

    Raises
    ------
    Sparc3Error
        When a weight has no score, a score no weight, a shape is wrong or a number not finite.
    """
    score_map = scores if isinstance(scores, ScoreMap) else ScoreMap(scores)
    missing, extra = weights.keys() - score_map.keys(), score_map.keys() - weights.keys()
    if missing or extra:
        problem = f"none for '{min(missing)}'" if missing else f"one for '{min(extra)}'"
        raise Sparc3Error(
            f"Scorer '{scorer}' returned {problem}; it must score exactly model.weights()."
        )
    whole: dict[str, Tensor] = {}
    for name, weight in weights.items():
        values, shape = score_map[name].detach(), weight.matrix.shape
        if values.shape != shape:
            raise Sparc3Error(
                f"Scorer '{scorer}' returned scores for '{name}' with shape "
                f"{list(values.shape)}; expected {list(shape)} ([out_features, in_features]). "
                "Use weight.matrix, not module.weight."
            )
        values = values.float().contiguous()
        # One reduction instead of a mask: a sum is finite only if every term is.
        if not torch.isfinite(values.sum(dtype=torch.float64)):
            raise Sparc3Error(
                f"Scorer '{scorer}' returned scores for '{name}' that are not finite; "
                "accumulate in float32 and guard divisions."
            )
        whole[name] = values
    return dataclasses.replace(score_map, weights=whole)


def save_scores(scores: ScoreMap, path: Path, about: Mapping[str, Any]) -> None:
    """Write a score artefact: safetensors, with `about` as JSON in its header."""
    kinds = {
        "": scores.weights,
        _BIAS: scores.biases,
        _ERROR: scores.standard_errors,
        _SAMPLES: scores.by_sample,
    }
    tensors = {name + kind: v for kind, values in kinds.items() for name, v in values.items()}
    save_tensors(tensors, path, about)


def load_scores(path: Path) -> tuple[ScoreMap, dict[str, Any]]:
    """Read a score artefact and what was said about it when it was saved."""
    maps: dict[str, dict[str, Tensor]] = {"": {}, _BIAS: {}, _ERROR: {}, _SAMPLES: {}}
    tensors, about = load_tensors(path)
    for key, values in tensors.items():
        name, mark, kind = key.partition("#")
        maps[mark + kind][name] = values
    return ScoreMap(maps[""], maps[_BIAS], maps[_ERROR], maps[_SAMPLES]), about


def save_tensors(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors by name as safetensors, with `about` as JSON in the header."""
    whole = {name: values.contiguous() for name, values in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / "part"
        save_file(whole, part, metadata={"sparc3": json.dumps(about, sort_keys=True)})
        part.replace(path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors by name and what was said about them when they were saved."""
    with safe_open(path, framework="pt") as file:
        about = json.loads((file.metadata() or {}).get("sparc3", "{}"))
        # Not the file itself, which is no mapping.
        return {key: file.get_tensor(key) for key in file.keys()}, about  # noqa: SIM118
