"""Gram matrices XᵀX of the inputs of matrices, which scores and repairs of outputs rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.incremental import State
    from sparc3_bench.model.view import ModelView

_STRIPE = 256
"""Rows of XᵀX that are added to at once, each stripe as far as the diagonal."""

_BETWEEN = "|"
"""Between the parts of a name in a state; in no path of a module."""


class InputGrams:
    """XᵀX of the inputs X of every matrix, kept once for those that read the same.

    Each batch is multiplied in float32 and added in the widest format of the device, float64 on
    the host: 8 bytes times the square of the number of features.

    Parameters
    ----------
    model
        The view whose matrices are observed: hand `add` to `ModelView.observe`.
    state
        What `state` of other Gram matrices returned, to go on from; its tensors are taken over.

    Attributes
    ----------
    lower
        By name ``[in_features, in_features]``, filled on and below the diagonal.
    first
        Name to the first matrix, in order of use, that reads the same inputs.
    """

    def __init__(self, model: ModelView, state: State | None = None) -> None:
        # Matrices used by several modules have inputs of their own.
        self._repeated = {name for name, weight in model.weights().items() if weight.sharing}
        self._dtype = model.widest
        self._last: tuple[str, Tensor] | None = None
        self.lower: dict[str, Tensor] = {}
        self.first: dict[str, str] = {}
        for place, value in (state or {}).items():
            kind, *names = place.split(_BETWEEN)
            if kind == "gram":
                self.lower[names[0]] = value
            else:
                self.first[names[0]] = names[1]

    def state(self) -> State:
        """Return all sums, and as empty tensors which matrix reads the inputs of which first."""
        found = {_BETWEEN.join(("gram", name)): gram for name, gram in self.lower.items()}
        return found | {
            _BETWEEN.join(("reads", name, first)): torch.zeros(0)
            for name, first in self.first.items()
        }

    def add(self, name: str, inputs: Tensor) -> None:
        """Add ``[tokens, in_features]``."""
        if name not in self.first:
            self.first[name] = self._reads(name, inputs)
        if name not in self._repeated:
            self._last = (self.first[name], inputs)
        if self.first[name] != name:
            return
        count = inputs.shape[1]
        if name not in self.lower:
            self.lower[name] = inputs.new_zeros(count, count, dtype=self._dtype)
        for start in range(0, count, _STRIPE):
            stop = start + _STRIPE
            stripe = self.lower[name][start:stop, :stop]
            stripe.add_(inputs[:, start:stop].T @ inputs[:, :stop])

    def _reads(self, name: str, inputs: Tensor) -> str:
        if self._last is None or name in self._repeated:
            return name
        first, last = self._last
        is_same = last is inputs or (last.device == inputs.device and last.equal(inputs))
        return first if is_same and bool(inputs.any()) else name


def damp(gram: Tensor, fraction: float) -> Tensor:
    """Add a fraction of the mean diagonal to the diagonal, in its place, so that it has an inverse.

    Parameters
    ----------
    gram
        ``[in_features, in_features]``, as in `InputGrams.lower`.
    fraction
        Of the mean diagonal; above 0.

    Returns
    -------
    Tensor
        Which features are always zero, ``[in_features]``; their diagonal is 1.
    """
    diagonal = gram.diagonal()
    dead = diagonal == 0
    diagonal += fraction * diagonal.mean()
    diagonal[dead] = 1
    return dead


def inverse_factor(gram: Tensor) -> Tensor:
    """Return the inverse of the Cholesky factor: L⁻¹, lower, with L Lᵀ the matrix.

    Parameters
    ----------
    gram
        ``[features, features]``, float64, read on and below the diagonal; spent on the host.

    Raises
    ------
    Sparc3Error
        When it is not positive definite.
    """
    if gram.device.type != "cpu":
        one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        found: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(gram), one, upper=False)
        return found
    from scipy.linalg import lapack

    # To LAPACK, which counts columns first, this is an upper triangle. Torch copies it, and forms
    # twice the products that the inverse of a triangle needs.
    factor, info = lapack.dpotrf(gram.numpy().T, lower=0, overwrite_a=1)
    inverse, failed = lapack.dtrtri(factor, lower=0, overwrite_c=1)
    if info or failed:
        raise Sparc3Error("The products of inputs have no factor; give a larger `damping`.")
    return torch.from_numpy(inverse.T)
