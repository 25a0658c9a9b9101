"""Ensemble: the mean of the ranks that other scorers give, on the scale of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sparc3_bench import CombinedScorer, Scorer, Sparc3Error, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Ensemble(CombinedScorer):
    """Importance = mean rank of a weight under other scorers, on the scale of one of them.

    Ranks are taken inside rows or matrices and cannot be compared beyond: so each row (or matrix)
    gets the very scores that `between` gives its weights, in the order of the mean ranks. The
    others say what goes of a row, that one how much. Methods that took the mean of several circuits
    did best in a shared task [mondorf2025].

    Parameters
    ----------
    of
        The others, with ``+`` between; who is named twice counts twice.
    between
        Whose scores are put in the order of the ranks; empty: the mean ranks themselves, as shares
        of the row or matrix that are lower, in [0, 1).
    inside
        Where ranks are taken: in a `row`, or in a `layer`, which is a matrix.

    Notes
    -----
    With group `row`, and ranks inside rows, `between` changes nothing. Of equal ranks the first is
    lower.
    """

    name = "ensemble"
    title = "Ensemble"
    citation = "mondorf2025"
    formula = (
        "the k-th lowest gradient score of the row, k the place in the row by the mean rank under "
        "Wanda, gradient and LRP"
    )

    of: str = "wanda+gradient+lrp"
    between: str = "gradient"
    inside: Literal["row", "layer"] = "row"

    def __post_init__(self) -> None:
        super().__post_init__()
        if "" in self._ranked or len(self._ranked) < 2:
            raise Sparc3Error(
                "Option `of` of 'ensemble' must name two scorers or more with `+` between, got "
                f"'{self.of}'."
            )

    @property
    def scorers(self) -> tuple[str, ...]:
        """All that rank, and the one between."""
        return tuple(dict.fromkeys([*self._ranked, *filter(None, [self.between])]))

    def combine(self, lent: Mapping[str, Tensor]) -> Tensor:
        """Return the scores of one matrix."""
        import torch

        shape = next(iter(lent.values())).shape
        parts = {
            name: scores.reshape(1, -1) if self.inside == "layer" else scores
            for name, scores in lent.items()
        }
        ranks = torch.stack([_places(parts[name]) for name in self._ranked]).sum(0)
        if not self.between:
            return (ranks / len(self._ranked) / ranks.shape[1]).reshape(shape)
        ordered = parts[self.between].sort(1).values
        return ordered.gather(1, _places(ranks)).reshape(shape)

    @property
    def _ranked(self) -> list[str]:
        return self.of.split("+")


def _places(values: Tensor) -> Tensor:
    """Return the place of each in its row, the lowest first, of equal ones the first: int64."""
    import torch

    order = values.argsort(dim=1, stable=True)
    places = torch.arange(values.shape[1], device=values.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Ensemble]
