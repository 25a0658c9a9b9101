"""Resolve: what a request comes to by itself: plugins with their options, amounts, the group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sparc3_bench.combined import lenders_of
from sparc3_bench.contracts import Scorer, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import PluginHost, Registered
from sparc3_bench.run.options import build, check_scorer_options, chosen, limited, meant_for
from sparc3_bench.run.request import Request, amounts_of, check_conventions
from sparc3_bench.selection.allocate import check_divided
from sparc3_bench.selection.select import check_amount
from sparc3_bench.types.conventions import NO_REPAIR, UNIFORM, AmountKind, groups_of
from sparc3_bench.types.groups import Group, pattern_of


@dataclass(frozen=True)
class Resolved:
    """What a request comes to by itself, before model and data are looked at."""

    task_entry: Registered
    task: Task
    scorers: tuple[tuple[Registered, Scorer], ...]
    amounts: tuple[float, ...]
    amount_kind: AmountKind
    group: Group | None
    """None for the default of each scorer."""
    beside: Mapping[str, tuple[Registered, Any]]
    """By kind, the allocation and the repair, where they are not the usual ones."""
    lenders: Mapping[str, tuple[Registered, Scorer]]
    """By name, the scorers that the allocation, or a scorer, looks at; with default options."""
    limit: int | None
    """How many samples of each kind there are at most, where some are left out."""


def resolve(request: Request, host: PluginHost) -> Resolved:
    """Resolve names, options and conventions of a request.

    Raises Sparc3Error with one sentence about the first thing that is wrong.
    """
    task_entry = host.get("task", request.task)
    task, limit = limited(build("task", task_entry.cls, request.task_options), request.limit)
    scorers = tuple(_scorer(name, request, host) for name, _ in request.scorers)
    check_scorer_options(request.scorer_options, [scorer for _, scorer in scorers])
    check_conventions(request)
    amounts, kind = _amounts(request, task)
    beside = {
        name: chosen(name, text, host)
        for name, usual in (("allocation", UNIFORM), ("repair", NO_REPAIR))
        if (text := getattr(request, name)) != usual
    }
    group, lent = _group(request, kind), list[str]()
    if "allocation" in beside:
        groups = {group or one.default_group for _, one in scorers}
        check_divided(request.allocation, groups, kind, request.removal)
        lent += beside["allocation"][1].scorers
    lenders = _lenders([scorer for _, scorer in scorers], lent, host)
    return Resolved(task_entry, task, scorers, amounts, kind, group, beside, lenders, limit)


def _amounts(request: Request, task: Task) -> tuple[tuple[float, ...], AmountKind]:
    """Return the amounts of a request, with those that the curve must have, and their kind."""
    asked, counts = request.amounts, task.counts.get(request.unit)
    kind = request.amount_kind or ("count" if asked is None and counts else "fraction")
    if asked is None and kind == "count":
        if counts is None:
            raise Sparc3Error("Counts of units must be given; name them with `--amounts`.")
        asked = counts
    if kind == "fraction" and (pattern := pattern_of(request.group)) is not None:
        return amounts_of(pattern, request, task), kind
    if asked is None and request.removal == "highest":
        asked = [float(1 - Fraction(repr(float(amount)))) for amount in task.amounts]
    amounts = checked_amounts(asked if asked is not None else task.amounts, kind)
    if task.needs_empty and kind == "count":
        raise Sparc3Error(
            f"Task '{task.name}' measures up to the model without its scope and takes fractions; "
            "leave `--count` out."
        )
    return (*amounts, 1.0) if task.needs_empty and amounts[-1] < 1 else amounts, kind


def _group(request: Request, kind: AmountKind) -> Group | None:
    """Return the comparison group; None for the scorer's default."""
    if kind == "count":
        if request.schedule == "blockwise":
            raise Sparc3Error(
                "Schedule 'blockwise' decides one block after the other and cannot count units of "
                "the whole model; give fractions, or choose schedule 'one-shot'."
            )
        if request.group not in (None, "model"):
            raise Sparc3Error(
                "A count of units is taken from the whole model; choose `--group model`, or give "
                "fractions."
            )
        return "model"
    usual = None if request.unit == "weight" else groups_of(request.unit, "")[0]
    return request.group or usual


def checked_amounts(amounts: Sequence[float], kind: AmountKind = "fraction") -> tuple[float, ...]:
    """Return amounts sorted, with 0 added so that the dense model is on the curve.

    Raises Sparc3Error for an amount that no model could have.
    """
    for amount in amounts:
        check_amount(amount, kind)
    return tuple(sorted({0.0, *map(float, amounts)}))


def _lenders(
    scorers: Iterable[Scorer], names: Iterable[str], host: PluginHost
) -> dict[str, tuple[Registered, Scorer]]:
    """Return those of the names, and those that they and other scorers are combined of.

    Raises Sparc3Error when a scorer is combined of one that combines others itself.
    """

    def made(name: str) -> tuple[Registered, Scorer]:
        entry = host.get("scorer", name)
        return entry, build("scorer", entry.cls, {})

    found = {name: made(name) for name in names}
    for whole in [*scorers, *(one for _, one in found.values())]:
        for name in lenders_of(whole):
            found[name] = made(name)
            if lenders_of(found[name][1]):
                raise Sparc3Error(
                    f"Scorer '{whole.name}' is combined of '{name}', which combines scores itself; "
                    "name what that is combined of."
                )
    return found


def _scorer(name: str, request: Request, host: PluginHost) -> tuple[Registered, Scorer]:
    entry = host.get("scorer", name)
    options = meant_for(name, entry.cls, request.scorer_options)
    return entry, build("scorer", entry.cls, options)
