"""What acting on a model leaves behind, also where it is interrupted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from sparc3_bench.model.state import differences, taken, undoing
from sparc3_bench.model.view import ModelView


class Interrupted(KeyboardInterrupt):
    """Raised in the middle of a run, as control-C is."""


def left_behind(view: ModelView, act: Callable[[], object]) -> tuple[dict[str, list[str]], bool]:
    """Return what acting leaves changed, by section, and whether an interruption came through."""
    through = False
    with undoing(view):
        before = taken(view)
        try:
            act()
        except Interrupted:
            through = True
        # Before all is put back, which includes the random state.
        return differences(before, taken(view)), through


@contextmanager
def another_seed() -> Iterator[None]:
    """Let Python and torch draw other numbers meanwhile."""
    state = random.getstate()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        random.seed(1)
        try:
            yield
        finally:
            random.setstate(state)
