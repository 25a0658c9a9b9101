"""RIA: a weight relative to its row and to its column, times a root of what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import Scorer, hookimpl
from sparc3_scorers.wanda import Wanda

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, State


@dataclass(frozen=True)
class Ria(Wanda):
    """Importance = ``(|w| / Σ |row| + |w| / Σ |column|) · ‖X‖₂ᵃ`` [zhang2024ria].

    The row is that of the output, the column that of the feature that w reads; X are the inputs of
    the matrix over all tokens.

    Parameters
    ----------
    power
        The exponent a; as published one half.

    Notes
    -----
    Published with group `row` and schedule `blockwise`. The permutation of channels that the
    authors add for patterns n:m is not made. Columns are those of the matrix as it is stored, so
    they are longer where a model has several in one.
    """

    name = "ria"
    title = "RIA"
    citation = "zhang2024ria"
    formula = "(|w| / Σ |row| + |w| / Σ |column|) · √‖X‖₂ with X the input feature over all tokens"

    power: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return the score of every weight, in [0, ∞); 0 in rows and columns of zeros."""
        found = {}
        for name, weight in model.weights().items():
            size = weight.matrix.float().abs()
            row, column = size.sum(1, keepdim=True), size.sum(0, keepdim=True)
            row[row == 0] = column[column == 0] = 1
            found[name] = (size / row + size / column) * (state[name] ** (self.power / 2)).float()
        return found


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Ria]
