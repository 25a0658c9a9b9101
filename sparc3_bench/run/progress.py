"""Reporter: say what is going on, as a bar on a terminal or in a notebook, as lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

    def say(self, text: str) -> None:
        """Print one line, or several; of a stranger's endless text both ends."""
        self.console.print(abridged(text, _MOST), soft_wrap=True)

    def tell(self, told: Mapping[str, Any]) -> None:
        """Take note of what happens, for whoever wants to know more than lines say."""

    @contextmanager
    def steps(self, label: str) -> Iterator[Progress]:
        """Report the steps of one phase."""
        if in_notebook():
            shown = notebook_bar(label)
        else:
            shown = self._bar(label) if sys.stderr.isatty() else self._lines(label)
        with shown as step:
            yield step

    @contextmanager
    def _bar(self, label: str) -> Iterator[Progress]:
        with Bar(*columns(), console=self.console) as progress:
            task = progress.add_task(label, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    @contextmanager
    def _lines(self, label: str) -> Iterator[Progress]:
        start = last = time.monotonic()

        def step(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last >= PAUSE_S:
                last = now
                self.say(f"{label}  {done}/{total}  {now - start:.0f} s")

        yield step


def spoken(seconds: float) -> str:
    """Return a duration in seconds as it is read."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _MINUTE_S), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def columns() -> tuple[Any, ...]:
    """Return what a bar shows of a step."""
    return TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
