"""Batch and ReferenceSamples: the token sequences and the objective that steer the scores."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from torch import Tensor, device

    from sparc3_bench.types.model import Model


@dataclass(frozen=True)
class Batch:
    """Some samples, right-padded to one length.

    Attributes
    ----------
    input_ids
        ``[samples, tokens]``.
    attention_mask
        ``[samples, tokens]``, 1 for a token, 0 for padding.
    targets
        ``[samples, n]``, token ids that the objective speaks of, where the task gives them: the
        right answer first.
    counterpart
        ``[samples, tokens]``, token ids of a corrupted version of every sample, token by token;
        what ablation `resample` reads.
    starts
        ``[samples]``, where in each sample begins what the objective speaks of, e.g. a response
        after its prompt; the whole sample when None.
    """

    input_ids: Tensor
    attention_mask: Tensor
    targets: Tensor | None = None
    counterpart: Tensor | None = None
    starts: Tensor | None = None

    @cached_property
    def host(self) -> Batch:
        """The same on the host, where it is looked at without waiting for a device."""
        return self if self.input_ids.device.type == "cpu" else self._moved("cpu")

    def to(self, device: device | str) -> Batch:
        """Return it on a device; of one that was made on the host, nothing is read back."""
        moved = self._moved(device)
        vars(moved)["host"] = self.host
        return moved

    def _moved(self, device: device | str) -> Batch:
        there = {
            one.name: values.to(device)
            for one in dataclasses.fields(self)
            if (values := getattr(self, one.name)) is not None
        }
        return Batch(**there)

    @property
    def is_full(self) -> bool:
        """Whether there is no padding."""
        return bool(self.host.attention_mask.all())

    @property
    def rows(self) -> Tensor:
        """The index of every sample, ``[samples]``."""
        import torch

        return torch.arange(self.input_ids.shape[0], device=self.input_ids.device)

    @property
    def last(self) -> Tensor:
        """The position of the last token of every sample, ``[samples]``."""
        return self.attention_mask.shape[1] - 1 - self.attention_mask.flip(1).argmax(1)

    def corrupted(self) -> Batch:
        """Return the batch of the counterparts."""
        assert self.counterpart is not None
        found = Batch(self.counterpart, self.attention_mask, self.targets)
        if self.host is not self:
            vars(found)["host"] = self.host.corrupted()
        return found

    @property
    def labels(self) -> Tensor:
        """The next token at every position, ``[samples, tokens - 1]``; -100 where none is asked."""
        import torch

        known = (self.attention_mask[:, 1:] != 0) & (self.attention_mask[:, :-1] != 0)
        if self.starts is not None:
            positions = torch.arange(1, self.input_ids.shape[1], device=known.device)
            known &= positions[None] >= self.starts[:, None]
        return self.input_ids[:, 1:].masked_fill(~known, -100)


Objective = Callable[["Tensor", Batch], "Tensor"]
"""Logits ``[samples, tokens, vocabulary]`` and their batch to a scalar, summed over samples."""


ProductDtype = Literal["float32", "bfloat16"]
"""The number formats on whose units products of the sums over tokens are taken."""


@dataclass(frozen=True)
class Alteration:
    """A change of the model that lasts while reference samples are scored.

    Attributes
    ----------
    name
        All that it depends on; scores are kept under it.
    during
        Changes a model, and on leaving restores every bit.
    """

    name: str
    during: Callable[[Model], AbstractContextManager[None]]


@dataclass(frozen=True)
class ReferenceSamples:
    """The data that steers scoring (Wanda's "calibration set").

    Attributes
    ----------
    samples
        Token ids of each sample, at least two tokens each.
    objective
        The scalar that is attributed.
    seed
        A stochastic scorer draws from it. It is given the seed of the run, plus what the task gave.
    batch_size
        Samples run at once. Scores do not depend on it beyond rounding.
    product_dtype
        Format whose units take the products within `fold` of ``model.attribute``; sums are float32.
    progress
        Called with (samples done, samples in all).
    targets
        Token ids that the objective speaks of, equally many a sample; see `Batch`.
    starts
        Position in each sample where what the objective speaks of begins; see `Batch`.
    variant
        What sets this objective apart from another one of its name.
    alteration
        A change of the model for the time of scoring, if any.
    """

    samples: Sequence[Sequence[int]]
    objective: Objective
    seed: int = 0
    batch_size: int = 1
    product_dtype: ProductDtype = "float32"
    progress: Callable[[int, int], None] = field(default=lambda done, total: None, compare=False)
    targets: Sequence[Sequence[int]] | None = None
    starts: Sequence[int] | None = None
    variant: str = ""
    alteration: Alteration | None = None

    def __post_init__(self) -> None:
        if not self.samples or min(len(sample) for sample in self.samples) < 2:
            raise Sparc3Error(
                "Reference samples must be at least one sequence of two tokens or more; "
                "give more or longer text."
            )

    @property
    def digest(self) -> str:
        """SHA-256 of what is attributed and in which model, but for the objective's code."""
        altered = self.alteration.name if self.alteration else None
        content = [self.samples, self.targets, self.starts, self.variant, self.seed, altered]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def part(self, start: int, stop: int | None = None) -> ReferenceSamples:
        """Return the samples from `start` on, up to and without `stop`; all else is the same."""
        chosen = slice(start, stop)
        return dataclasses.replace(
            self,
            samples=self.samples[chosen],
            targets=None if self.targets is None else self.targets[chosen],
            starts=None if self.starts is None else self.starts[chosen],
        )

    def altering(self, model: Model) -> AbstractContextManager[None]:
        """Make the model the one that these samples are scored on."""
        return self.alteration.during(model) if self.alteration else nullcontext()

    def batches(self, device: device | str = "cpu") -> Iterator[Batch]:
        """Yield the samples in order, `batch_size` at a time, reporting progress."""
        import torch

        total = len(self.samples)
        for start in range(0, total, self.batch_size):
            chosen = [torch.tensor(ids) for ids in self.samples[start : start + self.batch_size]]
            input_ids = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True)
            lengths = torch.tensor([len(ids) for ids in chosen])
            mask = (torch.arange(input_ids.shape[1])[None] < lengths[:, None]).long()
            targets, starts = (
                None if given is None else torch.tensor(given[start : start + self.batch_size])
                for given in (self.targets, self.starts)
            )
            yield Batch(input_ids, mask, targets, starts=starts).to(device)
            self.progress(min(start + self.batch_size, total), total)
