"""run: scorers on tasks, as `sparc3 run` does it, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.api.results import Results
from sparc3_bench.api.scorers import AnyScorer, given_scorers
from sparc3_bench.api.subject import AnyModel, cache_of, subject_of
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.run.executors import find_executor
from sparc3_bench.run.journal import Journal
from sparc3_bench.run.listeners import listening
from sparc3_bench.run.options import meant_for
from sparc3_bench.run.request import Request
from sparc3_bench.run.results import ResultsFolder, check_writable
from sparc3_bench.run.runner import Runner
from sparc3_bench.run.view import RunsView
from sparc3_bench.run.worker import Worker
from sparc3_bench.types.conventions import Ablation, Removal, Schedule, Scope, Unit
from sparc3_bench.types.groups import Group
from sparc3_bench.types.orders import Work

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost

_PLACE = "here"
"""The executor of this process."""


def run(
    scorers: AnyScorer | Sequence[AnyScorer],
    tasks: str | Sequence[str] = "compression",
    model: AnyModel = "smollm2-135m",
    tokenizer: Any = None,
    *,
    amounts: float | Sequence[float] | None = None,
    count: bool = False,
    unit: Unit = "weight",
    group: Group | None = None,
    schedule: Schedule = "one-shot",
    scope: Scope = "all",
    ablation: Ablation = "zero",
    removal: Removal = "lowest",
    allocation: str = "uniform",
    repair: str = "none",
    controls: int = 0,
    stability_seeds: int = 0,
    objective: str | None = None,
    seeds: int | Sequence[int] = (0,),
    scorer_options: Mapping[str, Any] | None = None,
    task_options: Mapping[str, Any] | None = None,
    judge: str | None = None,
    judge_options: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    limit: int | None = None,
    dtype: str = "auto",
    device: str = "cpu",
    memory: int | str | None = None,
    results: str | PathLike[str] = "results",
    cache: str | PathLike[str] | None = None,
    retry_failed: bool = False,
) -> Results:
    """Compare scorers on tasks: one attribution each, then every amount is removed and measured.

    Every run is a file in `results`, as `sparc3 run` writes it; what is there is not run again.

    Parameters
    ----------
    scorers
        One or several, each as for `score`: names, classes, objects, functions.
    tasks
        Names of `sparc3 list tasks`.
    model, tokenizer
        As for `score`; a model in memory takes its tokenizer.
    amounts
        Fractions removed, in [0, 1], or with `count` numbers of units, one or several; 0 is always
        added. None for those of the task.
    count
        Whether amounts are numbers of units of the whole model.
    unit, group, schedule, scope, ablation, removal, allocation, repair
        See the glossary; `group` None for the scorer's. The last two are names, with options as in
        ``owl:width=0.1``.
    controls
        How many random circuits with the same counts are measured beside each.
    stability_seeds
        With how many other reference seeds the ranking is compared.
    objective
        The scalar that is attributed; None for the scorer's, or the task's.
    seeds
        One or several; each scorer is run with all of them.
    scorer_options, task_options
        By name, or ``SCORER.NAME`` and ``TASK.NAME`` for one of several.
    judge, judge_options
        Who reads what models write, for tasks that have them write.
    batch_size
        Reference samples run at once; by default short ones together, up to 512 tokens.
    limit
        How many samples of each kind a task takes at most: windows, prompts, items. Such results
        are marked as short.
    dtype, device, memory
        As for `score`.
    results
        Folder for the result files.
    cache
        Folder for models, texts and finished steps; None for the usual one.
    retry_failed
        Whether what failed before is tried again.

    Returns
    -------
    Results
        Of all that was asked for, failed ones included, in order.

    Raises
    ------
    Sparc3Error
        When nothing can be run, with the first reason; what of several cannot be is told.

    Examples
    --------
    ::

        found = sb.run(["wanda", my_scorer], "compression", model, tokenizer, amounts=[0.5])
    """
    given = given_scorers(scorers)
    names = [tasks] if isinstance(tasks, str) else [*tasks]
    options = _options_of(names, task_options or {}, given.host)
    amounts = [amounts] if isinstance(amounts, int | float) else amounts
    seeds = [seeds] if isinstance(seeds, int) else [*seeds]
    folder, root = cache_of(cache), Path(results)
    for one in (root, folder):
        check_writable(one)
    view = RunsView(Journal(root))
    with (
        listening(view.say) as written,
        subject_of(
            model, tokenizer, given.host, folder, dtype=dtype, device=device, memory=memory
        ) as chosen,
    ):
        if chosen.live is not None and tokenizer is None:
            raise Sparc3Error(
                "Tasks take a tokenizer, and none is given with the model; give it as `tokenizer`."
            )
        requests = [
            Request(
                scorers=[(scorer, seeds) for scorer in given.names],
                task=name,
                amounts=amounts,
                amount_kind="count" if count else None if amounts is None else "fraction",
                unit=unit,
                group=group,
                schedule=schedule,
                scope=scope,
                ablation=ablation,
                removal=removal,
                allocation=allocation,
                repair=repair,
                controls=controls,
                stability_seeds=stability_seeds,
                objective=objective,
                scorer_options={**given.options, **(scorer_options or {})},
                task_options=options[name],
                judge=judge,
                judge_options=judge_options or {},
                batch_size=batch_size,
                limit=limit,
                **chosen.asked,
            )
            for name in names
        ]
        worker = Worker(Work(cache=str(folder)), view, given.host, chosen.shared)
        executor, kept = find_executor(_PLACE, {}), ResultsFolder(root, view.say, written)
        runner = Runner(executor, worker, kept, view, retry_failed=retry_failed)
        standings = runner.plan(requests)
        if refusals := [why for one in standings for why in one.refusals.values()]:
            if len(refusals) == len(standings):
                raise Sparc3Error(refusals[0])
            for text in refusals:
                view.say(text)
        for _ in runner.run(standings):
            pass
        found = [one for standing in standings for _, one in runner.results(standing)]
        reasons = [why for standing in standings for why in standing.missing.values()]
    if reasons and not found:
        raise Sparc3Error(reasons[0])
    return Results(found)


def _options_of(
    names: Sequence[str], given: Mapping[str, Any], host: PluginHost
) -> dict[str, Mapping[str, Any]]:
    """Return by task the options that are meant for it; one task takes all, and refuses some."""
    if len(names) == 1:
        return {names[0]: given}
    found = {name: meant_for(name, host.get("task", name).cls, given) for name in names}
    used = {option for some in found.values() for option in some}
    for name in given:
        if name not in used and name.partition(".")[2] not in used:
            raise UnknownNameError("task option", name, used)
    return {**found}
