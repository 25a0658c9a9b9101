"""RecordedPlace: gives a recipe what its record says in place of all that takes the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sparc3_bench.contracts import PreparedTask
from sparc3_bench.errors import RecordError
from sparc3_bench.graph.cost import metered
from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import Kept
from sparc3_bench.run.cell import Cell, ReadyJudge
from sparc3_bench.run.place import Place
from sparc3_bench.run.steps.assess import Assess
from sparc3_bench.run.steps.decide import Best, Chosen, Reaches
from sparc3_bench.run.steps.evaluate import Evaluate
from sparc3_bench.run.steps.judge import Judged, Verdict
from sparc3_bench.run.steps.mask import Matched
from sparc3_bench.run.steps.rank import Usable
from sparc3_bench.run.steps.size import CircuitSize, Size
from sparc3_bench.types.samples import ReferenceSamples

if TYPE_CHECKING:
    from sparc3_bench.contracts import Scorer, Task
    from sparc3_bench.model.load import FoundModel
    from sparc3_bench.record.parts import Point
    from sparc3_bench.record.result import Result
    from sparc3_bench.record.spec import RunSpec
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.responses import Evaluated, Written
    from sparc3_bench.types.conventions import Part
    from sparc3_bench.types.values import Evaluation

T = TypeVar("T")


@dataclass(frozen=True)
class _RecordedData(PreparedTask):
    """What a record says of a task's data."""

    together: Mapping[str, Sequence[int]]
    datasets = ()

    @property
    def clusters(self) -> Mapping[str, Sequence[int]]:
        return self.together

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        return {"task": ReferenceSamples([[0, 0]], lambda logits, batch: logits.sum())}

    def evaluate(self, model: Any, dense: Any, progress: Any) -> Evaluation:
        raise RecordError("The responses beside the result lack a measurement; run it again.")


class RecordedPlace(Place):
    """Gives what a record says as the values of the steps that it comes from.

    Of the rest only verdicts are looked up, by their texts: another run of the same recipe, on
    another machine, may have measured something else.
    """

    def __init__(
        self, path: Path, result: Result, written: Written, cache: Path, report: Reporter
    ) -> None:
        super().__init__(cache, report)
        self.label = path.name
        self._path, self._result = path, result
        self._values: dict[Step[Any], Any] = {}
        self._measured: dict[tuple[Part, float, int | None], Evaluated] = {}
        self._sizes: dict[float, Size] = {}
        for index, point in enumerate(result.points):
            amount = self._know(point, written.points[index])
            for seed, drawn in enumerate(written.controls):
                self._measured["control", amount, seed] = drawn[index]
        if (found := result.found) is not None:
            amount = self._know(found.point, written.at_bar)
            for seed, at in enumerate(written.paired):
                self._measured["paired", amount, seed] = at

    def get(self, step: Step[T]) -> T:
        """Return what is recorded, or follows from it."""
        if step not in self._values:
            self._values[step] = self._value(step)
        return cast("T", self._values[step])

    def _know(self, point: Point, measured: Evaluated | None) -> float:
        amount = point.amount.requested
        self._sizes[amount] = Size.of(point)
        if measured is not None:
            self._measured["test", amount, None] = measured
        return amount

    def _value(self, step: Step[Any]) -> Any:
        result = self._result
        amount = result.found.point.amount.requested if result.found else 0.0
        match step:
            case Usable():
                return (result.candidate,)
            case Best():
                return Chosen(contrast=result.candidate, amount=amount, tried=result.tried)
            case Reaches():
                return step.amount <= amount
            case Assess():
                return {}  # of scores
            case Judged() if step.of.part == "selection":
                return None  # it is behind a decision, which stands
            case Evaluate():
                return self._as_measured(step)
            case CircuitSize():
                return self._sizes[step.circuit.amount if step.circuit else 0.0]
            case Verdict():
                return self._verdict(step)
        inputs = step.inputs.items()
        got = {n: self.get(o) if isinstance(o, Step) else [*map(self.get, o)] for n, o in inputs}
        return step.make(self, got)

    def _as_measured(self, step: Evaluate) -> Evaluated:
        one = step.circuit
        amount, seed = (one.amount if one else 0.0), (one.seed if isinstance(one, Matched) else 0)
        # Where nothing is drawn all controls are alike.
        found = self._measured.get((step.part, amount, None if step.part == "test" else seed))
        if found is None:
            raise RecordError(
                f"The responses beside {self._path} lack a measurement; run it again."
            )
        return found

    def _verdict(self, step: Verdict) -> Any:
        name, kind = step.also(self), Verdict.__name__
        kept = self.store.read(kind, name, step.codec)
        if kept is None:
            with metered() as meter:
                value = step.make(self, {"of": self.get(step.of)})
            kept = Kept(value, meter.phase, name)
            self.store.write(kind, name, step.codec, kept)
        self._costs[name] = (step.phase, kept.cost)
        return kept.value


def recorded_cell(result: Result, spec: RunSpec, task: Task, judge: ReadyJudge) -> Cell:
    """Return the cell of a record under another spec; no model is loaded for it."""
    return Cell(
        spec=spec,
        scorer=cast("Scorer", None),  # nothing is scored
        task=task,
        prepared=_RecordedData(result.clusters),
        model=cast("FoundModel", None),
        judge=judge,
    )
