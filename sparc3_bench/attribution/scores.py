"""The importance of every weight: checked, and as tensors of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.weights import widest
from sparc3_bench.types.lazy import Lazy
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.model.weights import PrunableWeight

_MARKS = {
    "": "weights",
    "#bias": "biases",
    "#standard-error": "standard_errors",
    "#by-sample": "by_sample",
}
"""What stands behind a name in a file, and where that is in a ScoreMap."""


def checked(
    scores: ScoreMap | Mapping[str, Tensor], weights: Mapping[str, PrunableWeight], scorer: str
) -> ScoreMap:
    """Return `scores` as a ScoreMap in float32, in the order of `weights`.

    Raises Sparc3Error when it is no mapping, a weight has no score, a score no weight, or a score
    is no dense tensor of real, finite numbers in the shape of the weight.
    """
    if not isinstance(scores, Mapping):
        raise Sparc3Error(
            f"Scorer '{scorer}' returned {_kind(scores)}; it must return by name of the matrix "
            "the scores of each of model.weights()."
        )
    score_map = scores if isinstance(scores, ScoreMap) else ScoreMap(scores)
    missing, extra = weights.keys() - score_map.keys(), score_map.keys() - weights.keys()
    if missing or extra:
        problem = f"none for '{min(missing)}'" if missing else f"one for '{min(extra)}'"
        raise Sparc3Error(
            f"Scorer '{scorer}' returned {problem}; it must score exactly model.weights()."
        )
    made = score_map.weights
    fitting = ((n, _fitting(made[n], one.matrix.shape, n, scorer)) for n, one in weights.items())
    if isinstance(made, Lazy):
        for _ in fitting:  # one in memory at a time
            pass
        whole: Mapping[str, Tensor] = Lazy(weights, lambda name: _plain(made[name]))
    else:
        whole = dict(fitting)
    return dataclasses.replace(score_map, weights=whole)


def _plain(values: Tensor) -> Tensor:
    return values.detach().float().contiguous()


def _fitting(values: Any, shape: torch.Size, name: str, scorer: str) -> Tensor:
    """Return the scores of a matrix in float32; refuse what are none."""
    if not _is_plain(values):
        raise Sparc3Error(
            f"Scorer '{scorer}' returned {_kind(values)} for '{name}'; scores must be a dense "
            "tensor of real numbers."
        )
    if values.shape != shape:
        raise Sparc3Error(
            f"Scorer '{scorer}' returned scores for '{name}' with shape "
            f"{list(values.shape)}; expected {list(shape)} ([out_features, in_features]). "
            "Use weight.matrix, not module.weight."
        )
    found = _plain(values)
    # One reduction instead of a mask: a sum is finite only if every term is.
    if not torch.isfinite(found.sum(dtype=widest(found.device))):
        raise Sparc3Error(
            f"Scorer '{scorer}' returned scores for '{name}' that are not finite; "
            "accumulate in float32 and guard divisions."
        )
    return found


def _is_plain(values: object) -> bool:
    """Return whether it is a tensor that holds numbers one by one, which have an order."""
    return (
        isinstance(values, Tensor)
        and values.layout is torch.strided
        and not (values.is_complex() or values.is_meta or values.is_quantized)
    )


def _kind(found: object) -> str:
    """Return what was found in place of scores."""
    if not isinstance(found, Tensor):
        return "nothing" if found is None else f"a {type(found).__name__}"
    told = [str(one).removeprefix("torch.") for one in (found.dtype, found.layout)]
    return f"a {told[1]} tensor of {told[0]} on {found.device}"


def to_tensors(scores: ScoreMap) -> dict[str, Tensor]:
    """Return all tensors of scores, by the names that they have in a file."""
    kinds = [(mark, getattr(scores, kind)) for mark, kind in _MARKS.items()]
    return {name + mark: values for mark, kind in kinds for name, values in kind.items()}


def from_tensors(tensors: Mapping[str, Tensor], order: Iterable[str]) -> ScoreMap:
    """Return the scores that a file holds, weights in an order of their names.

    Raises KeyError when one of those has no scores.
    """
    names: dict[str, dict[str, str]] = {kind: {} for kind in _MARKS.values()}
    for key in tensors:
        name, mark, kind = key.partition("#")
        names[_MARKS[mark + kind]][name] = key
    names["weights"] = {name: names["weights"][name] for name in order}
    return ScoreMap(**{kind: _named(tensors, keys) for kind, keys in names.items()})


def _named(tensors: Mapping[str, Tensor], keys: Mapping[str, str]) -> Mapping[str, Tensor]:
    """Return tensors by other names; those that are not read yet are not read by that."""
    if isinstance(tensors, Lazy):
        return Lazy(keys, lambda name: tensors[keys[name]])
    return {name: tensors[key] for name, key in keys.items()}
