"""plan: turn a request into cells, refusing everything wrong before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparc3_bench.combined import lenders_of
from sparc3_bench.contracts import Judge, PreparedTask, Scorer, Task
from sparc3_bench.errors import ModelError, Sparc3Error
from sparc3_bench.host import PluginHost, Registered
from sparc3_bench.model.devices import Devices
from sparc3_bench.model.load import FoundModel, find_model, resolve_dtype
from sparc3_bench.model.products import product_dtype
from sparc3_bench.model.streamed import streamed_where_needed
from sparc3_bench.record.spec import JudgeRef, PluginRef, RunSpec, TaskRef, canonical_json
from sparc3_bench.run.cell import Cell, ReadyJudge
from sparc3_bench.run.environment import RUNNER, memory_of
from sparc3_bench.run.fit import check_fit
from sparc3_bench.run.objectives import objective_for
from sparc3_bench.run.options import build, chosen_text
from sparc3_bench.run.request import Request as Request
from sparc3_bench.run.request import check_streamed
from sparc3_bench.run.resolve import Resolved, resolve
from sparc3_bench.selection.select import check_fits
from sparc3_bench.selection.units import count_units, unit_shapes
from sparc3_bench.source import code_of


@dataclass
class Shared:
    """What the plans of several requests have in common, made once."""

    models: dict[tuple[str, str, str], FoundModel | ModelError] = field(default_factory=dict)
    tasks: dict[str, PreparedTask] = field(default_factory=dict)
    judges: dict[str, ReadyJudge] = field(default_factory=dict)


def plan(
    request: Request, host: PluginHost, cache: Path, shared: Shared | None = None
) -> tuple[Cell, ...]:
    """Resolve a request completely: names, options, data and digests.

    What earlier plans have in common is used and added to. Raises Sparc3Error with one sentence
    about the first thing that is wrong. Nothing has been computed then.
    """
    found = resolve(request, host)
    task_entry, task, scorers, group = found.task_entry, found.task, found.scorers, found.group
    every = [*scorers, *found.lenders.values()]
    if request.schedule == "blockwise":
        _check_blockwise(task, (scorer for _, scorer in scorers))
    resolve_dtype(request.dtype)
    shared = shared or Shared()
    judge = _judge(request, task, host, cache, shared)
    wanted = (request.model, request.dtype, request.device)
    if wanted not in shared.models:
        try:
            shared.models[wanted] = find_model(
                request.model, host, cache, request.dtype, request.device
            )
        except ModelError as error:  # asking a hub again takes long
            shared.models[wanted] = error
    model = shared.models[wanted]
    if isinstance(model, ModelError):
        raise model
    most = request.memory or memory_of(*model.devices.names)
    model = streamed_where_needed(model, request.scope, most)
    if model.streams:
        check_streamed(request, [one for _, one in every if not lenders_of(one)])
    code = {
        "suite": code_of(RUNNER),
        "task": task_entry.code,
        "adapter": model.adapter_code(host),
        **({"judge": judge.code} if judge else {}),
        **{kind: entry.code for kind, (entry, _) in found.beside.items()},
    }
    beside = {kind: plugin for kind, (_, plugin) in found.beside.items()}
    # What many cells have in common is found out once: there may be a hundred thousand.
    ready_for: dict[int, PreparedTask] = {}
    fitting: dict[int, tuple[str, ...]] = {}
    asked = request.asked()
    task_ref = TaskRef(**_ref(task_entry, task), task_version=task.version)
    scorer_refs = {id(scorer): PluginRef(**_ref(entry, scorer)) for entry, scorer in every}
    _check_sizes(model, request, found)

    def prepare(seed: int) -> PreparedTask:
        key = canonical_json([wanted, task.name, dict(request.task_options), found.limit, seed])
        if key not in shared.tasks:
            shared.tasks[key] = task.prepare(model.tokenizer, model.ref.id, cache, seed)
        prepared = ready_for[seed] = shared.tasks[key]
        if request.ablation == "resample" and not prepared.has_counterparts:
            raise Sparc3Error(
                "Ablation 'resample' reads the inputs of corrupted prompts, which task "
                f"'{task.name}' does not have; choose 'zero' or 'mean'."
            )
        return prepared

    def cell(
        entry: Registered, scorer: Scorer, seed: int, others: int = 0, phase: str = "attribution"
    ) -> Cell:
        steered = scorer.needs_reference or request.ablation == "mean" or bool(beside)
        # Without a reference the seed moves no text, so any prepared task serves.
        ready = prepare(seed) if steered or not ready_for else next(iter(ready_for.values()))
        objective = request.objective or objective_for(scorer, task)
        references = ready.references(objective)  # refuses an unknown objective
        if id(ready) not in fitting:
            fitting[id(ready)] = check_fit(model, ready, references.values())
        borrows = any(scorer is one for _, one in scorers)  # who lends has no allocation
        allocation = beside.get("allocation") if borrows else None
        names = {*lenders_of(scorer), *(allocation.scorers if allocation else ())}
        lenders = {name: found.lenders[name] for name in sorted(names)}
        spec = RunSpec(
            scorer=scorer_refs[id(scorer)],
            task=task_ref,
            model=model.ref,
            judge=judge.ref if judge else None,
            objective=objective if scorer.needs_reference else None,
            datasets=tuple(
                record for record in ready.datasets if steered or record.purpose != "reference"
            ),
            amounts=found.amounts,
            # Noise needs no noise beside it.
            controls=0 if scorer.is_control else request.controls,
            stability_seeds=others,
            seed=seed,
            **_ways(request, scorer, model),
            limit=found.limit,
            code={**code, "scorer": entry.code}
            | {f"scorer {name}": one.code for name, (one, _) in lenders.items()},
            **request.conventions()
            | {"group": group or scorer.default_group, "amount_kind": found.amount_kind}
            | {kind: chosen_text(plugin) for kind, plugin in beside.items()},
        )
        more = [
            (seed + n, cell(entry, scorer, seed + n, 0, "stability")) for n in range(1, others + 1)
        ]
        return Cell(
            spec,
            scorer,
            task,
            ready,
            model,
            judge,
            tuple(more),
            fitting[id(ready)],
            asked,
            request.snapshots,
            phase,
            **beside,
            lenders={name: cell(*one, seed, 0, phase) for name, one in lenders.items()},
        )

    cells: list[Cell] = []
    for (entry, scorer), (_, seeds) in zip(scorers, request.scorers, strict=True):
        others = request.stability_seeds if scorer.needs_reference else 0
        cells += [cell(entry, scorer, seed, others) for seed in seeds]
    return tuple(cells)


def _check_blockwise(task: Task, scorers: Iterable[Scorer]) -> None:
    """Refuse what takes all scores of the dense model."""
    reasons = []
    if task.choice is not None:
        reasons.append(f"Task '{task.name}' chooses between amounts that were scored once")
    combined = (scorer.name for scorer in scorers if lenders_of(scorer))
    reasons += [f"Scorer '{name}' combines scores of the dense model" for name in combined]
    if task.assessment and task.assessment.every_reference:
        reasons.append(f"Task '{task.name}' compares scores of the dense model")
    for reason in reasons:
        raise Sparc3Error(f"{reason}; leave schedule 'blockwise' out.")


def _ways(request: Request, scorer: Scorer, model: FoundModel) -> dict[str, Any]:
    """Return how the reference is run and summed, where there is one to run."""
    if not scorer.needs_reference:
        return {}
    quick = product_dtype(model.ref.dtype, model.ref.device) if scorer.takes_products else "float32"
    return {"batch_size": request.batch_size, "product_dtype": request.product_dtype or quick}


def _check_sizes(model: FoundModel, request: Request, found: Resolved) -> None:
    """Refuse a scope without what is asked for: units, enough of them, a pattern's, biases."""
    total, most = count_units(model.blank(request.scope), request.unit), max(found.amounts)
    if found.amount_kind == "count" and most > total:
        raise Sparc3Error(
            f"{most:,.0f} units of '{request.unit}' cannot be removed: the scope has {total:,}."
        )
    check_fits(unit_shapes(model.blank(request.scope), request.unit), found.group)
    _, repair = found.beside.get("repair", (None, None))
    weights = model.blank(request.scope).weights().values()
    if repair and repair.needs_biases and not any(one.bias is not None for one in weights):
        raise Sparc3Error(
            f"Repair '{repair.name}' changes biases, and no matrix in scope has one; choose "
            "another repair, such as 'energy'."
        )


def _judge(
    request: Request, task: Task, host: PluginHost, cache: Path, shared: Shared
) -> ReadyJudge | None:
    if task.judging is None:
        if request.judge or request.judge_options:
            raise Sparc3Error(
                f"In task '{task.name}' there are no texts to judge; leave `--judge` out."
            )
        return None
    name = request.judge or task.judging.judge
    key = canonical_json([name, dict(request.judge_options), request.device])
    if key not in shared.judges:
        device = Devices.typed(request.device).first
        shared.judges[key] = ready_judge(name, request.judge_options, host, cache, device)
    return shared.judges[key]


def ready_judge(
    name: str, options: Mapping[str, str], host: PluginHost, cache: Path, device: str = "cpu"
) -> ReadyJudge:
    """Return a judge ready to read, on a device if it goes there, with what is recorded of it.

    Raises Sparc3Error when there is no such judge, it has no such option, or it cannot be loaded.
    """
    entry = host.get("judge", name)
    judge: Judge = build("judge", entry.cls, options)
    loaded = judge.load(cache)
    ref = JudgeRef(**_ref(entry, judge), weights_digest=loaded.digest)
    is_there = device != "cpu" and loaded.to(device)
    return ReadyJudge(ref, loaded, entry.code, device if is_there else "cpu")


def _ref(entry: Registered, plugin: Scorer | Task | Judge) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "title": plugin.title,
        "options": plugin.options(),
        "distribution": entry.origin.distribution,
        "version": entry.origin.version,
        "source_digest": entry.source_digest,
    }
