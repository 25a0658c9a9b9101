"""Remote: a worker on another machine, which is asked and answers in texts."""

from __future__ import annotations

import json
import os
import platform
import sys
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench import Sparc3Error
from sparc3_bench.folder.remote import folder_at
from sparc3_bench.types.orders import Delivery, Order, Tell, Work

_VARIABLES = ("SPARC3_", "HF_", "OMP_", "MKL_", "OPENBLAS_", "ATEN_", "CUBLAS_", "TORCH_")
"""How the environment variables begin that workers are given: what moves numbers, and data."""
_KEPT = 1000
"""So much of what a worker told comes with an outcome."""


@dataclass(frozen=True)
class Home:
    """What other machines must know of the one that runs the command."""

    work: str
    """As JSON."""
    sign: str
    """A file in the folder of the store that they must see; "" where there is none."""
    folder: str
    """What names of local files are relative to."""
    command: tuple[str, ...]
    """What was typed, for records."""
    environment: Mapping[str, str]
    """Variables for workers."""


@contextmanager
def home_of(work: Work) -> Iterator[Home]:
    """Tell of this process; a sign is in the folder of the store for as long as this lasts."""
    said = {name: getattr(work, name) for name in ("cache", "store", "results")}
    paths = {n: p if "://" in p else str(Path(p).absolute()) for n, p in said.items() if p}
    where, sign = folder_at(paths.get("store", paths["cache"])), f".shared-{uuid.uuid4().hex}"
    try:
        where.create(sign, b"")
    except OSError:  # it may be whole and read-only
        sign = ""
    environment = {k: v for k, v in os.environ.items() if k.startswith(_VARIABLES)}
    text = work.model_copy(update=paths).model_dump_json()
    try:
        yield Home(text, sign, str(Path.cwd()), tuple(sys.argv), environment)
    finally:
        if sign:
            with suppress(OSError):
                where.remove(sign)


class Remote:
    """A worker where this is made, for a command that is at `home`."""

    def __init__(self, home: Home) -> None:
        from sparc3_bench.run.process import WorkerProcess  # who lists plugins needs none

        self._home, self._work = home, Work.model_validate_json(home.work)
        self._told: deque[Mapping[str, Any]] = deque(maxlen=_KEPT)
        self._worker = WorkerProcess(self._work, self._hear, home.environment)

    def begin(self) -> None:
        """Be as if at home, if this machine sees the folder of the store."""
        place = self._work.store or self._work.cache
        if self._home.sign and not folder_at(place).has(self._home.sign):
            raise Sparc3Error(
                f"The machine {platform.node()} does not see {place} as it is where the command "
                "runs; give by --store (or --cache) a folder or URL that all machines share."
            )
        with suppress(OSError):
            os.chdir(self._home.folder)
        sys.argv = [*self._home.command]

    def carry_out(self, order: str) -> str:
        """Return what came of an order and what was told meanwhile; see `opened`."""
        self._told.clear()
        outcome = self._worker.carry_out(Order.model_validate_json(order))
        return json.dumps([outcome.model_dump(mode="json"), *self._told])

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _hear(self, told: Mapping[str, Any]) -> None:
        if "say" in told or "made" in told:
            self._told.append(told)


def opened(answer: str | bytes, tell: Tell, who: Any) -> Delivery:
    """Return what came of an order, and pass on what was told."""
    outcome, *told = json.loads(answer)
    for one in told:
        tell({**one, "worker": who})
    return Delivery.model_validate(outcome)


def gpus_for(orders: Sequence[Order], asked: float | None) -> float:
    """Return how many GPUs a worker claims: what was asked for, or those that orders name."""
    if asked is not None:
        return asked
    asked_for = (str(order.request.get("device")) for order in orders)
    return float(max((text.count("cuda") for text in asked_for), default=0))
