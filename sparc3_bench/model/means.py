"""What ablation `mean` reads: the mean input of every weight."""

from __future__ import annotations

from torch import Tensor

from sparc3_bench.model.ablation import Means
from sparc3_bench.model.view import ModelView
from sparc3_bench.model.weights import widest
from sparc3_bench.types.samples import ReferenceSamples


def mean_inputs(view: ModelView, reference: ReferenceSamples) -> Means:
    """Return the mean input of every weight in scope over all tokens of the reference samples."""
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, inputs: Tensor) -> None:
        total = inputs.sum(0, dtype=widest(inputs.device))
        sums[name] = sums[name] + total if name in sums else total
        counts[name] = counts.get(name, 0) + inputs.shape[0]

    with view.observe(add):
        view.run(reference)
    return {name: (total / counts[name]).float() for name, total in sums.items()}
