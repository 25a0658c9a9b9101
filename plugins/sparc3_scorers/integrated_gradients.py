"""Integrated gradients of weights: w times its mean gradient on the way from removed to whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from sparc3_bench import Scorer, Sparc3Error, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import Accumulator, ModelView, ReferenceSamples, ScoreMap

Combined = Literal["signed-mean", "abs-of-mean", "mean-of-abs"]
"""The aggregations that do not look into a sample."""

Quadrature = Literal["gauss-legendre", "riemann"]
"""Where on the path the integral is read: at Gauss's points, or at the ends of equal steps."""


@dataclass(frozen=True)
class IntegratedGradients(Scorer):
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
    steps: int = 16
    quadrature: Quadrature = "gauss-legendre"

    def __post_init__(self) -> None:
        for option, allowed in (("aggregation", Combined), ("quadrature", Quadrature)):
            if (value := getattr(self, option)) not in get_args(allowed):
                raise Sparc3Error(
                    f"Option `{option}` of scorer '{self.name}' must be one of "
                    f"{', '.join(get_args(allowed))}, got '{value}'."
                )
        if self.steps < 1:
            raise Sparc3Error(
                f"Option `steps` of scorer '{self.name}' must be at least 1, got {self.steps}."
            )

    def score(self, model: ModelView, reference: ReferenceSamples) -> ScoreMap:
        """Return the attribution of every weight and bias; in [0, ∞) unless it is signed."""
        from sparc3_bench import ScoreMap

        counted = dataclasses.replace(reference, progress=_counting(reference, self.steps))
        parts = _alone(counted) if self.aggregation == "mean-of-abs" else [counted]
        weights: dict[str, Tensor] = {}
        biases: dict[str, Tensor] = {}
        for part in parts:
            # Given away, not held: the next sample needs the room.
            self._add(weights, biases, self._integrated(model, part))
        for value in (*weights.values(), *biases.values()):
            value.div_(len(parts))
        return ScoreMap(weights, biases)

    def _add(self, weights: dict[str, Tensor], biases: dict[str, Tensor], found: ScoreMap) -> None:
        for sums, values in ((weights, found.weights), (biases, found.biases)):
            for name, value in values.items():
                if self.aggregation != "signed-mean":
                    value.abs_()
                sums[name] = sums[name].add_(value) if name in sums else value

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


def _alone(reference: ReferenceSamples) -> list[ReferenceSamples]:
    """Return every sample as a reference of its own."""
    return [
        dataclasses.replace(
            reference,
            samples=[sample],
            targets=None if reference.targets is None else [reference.targets[index]],
            starts=None if reference.starts is None else [reference.starts[index]],
        )
        for index, sample in enumerate(reference.samples)
    ]


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
