"""Uses: what a matrix reads and gets back in one pass, sample by sample, all its uses together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Generic, TypeVar

import torch
from torch import Tensor

from sparc3_bench.model.weights import statistics_dtype

T = TypeVar("T")

Fold = Callable[[str, Tensor, Tensor], None]
"""Called with a weight's name, its inputs and the gradients of its outputs, once a sample:
``[tokens, in_features]`` and ``[tokens, out_features]``, float32 or better, without padding, not to
be changed. What is used several times, by several modules or in a loop, has the tokens of all its
uses. Weights in a row that read the same get the same inputs."""


@dataclass(frozen=True)
class Layout:
    """How the rows of a module's inputs divide into `count` samples and tokens.

    Some architectures flatten ``[samples, tokens, features]`` to two dimensions on the way. Which
    rows are tokens is `valid`, ``[samples, tokens]`` bool on the host; None where all are.
    """

    count: int
    valid: Tensor | None

    def samples(self, values: Tensor) -> Iterator[Tensor]:
        """Yield the rows ``[tokens, features]`` of one sample after the other."""
        if self.valid is None:
            yield from values.view(self.count, -1, values.shape[-1])
            return
        # One copy, cut by numbers that the host knows.
        yield from torch.split(self.tokens(values), self.valid.sum(1).tolist())

    def tokens(self, values: Tensor) -> Tensor:
        """Return the rows of all samples, ``[tokens, features]``."""
        flat = values.reshape(-1, values.shape[-1])
        if self.valid is None:
            return flat
        places = self._places.get(flat.device)
        if places is None:
            # By places, as an accelerator would have to tell how many a mask lets through.
            places = self.valid.flatten().nonzero().flatten().to(flat.device)
            self._places[flat.device] = places
        return flat[places]

    @cached_property
    def _places(self) -> dict[torch.device, Tensor]:
        return {}


@dataclass(frozen=True)
class Use:
    """One use of a matrix in one pass: its inputs and the gradients of its outputs."""

    layout: Layout
    inputs: Tensor
    gradients: Tensor


class Memo(Generic[T]):
    """What is made of the inputs of matrices, once for those in a row that read the same."""

    def __init__(self, make: Callable[[Tensor, Layout], T]) -> None:
        self._make = make
        self._last: tuple[Tensor, int, Layout, T] | None = None

    def __call__(self, inputs: Tensor, layout: Layout) -> T:
        """Return what is made of the inputs of one use."""
        # What is changed in place has another version; in inference mode none is counted.
        version = 0 if inputs.is_inference() else inputs._version
        if self._last is not None:
            before, known, where, made = self._last
            if before is inputs and known == version and where is layout:
                return made
        made = self._make(inputs, layout)
        self._last = (inputs, version, layout, made)
        return made


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return the rows of all parts; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat([*parts])


class Uses:
    """Folds what a matrix read and got back in one pass, all its uses together.

    A pass forward tells how often each matrix is used; most are used once and folded at once.
    """

    def __init__(self, fold: Fold, *, widens: bool) -> None:
        self._fold = fold
        self._of_samples = partial(_samples, widens=widens)
        self._expected: Counter[str] = Counter()
        self._waiting: dict[str, list[Use]] = {}
        self._inputs = Memo(self._of_samples)

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
        inputs = (self._inputs(use.inputs, use.layout) for use in uses)
        gradients = (self._of_samples(use.gradients, use.layout) for use in uses)
        for a, g in zip(zip(*inputs, strict=True), zip(*gradients, strict=True), strict=True):
            self._fold(name, joined(a), joined(g))


def _samples(values: Tensor, layout: Layout, *, widens: bool) -> list[Tensor]:
    """Return the rows of one sample after the other, in the format of statistics if it `widens`."""
    dtype = statistics_dtype(values) if widens else values.dtype
    return [rows.to(dtype) for rows in layout.samples(values.detach())]
