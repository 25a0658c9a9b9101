"""Request: what the user asks for, as typed, and the conventions that exclude one another."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.run.environment import without_folders
from sparc3_bench.types.conventions import (
    Ablation,
    AmountKind,
    Group,
    Removal,
    Schedule,
    Scope,
    Unit,
)


@dataclass(frozen=True)
class Request:
    """What the user asks for; None means the default of the task or scorer.

    Attributes
    ----------
    scorers
        Names with the seeds to run each with.
    snapshots
        Whether to keep what scorers add up, so that more samples go on from there.
    """

    scorers: Sequence[tuple[str, Sequence[int]]]
    task: str
    model: str
    amounts: Sequence[float] | None = None
    unit: Unit = "weight"
    group: Group | None = None
    schedule: Schedule = "one-shot"
    scope: Scope = "all"
    ablation: Ablation = "zero"
    removal: Removal = "lowest"
    amount_kind: AmountKind | None = None
    controls: int = 0
    stability_seeds: int = 0
    objective: str | None = None
    scorer_options: Mapping[str, str] = field(default_factory=dict)
    task_options: Mapping[str, str] = field(default_factory=dict)
    judge: str | None = None
    judge_options: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "auto"
    device: str = "cpu"
    snapshots: bool = False

    def asked(self) -> dict[str, Any]:
        """Return what was chosen, as JSON; names of local files without their folders."""
        chosen = {}
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            empty = one.default is None or one.default_factory is not dataclasses.MISSING
            if value != one.default and not (empty and not value):
                chosen[one.name] = _plain(value)
        return chosen


def check_conventions(request: Request) -> None:
    """Refuse conventions that do not exist or do not go together.

    Raises
    ------
    Sparc3Error
        Naming the first.
    """
    for name, value, allowed in (
        ("unit", request.unit, Unit),
        ("group", request.group, Group),
        ("schedule", request.schedule, Schedule),
        ("scope", request.scope, Scope),
        ("ablation", request.ablation, Ablation),
        ("removal", request.removal, Removal),
        ("amount kind", request.amount_kind, AmountKind),
    ):
        if value is not None and value not in get_args(allowed):
            raise UnknownNameError(name, value, get_args(allowed))
    for what, number, most in (
        ("controls", request.controls, 1000),
        ("stability seeds", request.stability_seeds, 100),
    ):
        if not 0 <= number <= most:
            raise Sparc3Error(f"The number of {what} must be from 0 to {most}, got {number}.")
    if request.unit != "weight" and request.group == "row":
        raise Sparc3Error(
            f"Group 'row' ranks the weights inside one row and cannot rank units of "
            f"'{request.unit}'; choose 'layer' or 'model'."
        )
    if request.schedule == "blockwise" and (
        request.ablation != "zero"
        or request.removal != "lowest"
        or request.controls
        or request.stability_seeds
    ):
        raise Sparc3Error(
            "Schedule 'blockwise' prunes the lowest with ablation 'zero', without controls or "
            "stability seeds; choose schedule 'one-shot' for the rest."
        )
    if request.schedule == "blockwise" and request.snapshots:
        raise Sparc3Error(
            "Schedule 'blockwise' scores each block behind the pruned ones and keeps no snapshots; "
            "leave `snapshots` out, or choose schedule 'one-shot'."
        )
    if request.schedule == "blockwise" and request.group == "model":
        raise Sparc3Error(
            "Schedule 'blockwise' decides one block after the other and cannot rank the whole "
            "'model' together; choose group 'row' or 'layer', or schedule 'one-shot'."
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return without_folders(value) if isinstance(value, str) else value
