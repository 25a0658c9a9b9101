"""How runs are carried out: options that `sparc3 run` and `sparc3 replicate` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.run.process import WorkerProcess
    from sparc3_bench.run.runner import Runner
    from sparc3_bench.run.view import RunsView
    from sparc3_bench.run.worker import Worker


@dataclass(frozen=True)
class Running:
    """What it takes to run something."""

    worker: Worker | WorkerProcess  # finds out what is asked for
    runner: Runner  # has it carried out
    view: RunsView  # told what is going on


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How runs are carried out, as typed."""

    on: Annotated[
        str,
        typer.Option(
            help="Where runs are carried out: see `sparc3 list executors`.", envvar="SPARC3_ON"
        ),
    ] = "local"
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs at once, each with a model in memory.",
            show_default="the executor's",
        ),
    ] = None
    executor_option: Annotated[
        list[str],
        typer.Option(
            "--executor-option",
            help="NAME=VALUE; repeatable. See `sparc3 list executors`.",
            default_factory=list,
            show_default=False,
        ),
    ]
    cell_timeout: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds after which a run is ended, and has failed.",
            show_default="no limit",
        ),
    ] = None
    cell_memory: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="GB of memory with which a run is ended, and has failed.",
            show_default="95 % of the machine's",
        ),
    ] = None
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False
    store: Annotated[
        str | None,
        typer.Option(
            help="Folder, or a URL that fsspec knows, for what steps make: runners that share it, "
            "on any machine, share the work.",
            show_default="in the cache",
        ),
    ] = None
    results: Annotated[Path, typer.Option(help="Folder for result files.")] = Path("results")
    cache: common.Cache = None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Give what runs things; the first signal to end is like control-C.

        Raises Sparc3Error when there is no such executor, or the results cannot be written to.
        """
        from sparc3_bench.run.executors import find_executor, worker_for
        from sparc3_bench.run.journal import Journal
        from sparc3_bench.run.listeners import listening
        from sparc3_bench.run.options import parse_pairs
        from sparc3_bench.run.results import ResultsFolder, check_writable
        from sparc3_bench.run.runner import Runner
        from sparc3_bench.run.view import RunsView
        from sparc3_bench.types.orders import Work

        folder = common.cache_folder(self.cache)
        check_writable(self.results)
        if folder.exists() and not folder.is_dir():
            raise Sparc3Error(f"The cache {folder} is a file; give a folder.")
        chosen = {} if self.jobs is None else {"jobs": str(self.jobs)}
        executor = find_executor(self.on, parse_pairs(self.executor_option) | chosen)
        work = Work(
            cache=str(folder),
            store=self.store,
            results=str(self.results),
            seconds=self.cell_timeout,
            memory_bytes=None if self.cell_memory is None else int(self.cell_memory * 1e9),
        )
        view = RunsView(Journal(self.results))
        with (
            listening(view.say) as written,
            worker_for(executor, work, view) as worker,
            common.interruptible(),
        ):
            results = ResultsFolder(self.results, view.say, written)
            runner = Runner(executor, worker, results, view, retry_failed=self.retry_failed)
            yield Running(worker, runner, view)


def carries_out_runs(command: Callable[..., None], results: str = "results") -> Callable[..., None]:
    """Let a command take the options above where it has a parameter `execution`.

    Results go to the folder `results` where none is named.
    """
    options = [
        common.in_panel(
            one.replace(default=Path(results)) if one.name == "results" else one, "How it is run"
        )
        for one in common.options_of(Execution)
    ]
    return common.with_options(command, "execution", options, lambda said, _: Execution(**said))
