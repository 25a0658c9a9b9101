"""Progress in notebooks: one bar that moves, and is gone when the step is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from sparc3_bench.types.values import Progress

_PAUSE_S = 0.2
"""Seconds between two pictures of a bar."""


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


@contextmanager
def notebook_bar(label: str) -> Iterator[Progress]:
    """Show how far a step is below the cell that is run; see `Reporter.steps`."""
    shown: Any = sys.modules["IPython"].display.display
    start = last = time.monotonic()
    handle = shown(_picture(label, 0, 0, 0.0), raw=True, display_id=True)

    def step(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= _PAUSE_S:
            last = now
            handle.update(_picture(label, done, total, now - start), raw=True)

    try:
        yield step
    finally:
        handle.update({"text/html": "", "text/plain": ""}, raw=True)


def _picture(label: str, done: int, total: int, seconds: float) -> dict[str, str]:
    text = f"{label}  {done}/{total or '?'}  {seconds:.0f} s"
    value = f' value="{done}" max="{total}"' if total else ""
    return {
        "text/plain": text,
        "text/html": f"<progress{value}></progress> <code>{escape(text)}</code>",
    }
