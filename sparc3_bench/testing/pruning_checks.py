"""What the contracts demand of an allocation and of a repair, a function a demand."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from sparc3_bench.attribution.objectives import find_objective
from sparc3_bench.errors import PluginError, Sparc3Error, describe
from sparc3_bench.model.view import ModelView
from sparc3_bench.pruning import Allocation, GroupShares, NewValues, Repair
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.steps.allot import allotting
from sparc3_bench.run.steps.repair import check_values
from sparc3_bench.selection.allocate import allotted
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import Breach, demand
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view
from sparc3_bench.types.groups import Group
from sparc3_bench.types.masks import KeepMask

_AMOUNT, _NEAR = 0.5, 0.06
"""What is removed, and how far an allocation may be from it: groups of 32 are rounded down."""
_GROUPS: tuple[Group, ...] = ("row", "layer")


_demanded = demand(
    "a run with it stops, or measures what its record does not say",
    "compare with those that are built in, below `plugins/`",
)


@_demanded
def check_allots_what_was_asked_for(plugin: Allocation | type[Allocation]) -> None:
    """Demand a share in [0, 1] of every group, which come to the amount.

    The record says that so much was asked for, and points of a curve are compared at it.
    """
    allocation = instance_of(plugin)
    for view, group, shares in _allotments(allocation):
        where = f"on the tiny {view.adapter.name} model by {group}"
        try:
            kept = allotted(_scores(view, 0), shares, group, allocation.name)
        except Sparc3Error as error:
            raise Breach(f"{str(error).rstrip('.')}, {where}") from None
        left = torch.cat([keep.flatten() for keep in kept.values()])
        gone = 1 - float(left.float().mean())
        if abs(gone - _AMOUNT) > _NEAR:
            raise Breach(f"{gone:.3f} goes where {_AMOUNT} was asked for, {where}")


@_demanded
def check_allots_the_same_again(plugin: Allocation | type[Allocation]) -> None:
    """Demand the same shares for the same scores: runs are repeated from their records."""
    allocation = instance_of(plugin)
    for one, other in zip(_allotments(allocation), _allotments(allocation), strict=True):
        if not _same(one[2], other[2]):
            raise Breach(f"Other shares come of the same scores by {one[1]}")


@_demanded
def check_repairs_what_is_kept(plugin: Repair | type[Repair]) -> None:
    """Demand finite values that fit the model, the same again, and a model left as it was.

    A repair may refuse a model in a `Sparc3Error`, but not every one.
    """
    repair, refusals = instance_of(plugin), 0
    for architecture in ARCHITECTURES:
        found: list[NewValues] = []
        try:
            for _ in range(2):
                view = make_view(architecture)
                every = view.weights().items()
                half = {name: _numbers(weight.matrix.shape, name) > 0 for name, weight in every}
                with guarded(view, "It"):
                    found.append(repair.repair(view, KeepMask(half), make_reference(4)))
                check_values(found[-1], view, repair.name)
        except PluginError as error:
            raise Breach(str(error).rstrip(".")) from None
        except Sparc3Error:
            refusals += 1
            continue
        except Exception as error:  # a stranger's code may raise anything
            told = f"On the tiny {architecture} model it fails with {describe(error)}"
            raise Breach(told) from error
        if not all(_same(getattr(found[0], n), getattr(found[1], n)) for n in vars(found[0])):
            raise Breach(f"Other values come of the same model {architecture}")
    if refusals == len(ARCHITECTURES):
        raise Breach("It refuses every tiny model")


def _allotments(allocation: Allocation) -> Iterator[tuple[ModelView, Group, GroupShares]]:
    """Ask an allocation about every tiny model, by row and by layer."""
    for architecture in ARCHITECTURES:
        view = make_view(architecture)
        lent = {name: _scores(view, n) for n, name in enumerate(allocation.scorers, 1)}
        for group in _GROUPS:
            asked = allotting(
                allocation, _AMOUNT, _scores(view, 0), group, view, lent, _loss(view, group)
            )
            try:
                yield view, group, allocation.shares(asked)
            except Exception as error:  # a stranger's code may raise anything
                told = f"On the tiny {architecture} model by {group} it fails with"
                raise Breach(f"{told} {describe(error)}") from error


def _loss(view: ModelView, group: Group) -> Callable[[GroupShares], float]:
    batch = next(make_reference(2, batch_size=2).batches(view.device))
    objective = find_objective("loss")

    def loss(shares: GroupShares) -> float:
        kept = allotted(_scores(view, 0), shares, group, "this")
        with torch.no_grad(), view.masked(KeepMask(kept)):
            return float(objective(view.forward(batch), batch))

    return loss


def _scores(view: ModelView, seed: int) -> dict[str, Tensor]:
    return {
        name: _numbers(weight.matrix.shape, f"{seed}/{name}").abs()
        for name, weight in view.weights().items()
    }


def _numbers(shape: torch.Size, name: str) -> Tensor:
    drawn = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=drawn)


def _same(one: Mapping[str, Tensor | float], other: Mapping[str, Tensor | float]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(torch.as_tensor(value), torch.as_tensor(other[name]))
        for name, value in one.items()
    )
