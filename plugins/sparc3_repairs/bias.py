"""Bias correction: biases make up for the mean of what is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import NewValues, Repair, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


class BiasCorrection(Repair):
    """b ← b + Σ w · mean(x) over what is removed, x its input over all tokens [an2024flap].

    Notes
    -----
    The mean output of every matrix stays as it was. Matrices without a bias stay as they are, as
    plain transformers has no place for one; a model that has none is refused.
    """

    name = "bias"
    title = "Bias correction"
    citation = "an2024flap"
    needs_biases = True

    def repair(self, model: ModelView, keep: KeepMask, reference: ReferenceSamples) -> NewValues:
        """Return the new biases."""
        weights = {n: w for n, w in model.weights().items() if n in keep.weights}
        sums: dict[str, Tensor] = {}
        tokens: dict[str, int] = {}

        def add(name: str, inputs: Tensor) -> None:
            sums[name] = sums.get(name, 0) + inputs.double().sum(0)
            tokens[name] = tokens.get(name, 0) + len(inputs)

        with model.observe(add):
            model.run(reference)
        found = {}
        for name, weight in weights.items():
            if weight.bias is not None:
                gone = weight.matrix.double().masked_fill(keep.weights[name], 0)
                bias = weight.bias.double() + gone @ (sums[name] / tokens[name])
                found[name] = bias.to(weight.bias.dtype)
        return NewValues(biases=found)


@hookimpl
def sparc3_register_repairs() -> list[type[Repair]]:
    """Register the repair."""
    return [BiasCorrection]
