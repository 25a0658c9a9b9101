"""Masks: what is kept of a model, and put on one in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, overload

import torch

from sparc3_bench.api.allocations import allocated
from sparc3_bench.api.scoring import ModelScores
from sparc3_bench.api.subject import AnyModel, cache_of, subject_of
from sparc3_bench.attribution.scores import checked
from sparc3_bench.circuit.writer import parameter_masks, pruned_values
from sparc3_bench.comparison.phrasing import percent
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.model.masking import holding
from sparc3_bench.model.view import ModelView
from sparc3_bench.run.request import Request
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.types.conventions import UNIFORM, Removal, Unit, groups_of
from sparc3_bench.types.groups import Group, pattern_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, repr=False)
class PruningMask(Mapping[str, "Tensor"]):
    """What is kept of a model: by name of the parameter bool, True = kept, in its stored shape.

    Parameters that lose nothing are left out.

    Attributes
    ----------
    parameters
        The tensors.
    unit, group, amount
        What is removed as a whole, the set it was ranked in, and how much of it goes.
    removed, in_scope, in_model
        How many weights and entries of biases go; how many of the weights were ranked, and how many
        the model has.
    """

    parameters: Mapping[str, Tensor]
    unit: Unit
    group: Group
    amount: float
    removed: int
    in_scope: int
    in_model: int

    def __getitem__(self, name: str) -> Tensor:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        return (
            f"Mask by {self.group}, {self.unit}s: {self.removed:,} of {self.in_scope:,} weights "
            f"removed ({percent(self.removed / self.in_scope, 2)}, "
            f"{percent(self.removed / self.in_model, 2)} of the model)"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{int((~keep).sum()):,} of {keep.numel():,}</td></tr>"
            for name, keep in self.items()
        )
        head = "<tr><th></th><th>removed</th></tr>"
        return f"<p>{escape(repr(self))}</p><table>{head}{rows}</table>"


def mask(
    scores: Mapping[str, Tensor],
    amount: float | None = None,
    *,
    group: Group | None = None,
    unit: Unit = "weight",
    removal: Removal = "lowest",
    count: bool = False,
    allocation: str = UNIFORM,
    lent: Mapping[str, Mapping[str, Tensor]] | None = None,
    model: AnyModel = None,
) -> PruningMask:
    """Choose what to keep: exactly so many of the lowest scores go.

    Of ties those go that come first in the model.

    Parameters
    ----------
    scores
        What `score` returns; or by name of the matrix scores of your own,
        ``[out_features, in_features]``, with `model`.
    amount
        The fraction of each comparison group that is removed, in [0, 1]; with `count` the number of
        units of the whole model. A pattern says it by itself.
    group
        The set ranked together, or a pattern such as ``2:4``; None for the scorer's default, of
        neurons and heads `layer`, of blocks `model`.
    unit
        What is removed as a whole. A neuron's score is the sum of its rows of up and gate, a head's
        that of its columns of the attention output, a block's the sum of theirs.
    removal
        Which end of the ranking goes.
    count
        Whether `amount` counts units.
    allocation
        How much goes of each row or layer: a name of `sparc3 list allocations`, with options as
        in ``owl:width=0.1``. None that measures losses.
    lent
        By name, the scores of other scorers that the allocation looks at.
    model
        The model that scores of your own are of.

    Raises
    ------
    Sparc3Error
        For an amount that no model could have, conventions that exclude one another, or scores
        that are not of the model.

    Examples
    --------
    ::

        half = sb.mask(scores, 0.5, group="row")
        pattern = sb.mask(scores, group="2:4")
    """
    if isinstance(scores, ModelScores):
        view, usual = scores.model.blank(scores.spec.scope), scores.spec.group
        found = scores
    elif model is None:
        raise Sparc3Error(
            "These scores do not say of which model they are; give it as `model`, or make them "
            "with `sparc3_bench.score`."
        )
    else:
        view, usual = view_of(model), "row"
        found = checked(scores, view.weights(), "these")  # type: ignore[assignment]
    asked = Request(  # which says in words what is none of its choices
        scorers=[],
        task="",
        model="",
        amounts=None if amount is None else [amount],
        unit=unit,
        group=group,
        removal=removal,
    )
    amount = None if asked.amounts is None else asked.amounts[0]
    if unit != "weight":
        usual = groups_of(unit, "")[0]
    chosen: Group = group or ("model" if count else usual)
    if count and chosen != "model":
        raise Sparc3Error(
            "A count of units is taken from the whole model; choose group 'model', or give a "
            "fraction."
        )
    if amount is None and (pattern := pattern_of(chosen)) is not None:
        amount = pattern.amount
    if amount is None:
        raise Sparc3Error("Nothing says how much is removed; give an amount.")
    ranking = rankable(found, view, unit)
    kind: Literal["count", "fraction"] = "count" if count else "fraction"
    if allocation == UNIFORM:
        kept = choose(ranking, amount, unit=unit, group=chosen, removal=removal, kind=kind)
    else:
        ways = unit, chosen, kind, removal
        kept = allocated(allocation, ranking, amount, ways, view, lent)
    keep = as_mask(kept, view, unit)
    return PruningMask(
        parameter_masks(view, keep),
        unit,
        chosen,
        amount,
        removed=keep.removed + keep.removed_biases,
        in_scope=sum(weight.matrix.numel() for weight in view.weights().values()),
        in_model=view.parameters,
    )


@overload
def prune(
    model: Any,
    mask: Mapping[str, Tensor],
    *,
    in_place: Literal[False] = False,
    values: Mapping[str, Tensor] | None = None,
) -> AbstractContextManager[None]: ...


@overload
def prune(
    model: Any,
    mask: Mapping[str, Tensor],
    *,
    in_place: Literal[True],
    values: Mapping[str, Tensor] | None = None,
) -> None: ...


def prune(
    model: Any,
    mask: Mapping[str, Tensor],
    *,
    in_place: bool = False,
    values: Mapping[str, Tensor] | None = None,
) -> AbstractContextManager[None] | None:
    """Set to zero what a mask does not keep, for the time of a ``with`` block, or for good.

    On leaving the block every bit is back, whatever happened inside: the parameters hold the very
    tensors that they held before. In the meantime they take as much memory again.

    Parameters
    ----------
    model
        A transformers model in memory.
    mask
        What `mask` or `load_mask` returns: by name of the parameter bool, True = kept.
    in_place
        Write into the parameters and leave it there; nothing is returned.
    values
        New values of what is kept, as `repair` returns them.

    Raises
    ------
    Sparc3Error
        When the mask is of another model, or a parameter is quantised.

    Examples
    --------
    ::

        with sb.prune(model, mask):
            model.generate(**tokenizer("The", return_tensors="pt"))
    """
    pruned = pruned_values(model, mask, values)
    if not in_place:
        return holding(pruned)
    with torch.no_grad():
        for parameter, new in pruned:
            parameter.copy_(new)
    return None


def view_of(model: AnyModel) -> ModelView:
    """Return a model as its adapter shows it, without numbers."""
    host, folder = default_host(), cache_of(None)
    with subject_of(model, None, host, folder) as chosen:
        held = chosen.shared.models.get((chosen.name, chosen.dtype, chosen.device))
        found = held or find_model(chosen.name, host, folder, chosen.dtype, chosen.device)
        if isinstance(found, Exception):
            raise found
        return found.blank("all")
