"""From a result file back to its scores and circuits, or to a sentence why that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from sparc3_bench.circuit.compare import Overlap, Pair, of_each_two, overlap_of_masks
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.graph.step import Hold
from sparc3_bench.host import default_host
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import JudgeRef, RunSpec
from sparc3_bench.run.again import request_of
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import plan
from sparc3_bench.run.recipes import circuit
from sparc3_bench.run.steps.combined import scores_of
from sparc3_bench.run.steps.mask import Circuit, Uniform
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.rank import Rank
from sparc3_bench.run.steps.size import Size, size_of
from sparc3_bench.selection.membership import rank_correlation
from sparc3_bench.types.scores import ScoreMap


class Rebuilt:
    """The circuits of a result, made again by the very same cell or read from the cache."""

    def __init__(self, result: Result, cell: Cell, place: Place) -> None:
        self.result, self.cell, self._place = result, cell, place
        place.turn_to(cell, cell.scorer.name)

    @property
    def view(self) -> ModelView:
        """The dense model."""
        return self._place.get(DenseModel(self.cell))

    @property
    def scores(self) -> ScoreMap:
        """The scores of the task's first reference, in the order of the model."""
        return self._place.get(scores_of(self.cell, self.cell.purposes[0]))

    @property
    def ranking(self) -> Mapping[str, Tensor] | None:
        """Scores of what is ranked; None with schedule `blockwise`: every size has its own."""
        if self.cell.spec.schedule == "blockwise":
            return None
        return self._place.get(Rank(self.cell, self.result.candidate))

    @property
    def has_same_code(self) -> bool:
        """Whether the scorer is the one that made the result, file by file."""
        return self.result.spec.scorer.source_digest == self.cell.spec.scorer.source_digest

    @cached_property
    def whole(self) -> Mapping[str, Sequence[int]]:
        """By role of the matrix, how many weights every block has in scope."""
        return size_of(self.cell, None).kept

    def circuit(self, amount: float) -> Circuit:
        """Return what is kept at an amount."""
        step = circuit(self.cell, self.result.candidate, amount)
        made = self._place.get(step or Uniform(self.cell, 0.0))
        self._place.release(Hold.BATCH)
        return made

    def size(self, amount: float) -> Size:
        """Return how much is removed at an amount, and of what."""
        return size_of(self.cell, self.circuit(amount))

    def agreement(self, size: Size, amount: float) -> float | None:
        """Return the share of the units in the result's sketch that are as the result says.

        None where the result has no sketch, or not this amount.
        """
        sketch, amounts = self.result.sketch, self.result.spec.amounts
        if sketch is None or amount not in amounts:
            return None
        if len(size.sampled) != len(sketch.levels):
            return 0.0
        index = amounts.index(amount)
        same = sum(
            (int(before, 36) > index) == (after == "1")
            for before, after in zip(sketch.levels, size.sampled, strict=True)
        )
        return same / len(sketch.levels)


def rebuilt(result: Result, name: str, files: Sequence[Path], cache: Path, place: Place) -> Rebuilt:
    """Plan the very run that made a result again; nothing is computed yet.

    Messages call it `name`. Of local models and texts a result has only the names: they are looked
    for in the folders `files`.
    """
    result.check_finished(name)
    host = default_host()
    # Undesired responses are found, and rankings made of them, by this judge.
    judge = result.chosen_by or result.spec.judge
    request = request_of(result.spec, judge, host, files)
    try:
        (cell,) = plan(request, host, cache)
    except Sparc3Error as error:
        raise Sparc3Error(
            f"{name} cannot be rebuilt: {str(error).rstrip('.')} (a result has only the names of "
            "local models and texts; `--files FOLDER` says where they are)."
        ) from None
    planned = cell.spec
    recorded, asked = _decides(result.spec, judge), _decides(planned, planned.judge)
    # Whether an option that came later makes another circuit is told by the sketch, too.
    for plugin in ("scorer", "task"):
        known = recorded[plugin]["options"]
        options = asked[plugin]["options"].items()
        asked[plugin]["options"] = {name: value for name, value in options if name in known}
    differing = _first_difference(recorded, asked)
    if differing is not None:
        field, before, now = differing
        raise Sparc3Error(
            f"{name} cannot be rebuilt, as its circuit would be another one: `{field}` was "
            f"{before} and is {now} now; bring that back, or make the result again with "
            "`sparc3 run`."
        )
    return Rebuilt(result, cell, place)


def overlaps_of(circuits: Sequence[Rebuilt], amount: float) -> dict[Pair, Overlap]:
    """Return what each two share at an amount."""
    return of_each_two(overlap_of_masks, [one.circuit(amount).kept for one in circuits])


def likeness(circuits: Sequence[Rebuilt]) -> dict[Pair, float] | None:
    """Return the rank correlation of the scores of each two, as `sparc3 run` measures it.

    None where a circuit has no one ranking behind it.
    """
    rankings = [circuit.ranking for circuit in circuits]
    return None if None in rankings else of_each_two(rank_correlation, rankings)


def _decides(spec: RunSpec, judge: JudgeRef | None) -> dict[str, Any]:
    """Return the parts of a spec that decide which circuit it is, and the judge that chose it."""
    whole = spec.model_dump(mode="json")
    task = {name: whole["task"][name] for name in ("name", "task_version", "options")}
    return {
        # Whether other code gives another circuit is told by the sketch.
        "scorer": {name: whole["scorer"][name] for name in ("name", "version", "options")},
        # How the weights are called does not move them; their digest tells.
        "model": {name: value for name, value in whole["model"].items() if name != "label"},
        "batch_size": spec.batch_size,
        "product_dtype": spec.product_dtype,
        "task": task,
        "judge": judge and judge.model_dump(include={"name", "options", "weights_digest"}),
        # What is measured on does not steer the scores.
        "datasets": [d for d in whole["datasets"] if d["purpose"] == "reference"],
        "objective": spec.objective,
        "seed": spec.seed,
        **spec.conventions(),
    }


def _first_difference(before: Any, now: Any, path: str = "") -> tuple[str, str, str] | None:
    """Return the path of the first field that differs, and both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        inside = [(str(key), before.get(key), now.get(key)) for key in {**before, **now}]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        inside = [(str(n), *pair) for n, pair in enumerate(zip(before, now, strict=True))]
    else:
        return None if before == now else (path, _told(before), _told(now))
    found = (_first_difference(b, n, f"{path}.{key}".lstrip(".")) for key, b, n in inside)
    return next((difference for difference in found if difference is not None), None)


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
