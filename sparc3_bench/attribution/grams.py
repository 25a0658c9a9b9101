"""Gram matrices XᵀX of the inputs of matrices, which scores and repairs of outputs rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.products import product_dtype, products_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc3_bench.incremental import State
    from sparc3_bench.model.view import ModelView

_STRIPE = 256
"""Rows of XᵀX that are added to at once, each stripe as far as the diagonal."""
_LEAF = 192
"""Matrices of so many rows are inverted by LAPACK at once."""

_BETWEEN = "|"
"""Between the parts of a name in a state; in no path of a module."""


class InputGrams:
    """XᵀX of the inputs X of every matrix, kept once for those that read the same.

    Each batch is multiplied in float32 and added in the widest format of the device, float64 on
    the host: a little over 4 bytes times the square of the number of features.

    Parameters
    ----------
    model
        The view whose matrices are observed: hand `add` to `ModelView.observe`.
    state
        What `state` of other Gram matrices returned, to go on from; its tensors are taken over.

    Attributes
    ----------
    first
        Name to the first matrix, in order of use, that reads the same inputs.
    """

    def __init__(self, model: ModelView, state: State | None = None) -> None:
        # Matrices used by several modules have inputs of their own.
        self._repeated = {name for name, weight in model.weights().items() if weight.sharing}
        self._formats = {
            name: str(weight.matrix.dtype).removeprefix("torch.")
            for name, weight in model.weights().items()
        }
        self._dtype = model.widest
        self._last: tuple[str, Tensor] | None = None
        # By name and first row: stripes, each as far as the diagonal goes in the last of its rows.
        self._sums: dict[str, dict[int, Tensor]] = {}
        self.first: dict[str, str] = {}
        for place, value in (state or {}).items():
            kind, name, of = place.split(_BETWEEN)
            if kind == "gram":
                self._sums.setdefault(name, {})[int(of)] = value
            else:
                self.first[name] = of

    def state(self) -> State:
        """Return all sums, and as empty tensors which matrix reads the inputs of which first."""
        found = {
            _BETWEEN.join(("gram", name, str(start))): stripe
            for name, stripes in self._sums.items()
            for start, stripe in stripes.items()
        }
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
        stripes = self._sums.setdefault(name, {})
        # What a matrix in bfloat16 reads are numbers of its units: nothing is rounded on them.
        with products_in(product_dtype(self._formats[name], inputs.device.type)):
            for start in range(0, inputs.shape[1], _STRIPE):
                stop = start + _STRIPE
                product = inputs[:, start:stop].T @ inputs[:, :stop]
                if start in stripes:
                    stripes[start].add_(product)
                else:
                    stripes[start] = product.to(self._dtype)

    def each(self) -> Iterator[tuple[str, Tensor]]:
        """Yield name and sum of every matrix that is its own first; they are spent by it.

        Each is ``[in_features, in_features]``, filled on and below the diagonal, with anything
        above.
        """
        for name in list(self._sums):
            stripes = self._sums.pop(name)
            count = max(stripe.shape[1] for stripe in stripes.values())
            lower = next(iter(stripes.values())).new_empty(count, count)
            for start, stripe in stripes.items():
                lower[start : start + len(stripe), : stripe.shape[1]] = stripe
            yield name, lower

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
        ``[in_features, in_features]``, as of `InputGrams.each`.
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
    # To LAPACK, which counts columns first, this is an upper triangle.
    return torch.from_numpy(_inverse(gram.numpy().T).T)


def _inverse(upper: NDArray[Any]) -> NDArray[Any]:
    """Return U⁻¹, upper, with UᵀU the matrix, in its place.

    By halves, as most of the work is then products of large matrices, which are faster than
    LAPACK's own factor and inverse.
    """
    from scipy.linalg import blas, lapack

    if len(upper) <= _LEAF:
        factor, info = lapack.dpotrf(upper, lower=0)
        inverse, failed = lapack.dtrtri(factor, lower=0, overwrite_c=1)
        if info or failed:
            raise Sparc3Error("The products of inputs have no factor; give a larger `damping`.")
        upper[:] = inverse
        return upper
    half = len(upper) // 2
    first, last = _inverse(upper[:half, :half]), upper[half:, half:]
    across = blas.dtrmm(1, first, upper[:half, half:], trans_a=1)
    last[:] = blas.dsyrk(-1, across, 1, last, trans=1)
    across = blas.dtrmm(-1, first, across, overwrite_b=1)
    upper[:half, half:] = blas.dtrmm(1, _inverse(last), across, side=1, overwrite_b=1)
    upper[half:, :half] = 0
    return upper
