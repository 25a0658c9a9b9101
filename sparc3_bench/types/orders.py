"""Orders: what is to be run, where and within which limits, and what came of it, all as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from pydantic import Base64Bytes, BaseModel, ConfigDict

Status = Literal["ok", "failed", "interrupted", "refused", "elsewhere"]
"""As in a result; but refused is what cannot be run, and elsewhere what another runner is at."""
Tell = Callable[[Mapping[str, Any]], None]
"""Told of what goes on, by whatever thread; see `RunsView` for what there is to tell."""

INTERRUPTED = "Interrupted; the same command goes on from there."
"""Why a result has no numbers."""


class Order(BaseModel):
    """One cell that is to be run, for whoever has the plugins and the data."""

    model_config = ConfigDict(frozen=True)

    request: dict[str, Any]
    """What is asked for, of all its scorers and seeds; see `Request`."""
    scorer: str
    """The scorer that is meant."""
    seed: int
    """The seed that is meant."""
    key: str
    """Of the spec that this comes to."""
    question: str
    """Of what the spec asks, whatever code answers it; see `RunSpec`."""
    code: str
    """Of the code that is to answer it."""
    path: str
    """Of the result, below the folder of results."""
    label: str
    """What it is called in lines of progress."""
    model: str
    """Orders that have this in common use one model in memory."""

    def narrowed(self) -> Order:
        """Return it with no other seeds in its request."""
        # Other scorers stay, without seeds, as options of the request may be theirs.
        others = [[name, []] for name, _ in self.request["scorers"] if name != self.scorer]
        alone = {"scorers": [[self.scorer, [self.seed]], *others]}
        return self.model_copy(update={"request": self.request | alone})


class Work(BaseModel):
    """Where orders are carried out, and within which limits."""

    model_config = ConfigDict(frozen=True)

    cache: str
    """Folder for models and texts, and for what steps make where there is no store."""
    store: str | None = None
    """Folder, or its URL, for what steps make; runners that share it share the work."""
    results: str | None = None
    """Folder in which another runner may have written a result in the meantime."""
    seconds: float | None = None
    """How long a cell may take; None for a limit that follows from what it is foreseen to take."""
    memory_bytes: int | None = None
    """How much memory a worker may take; None for most of the machine's."""


class Delivery(BaseModel):
    """What came of an order."""

    model_config = ConfigDict(frozen=True)

    order: str
    """Path of the order's result."""
    status: Status
    """How it ended."""
    error: str | None = None
    """Why it is not there, in one sentence."""
    warnings: tuple[str, ...] = ()
    """What a reader must know."""
    files: dict[str, Base64Bytes] = {}
    """Content by path below the folder of results, the result itself last."""


class AnyWorker(Protocol):
    """Carries out orders, in this process or in one of its own."""

    work: Work

    def carry_out(self, order: Order) -> Delivery:
        """Run one cell; what goes wrong is told by the outcome."""

    def ended(self, order: Order, status: Status, reason: str = INTERRUPTED) -> Delivery:
        """Return the outcome of an order that did not come to its end, as told from outside."""

    def another(self) -> AnyWorker:
        """Return one more worker for the same work."""

    def interrupt(self) -> None:
        """Have it leave what it does, from another thread."""

    def close(self) -> None:
        """End it."""
