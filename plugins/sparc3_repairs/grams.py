"""XᵀX of the inputs of every matrix, which repairs that keep outputs rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


T = TypeVar("T")


def of_each(
    model: ModelView,
    keep: KeepMask,
    reference: ReferenceSamples,
    damping: float,
    make: Callable[[Tensor], T],
) -> Iterator[tuple[str, Tensor, T]]:
    """Yield name, weights and what is made of XᵀX + λ of every matrix that loses something.

    Parameters
    ----------
    model, keep, reference
        As of a repair.
    damping
        λ as a fraction of the mean diagonal of XᵀX. Features that are always zero count as 1.
    make
        Called with XᵀX + λ, ``[in_features, in_features]``, once for matrices that read the same.
    """
    from sparc3_bench import InputGrams, damp

    grams = InputGrams(model)

    def add(name: str, inputs: Tensor) -> None:
        if name in keep.weights:
            grams.add(name, inputs)

    with model.observe(add):
        model.run(reference)
    made: dict[str, T] = {}
    for first, lower in grams.each():
        damp(lower, damping)
        made[first] = make(lower.tril() + lower.tril(-1).T)
    for name, weight in model.weights().items():
        if name in keep.weights:
            yield name, weight.matrix.to(model.widest), made[grams.first[name]]
