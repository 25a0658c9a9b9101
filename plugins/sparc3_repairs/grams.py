"""XᵀX of the inputs of every matrix, which repairs that keep outputs rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


def of_each(
    model: ModelView, keep: KeepMask, reference: ReferenceSamples, damping: float
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield name, weights and XᵀX + λ of every matrix that loses something.

    Parameters
    ----------
    model, keep, reference
        As of a repair.
    damping
        λ as a fraction of the mean diagonal of XᵀX. Features that are always zero count as 1.
    """
    from sparc3_bench import InputGrams, damp

    grams = InputGrams(model)

    def add(name: str, inputs: Tensor) -> None:
        if name in keep.weights:
            grams.add(name, inputs)

    with model.observe(add):
        model.run(reference)
    whole: dict[str, Tensor] = {}
    for name, weight in model.weights().items():
        if name in keep.weights:
            first = grams.first[name]
            if first not in whole:
                lower = grams.lower.pop(first)
                damp(lower, damping)
                whole[first] = lower.tril() + lower.tril(-1).T
            yield name, weight.matrix.to(model.widest), whole[first]
