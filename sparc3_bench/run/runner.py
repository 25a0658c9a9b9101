"""Runner: plans requests, has what is missing carried out, and writes what comes of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.run.intervals import read_renewed
from sparc3_bench.types.orders import Delivery

if TYPE_CHECKING:
    from pathlib import Path

    from sparc3_bench.contracts import Executor
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.process import WorkerProcess
    from sparc3_bench.run.request import Request
    from sparc3_bench.run.results import ResultsFolder
    from sparc3_bench.run.standins import StandIn, StandIns
    from sparc3_bench.run.view import RunsView
    from sparc3_bench.run.worker import Worker
    from sparc3_bench.types.orders import Order

_PAUSE_S, _PATIENCE_S = 1.0, 60.0
"""Between two looks at what other runners do, and before trying whether they still live."""


@dataclass
class RequestState:
    """How the runs of one request stand."""

    request: Request  # what was asked for
    orders: list[Order] = field(default_factory=list)  # its runs; none where it was refused
    statuses: dict[str, str] = field(default_factory=dict)  # by path, how a run ended
    missing: dict[str, str] = field(default_factory=dict)  # by path, why it is not there
    # by path, the result of an earlier run that is taken in its place
    standins: dict[str, StandIn] = field(default_factory=dict)
    # why it has no runs, or none of a scorer that was added, by what that is
    refusals: dict[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every run is there, with numbers."""
        well = not self.refusals and not self.missing and self.is_over
        return well and all(status == "ok" for status in self.statuses.values())

    @property
    def is_over(self) -> bool:
        """Whether of every run it is known what came of it."""
        return len(self.statuses) >= self._paths

    @cached_property
    def _paths(self) -> int:
        return len({order.path for order in self.orders})

    def note(self, outcome: Delivery) -> None:
        """Take note of what came of one of its runs."""
        self.statuses[outcome.order] = outcome.status
        if outcome.error is not None:
            self.missing[outcome.order] = outcome.error


class Runner:
    """Has requests run, each result written as soon as it is there."""

    def __init__(
        self,
        executor: Executor,  # carries out orders
        # it plans, and the executor may have it carry out orders, too
        worker: Worker | WorkerProcess,
        results: ResultsFolder,  # where results are
        view: RunsView,  # told what is going on
        *,
        retry_failed: bool = False,  # whether what failed before is tried again
    ) -> None:
        self._executor, self._worker, self._results = executor, worker, results
        self._view, self._retry_failed = view, retry_failed

    def plan(
        self,
        requests: Iterable[Request],
        standins: StandIns | None = None,
        only: Collection[str] = (),
    ) -> list[RequestState]:
        """Plan requests one after the other; what cannot be planned leaves the others alone.

        Of scorers that are not among the `only` ones there is what stands in.
        """
        found = []
        for request in requests:
            standing = RequestState(request)
            for part in request.parts():
                try:
                    standing.orders += [
                        order
                        for order in self._finished(part) or self._worker.plan(part)
                        if self._is_wanted(order, standing, standins, only)
                    ]
                except Sparc3Error as error:
                    standing.refusals[_what(part, request)] = str(error)
            found.append(standing)
        return found

    def results(self, standing: RequestState) -> Iterator[tuple[Path, Result]]:
        """Yield what is there of a request with its file, intervals as this version makes them."""
        for path in dict.fromkeys(order.path for order in standing.orders):
            one = standing.standins.get(path)
            file = one.file if one is not None else self._results.root / path
            if file.is_file():
                yield file, read_renewed(file)

    def run(self, standings: Sequence[RequestState]) -> Iterator[RequestState]:
        """Have everything run that is not there; yield each request when its runs are over.

        An interruption comes through when what was being done has been left, and written as far as
        it came.
        """
        wanted: dict[str, tuple[Order, list[RequestState]]] = {}
        count, total = 0, sum(len(standing.orders) for standing in standings)
        for standing in standings:
            for order in standing.orders:
                count += 1
                numbered = order.model_copy(update={"label": f"[{count}/{total}] {order.label}"})
                if not self._is_there(numbered, standing):
                    wanted.setdefault(order.path, (numbered, []))[1].append(standing)
            if standing.is_over:
                yield standing
        if wanted:
            yield from self._carried_out(wanted)
        for path, (order, theirs) in wanted.items():
            if path not in theirs[0].missing and self._results.status(path) is None:
                for standing in theirs:
                    standing.missing[path] = "It was not carried out, or its file is gone."
                self._view.say(f"{order.label}: it was not carried out, or its file is gone.")

    def _carried_out(
        self, wanted: Mapping[str, tuple[Order, Sequence[RequestState]]]
    ) -> Iterator[RequestState]:
        orders, view = [order for order, _ in wanted.values()], self._view
        with view.watching(orders, self._worker.work):
            try:
                for outcome in self._delivered(orders):
                    order, theirs = wanted[outcome.order]
                    self._take(outcome, order)
                    for standing in theirs:
                        standing.note(outcome)
                        if standing.is_over:
                            yield standing
            finally:
                for path, why in self._results.settled().items():
                    for standing in wanted[path][1]:
                        standing.missing[path] = why

    def _delivered(self, orders: Sequence[Order]) -> Iterator[Delivery]:
        """Yield what comes of orders; of those that another runner is at when it is done."""
        while orders:
            elsewhere = set()
            for delivery in self._executor.carry_out(orders, self._worker, self._view.tell):
                if delivery.status == "elsewhere":
                    elsewhere.add(delivery.order)
                else:
                    yield delivery
            orders = [order for order in orders if order.path in elsewhere]
            again = time.monotonic() + _PATIENCE_S
            while orders and time.monotonic() < again:
                for order in orders:
                    if (status := self._results.status(order.path)) is not None:
                        elsewhere.remove(order.path)
                        yield Delivery(order=order.path, status=status)
                orders = [order for order in orders if order.path in elsewhere]
                if orders:
                    time.sleep(_PAUSE_S)

    def _finished(self, part: Request) -> Sequence[Order]:
        """Return the orders that a request came to before, if nothing of them is to be done."""
        orders = self._worker.planned(part) or ()
        return orders if all(self._results.status(one.path) == "ok" for one in orders) else ()

    def _is_wanted(
        self, order: Order, standing: RequestState, standins: StandIns | None, only: Collection[str]
    ) -> bool:
        one = None if standins is None else standins.of(order)
        if one is not None:
            standing.standins[order.path] = one
        if not only or order.scorer in only or one is not None:
            return True
        return self._results.status(order.path) == "ok"

    def _is_there(self, order: Order, standing: RequestState) -> bool:
        status = self._results.status(order.path)
        if status == "ok":
            standing.standins.pop(order.path, None)
        elif (one := standing.standins.get(order.path)) is not None:
            standing.statuses[order.path] = "ok"
            code = ", measured by earlier code" if one.is_earlier else ""
            self._view.say(f"{order.label}: {one.file} stands in{code}")
            return True
        if status is None or (status == "failed" and self._retry_failed):
            return False
        standing.statuses[order.path] = status
        how = "already there" if status == "ok" else "failed before"
        self._view.say(f"{order.label}: {how}, {self._results.root / order.path}")
        return True

    def _take(self, outcome: Delivery, order: Order) -> None:
        """Write what came of an order, and say so."""
        view, told = self._view, {"status": outcome.status, "error": outcome.error}
        view.tell({"over": order.path, **told})
        if outcome.files:
            self._results.write(outcome)
        elif outcome.error:
            view.say(f"{order.label} is not run: {outcome.error}")
            return
        failed = f"  failed: {outcome.error}" if outcome.error else ""
        view.say(f"{order.label} → {self._results.root / order.path}{failed}")
        for warning in outcome.warnings:
            view.say(f"{order.label}: warning: {warning}")


def _what(part: Request, request: Request) -> str:
    """Return in words what of a request has no runs."""
    if part.scorers == request.scorers:
        return f"Task '{request.task}'"
    (name, _), *_ = part.scorers
    return f"Scorer '{name}' on task '{request.task}' ({part.unit}s)"
