"""Integrated gradients of weights: w times its mean gradient on the way from removed to whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sparc3_bench import IncrementalScorer, Scorer, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import Accumulator, ModelView, ReferenceSamples, ScoreMap, State

Combined = Literal["signed-mean", "abs-of-mean", "mean-of-abs"]
"""The aggregations that do not look into a sample."""

Quadrature = Literal["gauss-legendre", "riemann"]
"""Where on the path the integral is read: at Gauss's points, or at the ends of equal steps."""


@dataclass(frozen=True)
class IntegratedGradients(IncrementalScorer):
    """Attribution w · ∫ ∂L/∂w(αw) dα for α from 0 to 1 [sundararajan2017, eq. 1], of weights.

    All weights in scope grow together, with the biases of their matrices, from zero, where they are
    removed, to what they are. Attributions under aggregation `signed-mean` add up to what they
    explain: the mean objective of the model less that of the model without its scope.

    Parameters
    ----------
    aggregation
        How the attributions of samples are combined, `signed-mean`, `abs-of-mean` or
        `mean-of-abs`; see `Aggregation`.
    steps
        Points on the path; each costs what scorer `gradient` costs.
    quadrature
        Which points: `gauss-legendre`, or `riemann` as in [sundararajan2017, eq. 3].

    Notes
    -----
    Gradients along a path to removal were used for neurons by [yvinec2022]. Scores depend on the
    scope, as the path does. `mean-of-abs` takes sums for one sample beside those for all.
    """

    name = "integrated-gradients"
    title = "Integrated gradients"
    citation = "sundararajan2017"
    formula = "meanₛ |w · ∫₀¹ ∂Lₛ/∂w(αw) dα| with samples s and the objective L"
    # What goes a path in many steps keeps its promises in two.
    tiny_options = {"steps": 2}  # noqa: RUF012  # of the class

    aggregation: Combined = "mean-of-abs"
    steps: Annotated[int, Field(ge=1)] = 16
    quadrature: Quadrature = "gauss-legendre"

    @property
    def resumes(self) -> bool:
        """Whether samples are integrated one by one; else they go the path together."""
        return self.aggregation == "mean-of-abs"

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the attributions of samples, or those of all of them together, and count them."""
        import torch

        counted = dataclasses.replace(reference, progress=_counting(reference, self.steps))
        parts = [counted]
        if self.resumes:
            parts = [counted.part(index, index + 1) for index in range(len(counted.samples))]
        for part in parts:
            # Given away, not held: the next sample needs the room.
            self._add(state, self._integrated(model, part))
        state["parts"] = torch.tensor(int(state.get("parts", 0)) + len(parts))
        return state

    def finish(self, model: ModelView, state: State) -> ScoreMap:
        """Return the attribution of every weight and bias; in [0, ∞) unless it is signed."""
        from sparc3_bench import ScoreMap

        count = int(state.pop("parts"))
        names = [name for name in model.weights() if f"bias/{name}" in state]
        return ScoreMap(
            {name: state.pop(f"weight/{name}").div_(count) for name in model.weights()},
            {name: state.pop(f"bias/{name}").div_(count) for name in names},
        )

    def _add(self, state: State, found: ScoreMap) -> None:
        for kind, values in (("weight", found.weights), ("bias", found.biases)):
            for name, value in values.items():
                if self.aggregation != "signed-mean":
                    value.abs_()
                place = f"{kind}/{name}"
                state[place] = state[place].add_(value) if place in state else value

    def _integrated(self, model: ModelView, reference: ReferenceSamples) -> ScoreMap:
        """Return the attributions to the mean objective, signed."""
        from sparc3_bench import Accumulator

        accumulator = Accumulator(model.weights(), "signed-mean")
        for point, share in self._points():
            with model.scaled(point):
                # The accumulator takes the mean over all it is given: samples times steps.
                model.attribute(reference, _weighted(accumulator, share * self.steps))
            accumulator.flush()
        return accumulator.scores()

    def _points(self) -> list[tuple[float, float]]:
        """Return the points on the path, in (0, 1], and the share of each in the integral."""
        import numpy as np

        if self.quadrature == "riemann":
            return [((step + 1) / self.steps, 1 / self.steps) for step in range(self.steps)]
        places, shares = np.polynomial.legendre.leggauss(self.steps)
        return list(zip(((1 + places) / 2).tolist(), (shares / 2).tolist(), strict=True))


def _weighted(accumulator: Accumulator, factor: float) -> Callable[[str, Tensor, Tensor], None]:
    def fold(name: str, inputs: Tensor, gradients: Tensor) -> None:
        accumulator.fold(name, inputs, gradients * factor)

    return fold


def _counting(whole: ReferenceSamples, steps: int) -> Callable[[int, int], None]:
    """Return a `progress` for parts of equal size, to report samples times steps of the whole."""
    passed = last = 0

    def progress(done: int, total: int) -> None:
        nonlocal passed, last
        passed += done - last if done > last else done  # A smaller count is that of the next pass.
        last = done
        whole.progress(passed, steps * len(whole.samples))

    return progress


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [IntegratedGradients]
