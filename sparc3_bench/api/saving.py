"""save_pruned: a pruned model with its mask as a folder that plain transformers loads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.api.masks import PruningMask, view_of
from sparc3_bench.api.subject import AnyModel, cache_of
from sparc3_bench.circuit.folder import replacing
from sparc3_bench.circuit.prune import Pruned
from sparc3_bench.circuit.shrink import shrunk
from sparc3_bench.circuit.shrunk import compared
from sparc3_bench.circuit.writer import (
    MASK,
    check_masks,
    keep_mask,
    pruned_values,
    save_bits,
    write_model,
)
from sparc3_bench.host import default_host
from sparc3_bench.model.live import modes_kept
from sparc3_bench.model.load import find_model
from sparc3_bench.model.masking import holding

if TYPE_CHECKING:
    from torch import Tensor


def save_pruned(
    model: AnyModel,
    mask: Mapping[str, Tensor],
    folder: str | PathLike[str],
    tokenizer: Any = None,
    *,
    values: Mapping[str, Tensor] | None = None,
    shrink: bool = False,
    cache: str | PathLike[str] | None = None,
) -> Path:
    """Save a pruned model as a folder that plain transformers loads, with its mask in bits.

    The model itself stays as it is. Weights keep their number format; of a model that is named,
    that of its files.

    Parameters
    ----------
    model
        As for `score`.
    mask
        As for `prune`.
    folder
        New, empty, or one that this function or `sparc3 prune` wrote, which is replaced.
    tokenizer
        Saved with it; of a model that is named it is found beside it.
    values
        As for `prune`.
    shrink
        Cut out the neurons, heads and decoder blocks that the mask leaves empty, so that matrices
        are smaller: as many of each block as transformers' configurations say one number for all.
        What is written is run beside the masked model, and what that says is in ``pruning.json``.
    cache
        Folder for named models; None for the usual one.

    Returns
    -------
    Path
        The folder, with the model, ``mask.safetensors`` (see `load_mask`) and ``pruning.json``, the
        digest of every file.

    Raises
    ------
    Sparc3Error
        When the folder holds something else, the mask is of another model, or nothing can be cut
        out, or not to sizes that transformers builds.
    """
    folder = Path(folder)
    Pruned.kind.check_free(folder)
    check_masks(mask)
    masks = {name: keep.cpu() for name, keep in mask.items()}
    about: dict[str, Any] = {
        "removed": sum(keep.numel() - int(keep.count_nonzero()) for keep in masks.values())
    }
    if isinstance(mask, PruningMask):
        about |= {name: getattr(mask, name) for name in ("unit", "group", "amount")}
    source = None
    if isinstance(model, str | PathLike):
        found = find_model(str(model), default_host(), cache_of(cache), "float32", "cpu")
        model, source = found.load("all", found.stored_dtype).model, found.folder
        tokenizer = tokenizer or found.tokenizer
    with replacing(folder) as part:
        pruned = holding(pruned_values(model, masks, values))
        view = view_of(model) if shrink else None
        with pruned, shrunk(view, keep_mask(view, masks)) if view else nullcontext():
            write_model(model, part, tokenizer, source)
        if view:
            with modes_kept(model):
                masked = holding(pruned_values(model.eval(), masks, values))
                about["shrunk"] = asdict(compared(view, masked, part))
        save_bits(masks, part / MASK)
        Pruned.kind.write(part, about)
    return folder
