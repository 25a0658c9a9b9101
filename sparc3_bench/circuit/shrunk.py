"""A shrunk model beside the one that it was cut from: the same numbers, how fast, how large."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparc3_bench.comparison.phrasing import markdown_table
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model import checkpoint
from sparc3_bench.model.opening import open_model
from sparc3_bench.model.view import ModelView

_TOKENS, _ROUNDS = 128, 10
"""How much is run to compare two models."""
_SAME, _ALMOST = 1e-3, 0.1
"""Of the largest logit, what sums in another order may change: in float32, and in half formats."""


@dataclass(frozen=True)
class ShrunkPair:
    """A shrunk model beside the dense one that it was cut from."""

    parameters: tuple[int, int]  # how many each has, the dense one first
    # of one sample through each, the fastest of rounds that alternate: other work only slows
    tokens_per_second: tuple[float, float]
    # the largest difference of a logit from the masked model's; 0 where all bits are the same
    difference: float
    largest: float  # the largest logit of the masked model, by its absolute value
    dtype: str  # the number format that they were run in

    @property
    def told(self) -> str:
        """What the shrunk model computes and how fast, in two sentences."""
        same = (
            "are those of the masked model, which was measured, bit by bit"
            if self.difference == 0
            else f"go up to {self.largest:.3g} and differ by at most {self.difference:.1g} from "
            "those of the masked model, which was measured, as sums are taken in another order"
        )
        return (
            f"What was removed is cut out of the matrices. On the machine that wrote it, in "
            f"{self.dtype}, {_TOKENS} tokens at once went through both models in turn "
            f"{_ROUNDS} times, and the fastest counts. Its logits {same}."
        )

    def table(self, sizes: tuple[int, int]) -> str:
        """Return the numbers of both as Markdown, with the bytes of their weights on disk."""
        rows = {
            "parameters": ("{:,}", self.parameters),
            "weights on disk, MB": ("{:,.1f}", tuple(size / 1e6 for size in sizes)),
            "tokens a second": ("{:,.0f}", self.tokens_per_second),
        }
        table = [
            [what, *map(form.format, pair), f"×{pair[1] / pair[0]:.2f}"]
            for what, (form, pair) in rows.items()
        ]
        return markdown_table(["", "as it is", "shrunk", ""], table)


def compared(view: ModelView, masked: AbstractContextManager[None], folder: Path) -> ShrunkPair:
    """Run the model that lies in a folder beside the one in memory that it was cut from.

    While `masked` lasts, the dense model has zeros where the other is cut. Raises Sparc3Error when
    the other computes something else then.
    """
    model, dtype = view.model, next(view.model.parameters()).dtype
    small = open_model(folder, folder.name, dtype=dtype)[0].to(view.device).eval()
    most = getattr(view.config, "max_position_embeddings", _TOKENS)
    drawn = torch.Generator().manual_seed(0)
    ids = torch.randint(view.config.vocab_size, (1, min(_TOKENS, most)), generator=drawn)
    ids = ids.to(view.device)
    with masked:
        wanted = _logits(model, ids)
    apart, largest = float((_logits(small, ids) - wanted).abs().max()), float(wanted.abs().max())
    stored = checkpoint.stored_formats(folder, folder.name)
    exact = min(one.itemsize for one in (dtype, *stored)) > 2
    if not apart <= largest * (_SAME if exact else _ALMOST):
        raise Sparc3Error(
            f"The shrunk model computes something else than the masked one (logits up to "
            f"{largest:.3g} differ by up to {apart:.3g}), as what its modules do depends on what "
            "was cut out; leave `--shrink` out."
        )
    both, seconds = [model, small], [list[float](), list[float]()]
    for _ in range(_ROUNDS):
        seconds, both = seconds[::-1], both[::-1]  # who comes first may find the machine otherwise
        for one, took in zip(both, seconds, strict=True):
            started = time.perf_counter()
            float(_logits(one, ids)[0, -1, 0])  # waits for a device
            took.append(time.perf_counter() - started)
    dense, cut = (ids.numel() / min(took) for took in seconds)
    counts = (view.parameters, sum(one.numel() for one in small.parameters()))
    return ShrunkPair(counts, (dense, cut), apart, largest, str(dtype).removeprefix("torch."))


def _logits(model: Any, ids: Tensor) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
    return logits.float()
