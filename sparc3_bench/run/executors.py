"""Executors: chosen by name, and the worker that plans for them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Any

from sparc3_bench import hookspecs
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.host import PluginHost, default_host
from sparc3_bench.run.options import build
from sparc3_bench.run.process import WorkerProcess

if TYPE_CHECKING:
    from sparc3_bench.contracts import Executor
    from sparc3_bench.run.view import RunsView
    from sparc3_bench.run.worker import Worker
    from sparc3_bench.types.orders import Work


def find_executor(name: str, options: Mapping[str, str]) -> Executor:
    """Return the executor of a name; only where no built-in has it strangers are imported here.

    Raises Sparc3Error when there is no such executor, or it has no such option.
    """
    points = importlib.metadata.entry_points(group=hookspecs.GROUP)
    own = [point for point in points if point.dist and point.dist.name == "sparc3-bench"]
    try:
        entry = PluginHost(own).get("executor", name)
    except UnknownNameError:
        entry = default_host().get("executor", name)
    made: Any = build("executor", entry.cls, options)
    return made  # type: ignore[no-any-return]


def worker_for(
    place: Executor, work: Work, view: RunsView
) -> AbstractContextManager[Worker | WorkerProcess]:
    """Give the worker that plans for an executor, and end it afterwards."""
    if place.isolated:
        return closing(WorkerProcess(work, view.tell, place.environment))
    from sparc3_bench.run.worker import Worker

    return closing(Worker(work, view))
