"""How a model is changed: options that `sparc3 correct` and `sparc3 prune` share, and the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import ExitCode, Sparc3Error
from sparc3_bench.record.parts import Point

if TYPE_CHECKING:
    from sparc3_bench.circuit.changed import ChangedModel
    from sparc3_bench.circuit.folder import Kind
    from sparc3_bench.contracts import Task
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.cell import Cell


class ChangedAnswer(Answer):
    """A model that was changed."""

    command: Literal["correct", "prune"]
    folder: str
    """What was written."""
    has_model: bool
    """Whether a model is in it: nothing may have been better than the model as it is."""
    key: str
    """Of the result, which is in the folder."""
    dense: Point
    """The model as it is, on samples that neither steered the scores nor chose the amount."""
    point: Point
    """The changed model on the same samples, beside random removals of as many."""
    warnings: tuple[str, ...]
    """What a reader of these numbers must know."""


class Change:
    """How a change is made and measured, as typed."""

    def __init__(
        self,
        *,
        scorer: Annotated[str, typer.Option(help="Scorer that ranks what to remove.")],
        controls: Annotated[
            int, typer.Option(min=0, max=1000, help="Random removals of as many, to compare with.")
        ],
        task: Annotated[
            str | None,
            typer.Option(
                help="Task that steers and measures it; may be left out where only one that is "
                "installed fits."
            ),
        ] = None,
        scope: common.Scope = "all",
        objective: common.Objective = None,
        scorer_option: common.ScorerOptions = [],  # noqa: B006  # typer wants a list
        task_option: common.TaskOptions = [],  # noqa: B006
        seed: Annotated[
            int, typer.Option(help="Seed of the reference samples and the scorer.")
        ] = 0,
        dtype: common.Dtype = "auto",
        device: common.Device = "cpu",
        batch_size: common.BatchSize = None,
        cache: common.Cache = None,
        as_json: JsonFlag = False,
    ) -> None:
        from sparc3_bench.run.options import parse_pairs
        from sparc3_bench.run.place import Place
        from sparc3_bench.run.plan import Shared
        from sparc3_bench.run.progress import Reporter

        self.host, self.scorer, self.task, self.as_json = common.installed(), scorer, task, as_json
        self._cache, self._shared, reporter = common.cache_folder(cache), Shared(), Reporter()
        self.place, self.say = Place(self._cache, reporter), reporter.say
        self.task_options = parse_pairs(task_option)
        self._asked = {
            "scorers": [(scorer, [seed])],
            "scorer_options": parse_pairs(scorer_option),
            "controls": controls,
            "scope": scope,
            "objective": objective,
            "dtype": dtype,
            "device": device,
            "batch_size": batch_size,
        }

    def check_folders(self, kind: Kind, out: Path, *others: Path | None) -> None:
        """Refuse folders that cannot be written, before anything is computed."""
        from sparc3_bench.run.results import check_writable

        kind.check_free(out)
        for folder in (self._cache, *others):
            if folder is not None:
                check_writable(folder)

    def text(self, typed: str, option: str, text: str | None) -> dict[str, str]:
        """Return a text as the option of the task that takes it; refuse it where both are given."""
        if text is not None and option in self.task_options:
            raise Sparc3Error(
                f"`{typed}` and `--task-option {option}=…` say the same; give one of them."
            )
        return {} if text is None else {option: text}

    def cell(self, **asked: Any) -> Cell:
        """Plan the run."""
        from sparc3_bench.run.plan import Request, plan

        request = Request(**self._asked | asked)
        (cell,) = plan(request, self.host, self._cache, self._shared)
        return cell

    def run(self, cell: Cell, results: Path | None = None) -> Result:
        """Run it, and end when it failed; keep it in `results`, if given, as `sparc3 run` does."""
        from sparc3_bench.record.files import write_result
        from sparc3_bench.run.responses import write_responses
        from sparc3_bench.run.worker import run_cell

        result, written = run_cell(cell, self.place, self.scorer)
        if results is not None:
            path = results / result.spec.path
            if result.responses is not None:
                write_responses(path, written.to_json())
            write_result(path, result)
        if result.status != "ok":
            self.say(f"{self.scorer}  failed: {result.error}")
            raise typer.Exit(ExitCode.NOT_WELL)
        return result

    def write(self, changed: ChangedModel, out: Path, command: Literal["correct", "prune"]) -> None:
        """Write the folder, and tell its warnings; with ``--json`` also what came out."""
        changed.write(out)
        result = changed.result
        for warning in result.warnings:
            self.say(f"warning: {warning}")
        if self.as_json:
            both = result.points[0], changed.point
            dense, point = (one.model_copy(update={"samples": {}, "kept": {}}) for one in both)
            ChangedAnswer.of(
                result,
                command=command,
                folder=str(out),
                has_model=changed.amount > 0,
                dense=dense,
                point=point,
            ).tell()

    def tell(self, line: str) -> None:
        """Print a line for readers; with ``--json`` none."""
        if not self.as_json:
            typer.echo(line)


def only_task(host: PluginHost, fits: Callable[[type[Task]], bool], does: str) -> str:
    """Return the one installed task that fits.

    Raises Sparc3Error when there is none, or more than one.
    """
    found = [name for name, entry in host.all("task").items() if fits(entry.cls)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Sparc3Error(
            f"{len(found)} installed tasks can {does}: {', '.join(found)}; choose one with "
            "`--task`."
        )
    raise Sparc3Error(f"No installed task can {does}; install one, or name it with `--task`.")


def changes_models(scorer: str, controls: int) -> Callable[[Callable[..., None]], Any]:
    """Let a command take the options below, with these defaults, by its parameter `change`."""
    usual = {"scorer": scorer, "controls": controls}
    options = [
        one.replace(default=usual.get(one.name, one.default)) for one in common.options_of(Change)
    ]
    return lambda command: common.with_options(
        command, "change", options, lambda said, _: Change(**said)
    )
