"""Worker: plans requests and carries out orders, in whatever process it is."""

from __future__ import annotations

import base64
import contextlib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparc3_bench.host as installed
from sparc3_bench.errors import Disturbance, ModelError, PluginError, Sparc3Error, describe
from sparc3_bench.graph.forecast import Forecast, Rate
from sparc3_bench.record.files import rendered, responses_path, samples_path
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.environment import machine
from sparc3_bench.run.options import typed_for
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Shared, plan
from sparc3_bench.run.recipes import run_of
from sparc3_bench.run.request import Request
from sparc3_bench.run.responses import Written, packed
from sparc3_bench.run.results import finished
from sparc3_bench.run.steps.record import recorded
from sparc3_bench.run.typed import Typed
from sparc3_bench.types.orders import INTERRUPTED, Delivery, Order, Status, Work

if TYPE_CHECKING:
    from sparc3_bench.graph.step import Step
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.progress import Reporter

_TIMES, _LEAST_S = 20, 600.0
"""A cell may take so many times what is foreseen, and no less than so many seconds."""


class Worker:
    """Carries out orders one after the other; a model stays in memory for as long as it is used."""

    def __init__(
        self,
        work: Work,  # where, and within which limits
        report: Reporter,  # told what is going on
        host: PluginHost | None = None,  # the plugins; those that are installed when None
        # what plans have in common, such as a model that is in memory already
        shared: Shared | None = None,
    ) -> None:
        self.work = work
        self._cache, self._host = Path(work.cache), host
        self._shared = shared or Shared()
        self._place = Place(self._cache, report, work.store)

    def requests(self, asked: Typed, suite: str | None) -> list[Request]:
        """Return the requests that what was typed comes to; see `Typed.requests`."""
        return asked.requests(installed.default_host(), suite)

    @property
    def must_end(self) -> bool:
        """Whether nothing more should be done in this process: it is not as it was before."""
        return not self._place.is_sound

    def plan(self, request: Request) -> list[Order]:
        """Return the orders that a request comes to.

        Raises Sparc3Error with one sentence about the first thing that is wrong.
        """
        with self._walled():
            cells = self._cells(request)
        asked = request.model_dump(mode="json")
        seeded = [(name, seed) for name, seeds in request.scorers for seed in seeds]
        counts = Counter(cell.scorer.name for cell in cells)
        # Without checks: orders of one request share it, and there may be many.
        return [
            Order.model_construct(
                request=asked,
                scorer=name,
                seed=seed,
                key=(key := cell.spec.key),
                question=cell.spec.question,
                code=content_key(cell.spec.code),
                path=cell.spec.path_of(key),
                label=_label(cell, counts[cell.scorer.name]),
                model=f"{cell.spec.model.weight_digest} {cell.spec.model.dtype} {cell.spec.scope}",
            )
            for cell, (name, seed) in zip(cells, seeded, strict=True)
        ]

    def planned(self, request: Request) -> None:
        """Know nothing of earlier plans: what this process reads is not watched."""

    def carry_out(self, order: Order) -> Delivery:
        """Run one cell; a plugin that raises makes a failed result; interruptions come through."""
        try:
            with self._walled():
                cell = self._cell(order)
            lease = self._place.store.lease("Cell", order.key, order.label, wait=False)
            if lease is None:
                return Delivery(order=order.path, status="elsewhere")
            with lease:
                if self._is_there(order):
                    return Delivery(order=order.path, status="elsewhere")
                self._foresee(cell)
                result, written = run_cell(cell, self._place, order.label)
        except Sparc3Error as error:
            return Delivery(order=order.path, status="refused", error=str(error))
        return _outcome(order, result, written)

    def ended(self, order: Order, status: Status, reason: str = INTERRUPTED) -> Delivery:
        """Return the outcome of an order that did not come to its end, as told from outside."""
        result = recorded(self._cell(order), points=(), cost={}, status=status, error=reason)
        return _outcome(order, result, Written(points=()))

    def another(self) -> Worker:
        """Return itself: one process has one model in memory."""
        return self

    def interrupt(self) -> None:
        """Do nothing: who interrupts this process interrupts it."""

    def close(self) -> None:
        """Do nothing: it ends with this process."""

    def _foresee(self, cell: Cell) -> None:
        """Tell how long a cell may take, where all that it needs was tried by a plan."""
        forecast = Forecast(self._place, _untried, machine())
        with contextlib.suppress(LookupError):
            foreseen = forecast.of(run_of(cell), "").cost.seconds
            self._place.report.tell({"limit": max(_LEAST_S, _TIMES * foreseen)})

    def _is_there(self, order: Order) -> bool:
        folder = self.work.results
        return folder is not None and finished(Path(folder, order.path)) is not None

    @contextmanager
    def _walled(self) -> Iterator[None]:
        """Make a sentence of whatever a plugin raises while something is planned."""
        try:
            yield
        except (Sparc3Error, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._place.report.say(traceback.format_exc().rstrip())
            raise PluginError(f"A plugin failed: {describe(error)}.") from error

    def _cells(self, request: Request) -> Sequence[Cell]:
        return plan(request, self._plugins, self._cache, self._shared)

    @property
    def _plugins(self) -> PluginHost:
        return self._host or installed.default_host()

    def _cell(self, order: Order) -> Cell:
        request = Request.model_validate(order.narrowed().request)
        cls = self._plugins.get("scorer", order.scorer).cls
        # Those of the other scorers of the request are unknown here.
        own = typed_for(order.scorer, cls, request.scorer_options)
        (cell,) = self._cells(request.model_copy(update={"scorer_options": own}))
        if cell.spec.key != order.key:
            raise PluginError(
                f"{order.label}: code or data changed since it was planned; run the command again."
            )
        return cell


def _untried(step: Step[Any]) -> Rate:
    raise LookupError(type(step).__name__)


def run_cell(cell: Cell, place: Place, label: str) -> tuple[Result, Written]:
    """Run one cell; whatever a plugin raises becomes a failed result, never a traceback.

    Returned are the result, and what models wrote. Raises ModelError for a model that cannot be
    loaded, which is no fault of the run.
    """
    place.turn_to(cell, label)
    try:
        made = place.run(run_of(cell))
        place.prove(f"Task '{cell.task.name}'")
        return made
    except (ModelError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a stranger's scorer may raise anything
        reason = f"{describe(error)}."
        if isinstance(error, Disturbance):
            place.take_back()
        if not isinstance(error, Sparc3Error):
            place.report.say(traceback.format_exc().rstrip())
        failed = recorded(cell, points=(), cost={}, status="failed", error=reason)
        return failed, Written(points=())


def _outcome(order: Order, result: Result, written: Written) -> Delivery:
    path, files = Path(order.path), dict[Path, bytes]()
    text, samples = rendered(result)
    if result.responses is not None:
        files[responses_path(path)] = packed(written.to_json())
    if samples is not None:
        files[samples_path(path)] = samples
    files[path] = text.encode()
    return Delivery(
        order=order.path,
        status=result.status,
        error=result.error,
        warnings=result.warnings,
        files={str(name): base64.b64encode(content) for name, content in files.items()},
    )


def _label(cell: Cell, seeds: int) -> str:
    name = cell.scorer.name
    return f"{name} seed {cell.spec.seed}" if cell.scorer.is_control or seeds > 1 else name
