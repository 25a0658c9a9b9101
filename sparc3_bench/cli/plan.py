"""`sparc3 plan`: what of some runs is there, what is new, and what that costs here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.asked import asks_for_runs
from sparc3_bench.cli.defaults import take_run_file
from sparc3_bench.cli.plan_table import PlanTable, show
from sparc3_bench.errors import ModelError, RecordError, Sparc3Error, describe
from sparc3_bench.run.typed import Typed

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.run.request import Request


class Costs(Part):
    """What something costs, as far as it was tried."""

    seconds: float
    """Wall time."""
    tokens: float
    """Tokens through the model, padding included."""
    flops: float
    """Model FLOPs of those tokens, as records count them: two operations a weight of the model's
    matrices forward, four back."""
    peak_bytes: int
    """The most memory that is resident at once."""
    device_bytes: int
    """The most memory of an accelerator that is in use at once; 0 without one."""


class SharedStep(Part):
    """A new step that a run before this one makes."""

    kind: str
    """What kind of step it is."""
    made_by: str
    """The result that makes it."""


class PlannedRun(Part):
    """A run, and what it will take."""

    scorer: str
    """Name of the scorer."""
    seed: int
    """Its seed."""
    result: str
    """Where the result belongs in its folder."""
    finished: bool
    """Whether it is there."""
    there: int
    """How many of its steps are kept already."""
    new: dict[str, str]
    """By key, the kind of every step that it makes."""
    shared: dict[str, SharedStep]
    """By key, every new step that a run before it makes."""
    phases: dict[str, Costs]
    """By the phase of a record, the cost of what is new."""


class PlannedTable(Part):
    """The runs of one request."""

    asked: dict[str, Any]
    """What was asked for, before defaults."""
    model: str
    """The model."""
    shape: str | None
    """Of a model that is not here, what its figures follow from: `config.json` or `known shapes`,
    scaled from what the model of `--like` takes; null for one that is here."""
    runs: list[PlannedRun]
    """One a scorer and seed."""


class Planned(Answer):
    """What `sparc3 plan` foresees."""

    command: Literal["plan"] = "plan"
    tables: list[PlannedTable]
    """The runs, by what was asked for together."""
    cost: Costs
    """Of all that is new."""
    floor: float | None
    """Seconds in which the model alone reads those tokens; null without `--floors`."""
    not_planned: list[str]
    """What cannot be planned, and why."""


@asks_for_runs
def command(
    context: typer.Context,
    asked: Typed,
    what: Annotated[
        str | None,
        typer.Argument(
            help="A name of `sparc3 list suites`, a TOML file of your own, a result file or a "
            "folder of them. Without it the options say which run, as for `sparc3 run`.",
            is_eager=True,
            callback=take_run_file,
            autocompletion=common.completion.names_of("suite"),
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(min=0, help="An evaluation that takes longer is tried in part only."),
    ] = 20.0,
    results: Annotated[
        Path, typer.Option(help="Folder with result files; what is finished there is not new.")
    ] = Path("results"),
    floors: Annotated[
        bool, typer.Option("--floors", help="Say besides what the model alone takes for it.")
    ] = False,
    like: Annotated[
        str,
        common.named(
            "model", "The model whose figures are scaled by shape where a model is not here."
        ),
    ] = "smollm2-135m",
    cache: common.Cache = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell which steps of runs are there and which are new, and estimate what the new ones cost.

    A step that several runs need is new once. Of every kind of new step one is tried on the model
    the first time: scoring on a few reference samples, evaluation in full where it does not take
    too long; what was tried is kept. A model that is not here is planned by its shape. Exit code
    0, 1 when some runs cannot be planned, 2 for wrong input.
    """
    from sparc3_bench.graph.forecast import Cost, Forecast, Foreseen
    from sparc3_bench.run.environment import machine
    from sparc3_bench.run.plan import Shared, plan
    from sparc3_bench.run.probes import TrialPlace
    from sparc3_bench.run.recipes import run_of
    from sparc3_bench.run.results import check_writable, finished
    from sparc3_bench.run.shapes import plan_by_shape
    from sparc3_bench.run.watch import Watch

    folder, host = common.cache_folder(cache), common.installed()
    check_writable(folder)
    refused = list[str]()
    requests, done = _requests(asked, what, host, results, refused)
    watch = Watch(seconds)
    trial = TrialPlace(folder, watch)
    forecast = Forecast(trial, trial.probe, machine())
    # Of its own for each model that is not here, as one model stands for all of them.
    others = dict[str, Forecast]()
    shared, tables = Shared(), list[PlanTable]()
    for number, request in enumerate(requests, 1):
        if len(requests) > 1:
            watch.say(f"[{number}/{len(requests)}] {request.task}, {request.model}")
        try:
            try:
                cells, shapes = plan(request, host, folder, shared), None
            except ModelError:
                if (found := plan_by_shape(request, like, host, folder, shared)) is None:
                    raise
                cells, *shapes = found
                if request.model not in others:
                    trial.promised.clear()
                    others[request.model] = Forecast(trial, trial.probe, machine(), anew=True)
            only, of_model = asked.only, others[request.model] if shapes else forecast
            table = PlanTable([one for one in cells if not only or one.scorer.name in only])
            if not table.cells:
                continue
            if shapes:
                table.model, table.shape = request.model, shapes[0].source
            for cell in table.cells:
                trial.turn_to(cell, cell.scorer.name)
                is_finished = not shapes and finished(done / cell.spec.path) is not None
                table.finished.append(is_finished)
                foreseen = Foreseen() if is_finished else of_model.of(run_of(cell), cell.spec.path)
                if shapes:
                    shapes[0].scale(foreseen, shapes[1])
                table.foreseen.append(foreseen)
                if floors and not shapes and not cell.model.streams:
                    costs = table.foreseen[-1].phases.values()
                    table.floor += sum(trial.floor(cell, cost) for cost in costs)
            tables.append(table)
        except Exception as error:  # a stranger's scorer may raise anything
            why = error if isinstance(error, Sparc3Error) else f"{describe(error)}."
            refused.append(f"Task '{request.task}' on {request.model} is not planned: {why}")
    floor = sum(table.floor for table in tables) if floors else None
    if as_json and tables:
        cost, made = sum((table.cost() for table in tables), Cost()), [*map(_as_json, tables)]
        Planned(tables=made, cost=Costs.of(cost), floor=floor, not_planned=refused).tell()
    elif tables:
        show(tables, [forecast, *others.values()], floor, like)
    for sentence in dict.fromkeys(refused):
        watch.say(sentence)
    if refused:
        raise typer.Exit(1 if tables else 2)


def _requests(
    asked: Typed,
    what: str | None,
    host: PluginHost,
    results: Path,
    refused: list[str],
) -> tuple[list[Request], Path]:
    """Return what is asked for, and the folder where what is finished lies.

    Why files are no results is appended to `refused`.
    """
    from sparc3_bench.record.files import read_each
    from sparc3_bench.record.reference import all_referred
    from sparc3_bench.run.again import request_of

    path = None if what is None else Path(what)
    if path is None or path.suffix == ".toml" or not path.exists():
        requests = asked.requests(host, what)
        return [part for one in requests for part in one.parts()], results
    for name in sorted(asked.typed):
        raise Sparc3Error(
            f"`--{name.replace('_', '-')}` does not go with results, which say it themselves; "
            "leave one of them out."
        )
    read = [one for _, one in read_each(all_referred([path]), refused.append)]
    if not read:
        raise RecordError("\n".join(refused))
    requests = [
        request_of(one.spec, one.chosen_by or one.spec.judge, host, with_controls=True)
        for one in read
    ]
    return requests, path if path.is_dir() else path.parents[len(Path(read[0].spec.path).parts) - 1]


def _as_json(table: PlanTable) -> PlannedTable:
    runs = [
        PlannedRun.of(
            foreseen,
            cell.spec,
            scorer=cell.scorer.name,
            result=cell.spec.path,
            finished=is_finished,
            shared={
                key: SharedStep(kind=kind, made_by=maker)
                for key, (kind, maker) in foreseen.shared.items()
            },
            phases={name: Costs.of(cost) for name, cost in foreseen.phases.items()},
        )
        for cell, foreseen, is_finished in zip(
            table.cells, table.foreseen, table.finished, strict=True
        )
    ]
    cell = table.cells[0]
    asked = {**cell.asked, **({"model": table.model} if table.shape else {})}
    return PlannedTable(asked=asked, model=table.named, shape=table.shape, runs=runs)
