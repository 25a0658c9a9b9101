"""The table of hostile scorers: what each does, who can notice, and what is said of it then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sparc3_bench import Scorer

KEPT: list[Any] = []
"""What must not be freed."""
AFTER: list[Callable[[], object]] = []
"""What undoes what nobody else can, for tests that go on in the same process."""


@dataclass(frozen=True)
class Kind:
    """One way of being hostile.

    Attributes
    ----------
    act
        Does it, given torch, the model and the scores; returns other scores, or None.
    needs
        Who stops it: ``guard``, ``death`` (its process is gone), ``timeout``, ``memory``, ``error``
        (it is one), or ``nothing``, where it does no harm and the cell is a sound one.
    words
        A regular expression that the reason of the failed cell matches.
    """

    act: Callable[..., Any]
    needs: str
    words: str = ""


KINDS: dict[str, Kind] = {}
"""By name of the scorer; none has options."""


def kind(needs: str, words: str = ""):
    """Make a scorer of a function, named as it is."""

    def make(act):
        KINDS[f"hostile-{act.__name__.replace('_', '-')}"] = Kind(act, needs, words)
        return act

    return make


class Hostile(Scorer):
    """Importance = absolute weight, after a run of the reference; and then it does it."""

    act: Callable[..., Any]

    def score(self, model, reference):
        model.run(reference)
        scores = {name: one.matrix.detach().abs() for name, one in model.weights().items()}
        done = self.act(import_module("torch"), model, scores)
        return scores if done is None else done
