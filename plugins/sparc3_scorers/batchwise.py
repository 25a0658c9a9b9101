"""Reference samples a batch at a time, for scorers that look at what is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench import Batch, ReferenceSamples


def batchwise(reference: ReferenceSamples) -> Iterator[tuple[ReferenceSamples, Batch]]:
    """Yield the samples of each batch, and the batch that they become, on the host."""
    for some in reference.together():
        # The progress of all, not of this part.
        part = replace(reference.part(some.start, some.stop), progress=lambda *_: None)
        (batch,) = part.batches()
        yield part, batch
        reference.progress(some.stop, len(reference.samples))
