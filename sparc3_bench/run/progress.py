"""Reporter: say what is going on, as a bar on a terminal or in a notebook, as lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from sparc3_bench.printable import abridged
from sparc3_bench.run.notebook import in_notebook, notebook_bar
from sparc3_bench.types.values import Progress

_MOST = 20_000
"""Characters that are printed at once."""

PAUSE_S = 5.0
"""Lines of a log are at least so far apart."""
_MINUTE_S = 60


class Reporter:
    """Reports to standard error, so that standard output holds results only."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False)
        self._lines_of: dict[Any, tuple[str, float, float]] = {}

    def say(self, text: str) -> None:
        """Print one line, or several; of a stranger's endless text both ends."""
        self.console.print(abridged(text, _MOST), soft_wrap=True)

    def tell(self, told: Mapping[str, Any]) -> None:
        """Take note of what happens, for whoever wants to know more than lines say."""

    @contextmanager
    def steps(self, label: str) -> Iterator[Progress]:
        """Report the steps of one phase."""
        if in_notebook():
            with notebook_bar(label) as step:
                yield step
        elif sys.stderr.isatty():
            with Bar(*columns(), console=self.console) as progress:
                task = progress.add_task(label, total=None)
                yield lambda done, total: progress.update(task, completed=done, total=total)
        else:
            self._line(label, label, 0, 0)
            yield partial(self._line, label, label)

    def _line(self, who: Any, label: str, done: int, total: int) -> None:
        """Say how far a step is, now and then and at its end; 0 done begins it."""
        now = time.monotonic()
        before, start, last = self._lines_of.get(who, ("", now, now))
        if before != label or done == 0:
            start = last = now
        if total and (done == total or now - last >= PAUSE_S):
            last = now
            self.say(f"{label}  {done}/{total}  {now - start:.0f} s")
        self._lines_of[who] = label, start, last


def spoken(seconds: float) -> str:
    """Return a duration in seconds as it is read."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _MINUTE_S), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def columns() -> tuple[Any, ...]:
    """Return what a bar shows of a step."""
    return TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
