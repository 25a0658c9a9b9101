"""StreamedModel: a model on this disk that does not fit into the memory that it may take."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
from dataclasses import dataclass

import torch

from sparc3_bench.errors import ModelError
from sparc3_bench.model.load import FoundModel
from sparc3_bench.model.names import stored_tensors
from sparc3_bench.model.paged import open_paged
from sparc3_bench.model.soundness import examine
from sparc3_bench.model.view import ModelView
from sparc3_bench.types.conventions import Scope

_MMAP_THRESHOLD = -3
"""From malloc.h."""
_SCORE, _MASK = 4, 1
"""Bytes of a score, and of a place in a mask in use."""


@dataclass(frozen=True)
class StreamedModel(FoundModel):
    """A model whose weights are read block by block wherever it runs."""

    streams = True

    @property
    def opening(self) -> str:
        """What `load` does, for lines of progress."""
        return f"Looking through {self.ref.id}, which is read block by block"

    def load(self, scope: Scope, dtype: torch.dtype | None = None) -> ModelView:
        """Return a view that has no weights in memory; each was looked at once.

        Raises ModelError when they cannot be read so, or a number is not finite.
        """
        with contextlib.suppress(OSError, AttributeError):  # no libc of GNU
            # What is freed goes back to the system at once, not into a heap full of holes.
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 20)
        view = open_paged(
            self.folder,
            self.ref.id,
            self.adapter,
            self.tokenizer,
            scope,
            dtype=dtype or self.dtype,
            device=self.devices.first,
        )
        examine(stored_tensors(self.folder, self.ref.id, view.model), view, self.ref.id)
        return view


def streamed_where_needed(model: FoundModel, scope: Scope, most: int) -> FoundModel:
    """Return a model as it can be run in so many bytes: whole, or read block by block.

    Whole it takes its weights, their scores, a mask, and what is left of them once more.

    Raises
    ------
    ModelError
        When it would be read block by block, and was to run on several devices.
    """
    each = model.dtype.itemsize
    ranked = sum(one.matrix.numel() for one in model.blank(scope).weights().values())
    needed = model.blank(scope).parameters * each + ranked * (_SCORE + _MASK + each)
    if needed <= most or type(model) is not FoundModel:
        return model
    if len(model.devices.names) > 1:
        raise ModelError(
            f"The model {model.ref.id} takes {needed / 1e9:.1f} GB, of {most / 1e9:.1f} GB, and "
            "what is read block by block runs on one device; name one with `--device`."
        )
    return StreamedModel(**{f.name: getattr(model, f.name) for f in dataclasses.fields(model)})
