"""plan: turn a request into cells, refusing everything wrong before anything is computed."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from sparc3_bench.contracts import Group, PreparedTask, Schedule, Scope, Scorer, Task, Unit
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import PluginHost, Registered
from sparc3_bench.model.load import FoundModel, find_model, resolve_dtype
from sparc3_bench.record.spec import PluginRef, RunSpec, TaskRef
from sparc3_bench.run.options import build, for_scorer


@dataclass(frozen=True)
class Request:
    """What the user asks for; None means the default of the task or scorer.

    Attributes
    ----------
    scorers
        Names with the seeds to run each with.
    """

    scorers: Sequence[tuple[str, Sequence[int]]]
    task: str
    model: str
    amounts: Sequence[float] | None = None
    unit: Unit = "weight"
    group: Group | None = None
    schedule: Schedule = "one-shot"
    scope: Scope = "all"
    objective: str | None = None
    scorer_options: Mapping[str, str] = field(default_factory=dict)
    task_options: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "auto"
    device: str = "cpu"


@dataclass(frozen=True)
class Cell:
    """One run that is to be made."""

    spec: RunSpec
    scorer: Scorer
    prepared: PreparedTask


@dataclass(frozen=True)
class Plan:
    """All runs of a request, in order, with what they share."""

    cells: tuple[Cell, ...]
    task: Task
    model: FoundModel


def plan(request: Request, host: PluginHost, cache: Path) -> Plan:
    """Resolve a request completely: names, options, data and digests.

    Raises
    ------
    Sparc3Error
        With one sentence about the first thing that is wrong. Nothing has been computed then.
    """
    task_entry = host.get("task", request.task)
    task: Task = build("task", task_entry.cls, request.task_options)
    scorers = [_scorer(name, request, host) for name, _ in request.scorers]
    _check_scorer_options(request, scorers)
    amounts = checked_amounts(request.amounts or task.amounts)
    _check_conventions(request)
    resolve_dtype(request.dtype)
    model = find_model(request.model, host, cache, request.dtype, request.device)
    prepared: dict[int, PreparedTask] = {}

    def prepare(seed: int) -> PreparedTask:
        if seed not in prepared:
            prepared[seed] = task.prepare(model.tokenizer, model.ref.id, cache, seed)
        return prepared[seed]

    task_ref = TaskRef(**_ref(task_entry, task), task_version=task.version)
    cells = []
    for (entry, scorer), (_, seeds) in zip(scorers, request.scorers, strict=True):
        for seed in seeds:
            # Without a reference the seed moves no text, so any prepared task serves.
            ready = (
                prepare(seed)
                if scorer.needs_reference or not prepared
                else next(iter(prepared.values()))
            )
            objective = request.objective or task.default_objective
            ready.references(objective)  # refuses an unknown objective
            group = request.group or (scorer.default_group if request.unit == "weight" else "layer")
            spec = RunSpec(
                scorer=PluginRef(**_ref(entry, scorer)),
                task=task_ref,
                model=model.ref,
                objective=objective if scorer.needs_reference else None,
                datasets=tuple(
                    record
                    for record in ready.datasets
                    if scorer.needs_reference or record.purpose != "reference"
                ),
                unit=request.unit,
                group=group,
                schedule=request.schedule,
                scope=request.scope,
                amounts=amounts,
                seed=seed,
            )
            cells.append(Cell(spec, scorer, ready))
    return Plan(tuple(cells), task, model)


def checked_amounts(amounts: Sequence[float]) -> tuple[float, ...]:
    """Return sparsities sorted, with 0 added so that the dense model is on the curve.

    Raises
    ------
    Sparc3Error
        For a sparsity outside [0, 1).
    """
    for amount in amounts:
        if not (math.isfinite(amount) and 0 <= amount < 1):
            raise Sparc3Error(f"Sparsity must be at least 0 and below 1, got {amount:g}.")
    return tuple(sorted({0.0, *map(float, amounts)}))


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, without making it.

    Raises
    ------
    Sparc3Error
        Naming the folder.
    """
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if _seen(path))
    if not nearest.is_dir():
        raise Sparc3Error(f"The folder {folder} cannot be made: {nearest} is a file.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise Sparc3Error(f"The folder {folder} cannot be written to; choose another.")


def _seen(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _scorer(name: str, request: Request, host: PluginHost) -> tuple[Registered, Scorer]:
    entry = host.get("scorer", name)
    options = for_scorer(name, entry.cls, request.scorer_options)
    return entry, build("scorer", entry.cls, options)


def _check_scorer_options(request: Request, scorers: Sequence[tuple[Registered, Scorer]]) -> None:
    used = {f"{scorer.name}.{option}" for _, scorer in scorers for option in scorer.options()}
    bare = {name.partition(".")[2] for name in used}
    for name in request.scorer_options:
        if name not in used and name not in bare:
            raise UnknownNameError("scorer option", name, bare if "." not in name else used)


def _check_conventions(request: Request) -> None:
    for name, value, allowed in (
        ("unit", request.unit, Unit),
        ("group", request.group, Group),
        ("schedule", request.schedule, Schedule),
        ("scope", request.scope, Scope),
    ):
        if value is not None and value not in get_args(allowed):
            raise UnknownNameError(name, value, get_args(allowed))
    if request.unit != "weight" and request.group == "row":
        raise Sparc3Error(
            f"Group 'row' ranks the weights inside one row and cannot rank units of "
            f"'{request.unit}'; choose 'layer' or 'model'."
        )
    if request.schedule == "blockwise" and request.group == "model":
        raise Sparc3Error(
            "Schedule 'blockwise' decides one block after the other and cannot rank the whole "
            "'model' together; choose group 'row' or 'layer', or schedule 'one-shot'."
        )


def _ref(entry: Registered, plugin: Scorer | Task) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "title": plugin.title,
        "options": plugin.options(),
        "distribution": entry.origin.distribution,
        "version": entry.origin.version,
        "source_digest": entry.origin.source_digest,
    }
