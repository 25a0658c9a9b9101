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
    """Yield name, weights and XᵀX + λ of every matrix that loses something, float64.

    Parameters
    ----------
    model, keep, reference
        As of a repair.
    damping
        λ as a fraction of the mean diagonal of XᵀX. Features that are always zero count as 1.
    """
    grams: dict[str, Tensor] = {}
    first: dict[str, str] = {}
    last: tuple[str, Tensor] | None = None
    repeated = {name for name, weight in model.weights().items() if weight.sharing}

    def add(name: str, inputs: Tensor) -> None:
        nonlocal last
        if name not in keep.weights:
            return
        # Of matrices in a row that read the same, the first one's are kept.
        if name not in first:
            is_same = last is not None and last[1] is inputs and name not in repeated
            first[name] = last[0] if last is not None and is_same else name
        if name not in repeated:
            last = (first[name], inputs)
        if first[name] == name:
            found = (inputs.T @ inputs).double()
            grams[name] = grams[name].add_(found) if name in grams else found

    with model.observe(add):
        model.run(reference)
    for name, weight in model.weights().items():
        if name in keep.weights:
            gram = grams[first[name]].clone()
            diagonal = gram.diagonal()
            dead = diagonal == 0
            diagonal += damping * diagonal.mean()
            diagonal[dead] = 1
            yield name, weight.matrix.double(), gram
