"""Wanda: |W| · ‖X‖₂, the weight times the norm of the feature it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench import IncrementalScorer, Lazy, Scorer, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples, State


class Wanda(IncrementalScorer):
    """Importance = ``|W| · ‖X‖₂``, X the inputs of a matrix over all tokens [sun2024wanda, eq. 1].

    Notes
    -----
    Published with group `row` and schedule `blockwise`. The authors' code averages the squared
    norm over sequences; the constant between that and the norm over all tokens changes no ranking
    within a row, a layer, or (all matrices seeing the same tokens) the model.
    """

    name = "wanda"
    title = "Wanda"
    takes_products = False
    citation = "sun2024wanda"
    formula = "|W| · ‖X‖₂ with X the input feature over all tokens"

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the squares of inputs over tokens: of each matrix ``[in_features]``, float64."""
        last: tuple[Tensor | None, Tensor | None] = (None, None)

        def add(name: str, inputs: Tensor) -> None:
            nonlocal last
            read, squares = last
            if squares is None or read is not inputs:
                # Over batches in float64: how samples are batched is lost in rounding to float32.
                squares = inputs.square().sum(0).to(model.widest)
                last = (inputs, squares)
            state[name] = state[name] + squares if name in state else squares.clone()

        with model.observe(add):
            model.run(reference)
        return state

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return |W| · ‖X‖₂ of every weight, in [0, ∞), each matrix when it is asked for."""
        matrices = {name: weight.matrix for name, weight in model.weights().items()}
        norms = {name: squares.sqrt().float() for name, squares in state.items()}
        return Lazy(matrices, lambda name: (matrices[name] * norms[name]).abs_())


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Wanda]
