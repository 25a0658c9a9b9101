"""Check many plugins, one after the other or in several processes; reports come in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.testing.kit import check_plugin
from sparc3_bench.testing.report import Report

Named = tuple[str, str]
"""The kind and the name of a plugin that is installed."""


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_many(plugins: Sequence[Named], jobs: int) -> Iterator[Report]:
    """Yield the reports on installed plugins in order, each as soon as those before it are there.

    With one of `jobs` it is done in this process. Checks compute on one thread, and outcomes do not
    depend on the number.
    """
    if min(jobs, len(plugins)) <= 1:
        for kind, name in plugins:
            yield check_plugin(kind, name)
        return
    # A fork of a process that has computed may wait for threads that are not in it.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(min(jobs, len(plugins)), context)
    try:
        for found in executor.map(_checked, plugins):
            if isinstance(found, str):
                raise Sparc3Error(found)
            yield found
    finally:
        executor.shutdown(cancel_futures=True)


def _checked(plugin: Named) -> Report | str:
    """Return the report on a plugin, or why there is none: not every error can be sent back."""
    kind, name = plugin
    try:
        return check_plugin(kind, name)
    except Sparc3Error as error:
        return str(error)
