"""What is kept in the cache between runs, each file named after all that determines it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, JsonValue
from safetensors import SafetensorError
from torch import Tensor

from sparc3_bench.assets import scores_limit
from sparc3_bench.attribution.scores import load_scores, load_tensors, save_scores, save_tensors
from sparc3_bench.record.files import write_atomically
from sparc3_bench.record.parts import Amount, Phase
from sparc3_bench.record.spec import OnDisk, RunSpec, content_key
from sparc3_bench.run.environment import LIBRARIES
from sparc3_bench.source import versions
from sparc3_bench.types.conventions import Part
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    import torch

    from sparc3_bench.incremental import State
    from sparc3_bench.types.samples import ReferenceSamples

DENSE = "dense"
"""Stands for the digest of a mask that removes nothing."""


class Evaluated(OnDisk):
    """Per-sample measurements of one model, and what they cost."""

    samples: dict[str, tuple[float, ...]]
    phase: Phase
    has_memory: bool = False
    """Whether the task wants back more of the dense model than the samples."""
    texts: Annotated[dict[str, tuple[tuple[str, ...], ...]], Field(default_factory=dict)]
    """What the model wrote."""


class Verdict(OnDisk):
    """What a judge says of texts, and what it cost."""

    scores: dict[str, tuple[tuple[float, ...], ...]]
    phase: Phase


class Kept(OnDisk):
    """What a task wants to remember of a dense model, and what making it cost."""

    value: JsonValue
    phase: Phase


class Walked(OnDisk):
    """A point of schedule `blockwise`, whose scores depend on the amount."""

    evaluated: Evaluated
    attribution: Phase
    amount: Amount
    kept: dict[str, tuple[int, ...]]


def attribution_key(spec: RunSpec, purpose: str, content: str = "") -> str:
    """Name what determines the scores, and nothing else; `content` is the reference's digest."""
    return content_key(
        {
            **_parts(spec, "scorer", "model", "objective", "scope", "seed"),
            "reference": [d for d in _parts(spec, "datasets")["datasets"] if _steers(d)],
            "content": content,
            "purpose": purpose,
            **_made_by(spec, "scorer", "task"),
        }
    )


def snapshot_keys(spec: RunSpec, purpose: str, reference: ReferenceSamples) -> list[str]:
    """Name what determines all that was added up after the first, the second, … the last sample.

    Two references have a name in common for as long as their samples are the same.
    """
    texts = [(d["source"], d["digest"]) for d in _parts(spec, "datasets")["datasets"] if _steers(d)]
    about = content_key(
        {
            **_parts(spec, "scorer", "model", "objective", "scope", "seed"),
            "texts": texts,
            "purpose": purpose,
            "variant": reference.variant,
            "reference seed": reference.seed,
            "altered": reference.alteration.name if reference.alteration else None,
            **_made_by(spec, "scorer", "task"),
        }
    )
    digest, keys = hashlib.sha256(about.encode()), []
    for index, sample in enumerate(reference.samples):
        given = (one and one[index] for one in (reference.targets, reference.starts))
        digest.update(json.dumps([sample, *given]).encode())
        keys.append(digest.hexdigest()[:24])
    return keys


def dense_key(spec: RunSpec, steering: Collection[str] = ()) -> str:
    """Name what determines the evaluation of the dense model; `steering` options do not."""
    task = _parts(spec, "task")["task"]
    options = {name: value for name, value in task["options"].items() if name not in steering}
    return content_key(
        {
            **_parts(spec, "model"),
            "task": {**task, "options": options},
            "evaluation": [d for d in _parts(spec, "datasets")["datasets"] if not _steers(d)],
            **_made_by(spec, "task"),
        }
    )


def evaluation_key(
    spec: RunSpec, part: Part, digest: str, steering: Collection[str] = (), content: str = ""
) -> str:
    """Name what determines the evaluation of a model from which a mask has removed something.

    Two masks that are the same, whoever made them, are evaluated once. Judges come later. For
    ablation `mean`, `content` is the digest of the samples that the means come from.
    """
    named = {"dense": dense_key(spec, steering), "part": part}
    return content_key(named | _removed(spec, digest, content))


def state_key(spec: RunSpec, digest: str, content: str = "") -> str:
    """Name what determines the numbers of a task on a model as it is, but for data and options.

    Parameters are those of `evaluation_key`.
    """
    task = {**_parts(spec, "task")["task"], "options": {}}
    return content_key(
        {
            **_parts(spec, "model"),
            "task": task,
            **_made_by(spec, "task"),
            **_removed(spec, digest, content),
        }
    )


def meeting_key(spec: RunSpec, name: str, steering: Collection[str]) -> str:
    """Name what determines something that a task makes of the dense model and its own data."""
    datasets = _parts(spec, "datasets")["datasets"]
    return content_key({"dense": dense_key(spec, steering), "datasets": datasets, "name": name})


def walk_key(spec: RunSpec, amount: float) -> str:
    """Name what determines one point of schedule `blockwise`."""
    named = {"dense": dense_key(spec), "amount": amount}
    named |= _parts(spec, "unit", "group", "schedule", "removal", "amount_kind")
    return content_key({**named, "attribution": attribution_key(spec, "")})


def mask_digest(keep: KeepMask) -> str:
    """Return a digest of what a mask removes: 24 hex digits, or `DENSE`."""
    if keep.removed + keep.removed_biases == 0:
        return DENSE
    digest = hashlib.sha256()
    for kind in (keep.weights, keep.biases):
        for name in sorted(kind):
            if not kind[name].all():
                digest.update(f"{name} {tuple(kind[name].shape)} ".encode())
                digest.update(np.packbits(kind[name].cpu().numpy()).tobytes())
        digest.update(b"/")
    return digest.hexdigest()[:24]


def counts_digests(kept: Mapping[str, Tensor], spec: RunSpec) -> list[str]:
    """Return digests that name the random circuits `matched` draws, without drawing them."""
    counts = {name: [list(keep.shape), int(keep.count_nonzero())] for name, keep in kept.items()}
    some = any(count for _, count in counts.values())
    named = {"counts": counts, **_parts(spec, "unit", "scope"), "rows": spec.group == "row"}
    # Where nothing is kept there is nothing to draw.
    return [content_key({**named, "seed": seed if some else None}) for seed in range(spec.controls)]


def read(model: type[OnDisk], path: Path) -> Any:
    """Return what is kept at `path`, or None; a damaged file counts as absent."""
    try:
        return model.model_validate_json(path.read_text())
    except (OSError, ValueError):
        return None


def write(value: OnDisk, path: Path) -> None:
    """Keep `value` at `path`."""
    write_atomically(path, value.model_dump_json() + "\n")


def read_scores(path: Path) -> tuple[ScoreMap, Phase] | None:
    """Return kept scores and their cost; a damaged file counts as absent."""
    try:
        scores, about = load_scores(path)
        os.utime(path)
        return scores, Phase.model_validate(about["cost"])
    except (OSError, KeyError, ValueError, SafetensorError):
        return None


def write_scores(scores: ScoreMap, path: Path, about: Mapping[str, Any]) -> None:
    """Keep scores at `path`, and of all others in its folder no more than the limit allows.

    A map has the size of the model, so they are the one thing here that fills a disk. Those not
    used for longest go first; the newest stays.
    """
    save_scores(scores, path, about)
    _make_room(path.parent)


def read_snapshot(path: Path, device: torch.device) -> tuple[State, Phase] | None:
    """Return what a scorer added up and what that cost; a damaged file counts as absent."""
    try:
        state, about = load_tensors(path)
        os.utime(path)
        # A copy: what is read lies in the file, and sums are added to in place.
        state = {name: value.to(device, copy=True) for name, value in state.items()}
        return state, Phase.model_validate(about["cost"])
    except (OSError, KeyError, ValueError, SafetensorError):
        return None


def write_snapshot(state: State, path: Path, about: Mapping[str, Any]) -> None:
    """Keep what a scorer added up beside the scores, under the same limit."""
    save_tensors(state, path, about)
    _make_room(path.parent)


def _make_room(folder: Path) -> None:
    sizes = []
    for file in folder.glob("*.safetensors"):
        with contextlib.suppress(FileNotFoundError):  # removed by another run
            seen = file.stat()
            sizes.append((seen.st_mtime_ns, seen.st_size, file))
    total = sum(size for _, size, _ in sizes)
    limit = scores_limit()
    for _, size, file in sorted(sizes)[:-1]:
        if total <= limit:
            return
        file.unlink(missing_ok=True)
        total -= size


def _removed(spec: RunSpec, digest: str, content: str) -> dict[str, str]:
    """Return what says how the model differs from the dense one."""
    named = {"mask": digest}
    if digest != DENSE and spec.ablation != "zero":
        named["ablation"] = spec.ablation
    if digest != DENSE and spec.ablation == "mean":
        named["means"] = content
    return named


def _made_by(spec: RunSpec, *plugins: Literal["scorer", "task"]) -> dict[str, Any]:
    """Return all code that some numbers rest on: the suite, the adapter, plugins, libraries."""
    named = ("suite", "adapter", *plugins)
    code = {name: spec.code.get(name) for name in named}
    return {"code": code, "libraries": versions(LIBRARIES)}


def _parts(spec: RunSpec, *names: str) -> dict[str, Any]:
    return spec.model_dump(mode="json", include=set(names))


def _steers(dataset: Mapping[str, Any]) -> bool:
    return bool(dataset["purpose"] == "reference")
