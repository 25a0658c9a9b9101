"""Uses: what a matrix reads and gets back in one pass, sample by sample, all its uses together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparc3_bench.model.weights import statistics_dtype

Fold = Callable[[str, Tensor, Tensor], None]
"""Called with a weight's name, its inputs and the gradients of its outputs, once a sample:
``[tokens, in_features]`` and ``[tokens, out_features]``, float32 or better, without padding. What
is used several times, by several modules or in a loop, has the tokens of all its uses."""


@dataclass(frozen=True)
class Layout:
    """How the rows of a module's inputs divide into samples and tokens.

    Some architectures flatten ``[samples, tokens, features]`` to two dimensions on the way.
    """

    count: int
    valid: Tensor | None

    def samples(self, values: Tensor) -> Iterator[Tensor]:
        """Yield the rows ``[tokens, features]`` of one sample after the other."""
        for index, rows in enumerate(values.view(self.count, -1, values.shape[-1])):
            yield rows if self.valid is None else rows[self.valid[index]]

    def tokens(self, values: Tensor) -> Tensor:
        """Return the rows of all samples, ``[tokens, features]``."""
        flat = values.reshape(-1, values.shape[-1])
        return flat if self.valid is None else flat[self.valid.flatten()]


@dataclass(frozen=True)
class Use:
    """One use of a matrix in one pass: its inputs and the gradients of its outputs."""

    layout: Layout
    inputs: Tensor
    gradients: Tensor

    def samples(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield both of one sample after the other."""
        layout = self.layout
        return zip(layout.samples(self.inputs), layout.samples(self.gradients), strict=True)


class Uses:
    """Folds what a matrix read and got back in one pass, all its uses together.

    A pass forward tells how often each matrix is used; most are used once and folded at once.
    """

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._expected: Counter[str] = Counter()
        self._waiting: dict[str, list[Use]] = {}

    def begin(self, name: str) -> None:
        """Expect one more use of a matrix in this pass."""
        self._expected[name] += 1

    def add(self, name: str, use: Use) -> None:
        """Take one use; fold them when the last has come."""
        waiting = self._waiting.setdefault(name, [])
        waiting.append(use)
        if len(waiting) == self._expected[name]:
            self._release(name)

    def end(self) -> None:
        """Fold what waits for uses that no gradient reached, and forget the pass."""
        for name in list(self._waiting):
            self._release(name)
        self._expected.clear()

    def _release(self, name: str) -> None:
        uses = self._waiting.pop(name)
        dtype = statistics_dtype(uses[0].inputs)
        for pairs in zip(*(use.samples() for use in uses), strict=True):
            if len(pairs) == 1:  # not copied
                a, g = pairs[0]
            else:
                a, g = (torch.cat(parts) for parts in zip(*pairs, strict=True))
            self._fold(name, a.to(dtype), g.to(dtype))
