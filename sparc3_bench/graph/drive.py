"""drive: the one loop over a recipe, whoever gives it values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from sparc3_bench.graph.step import Step

R = TypeVar("R")

Recipe = Generator[Sequence[Step[Any]], Sequence[Any], R]
"""Yields steps that may be made at once, is sent their values, returns the step that it ends in.

It names steps and branches on decisions; it never computes.
"""

Values = Callable[[Sequence[Step[Any]]], Sequence[Any]]
"""Gives the values of steps: makes them here or elsewhere, reads them, or guesses."""


def drive(recipe: Recipe[R], values: Values) -> R:
    """Run a recipe to its end, and return what it ends in."""
    try:
        wanted = next(recipe)
        while True:
            wanted = recipe.send(values(wanted))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
