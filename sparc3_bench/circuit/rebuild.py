"""From a result file back to its scores and masks, or to a sentence why that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from torch import Tensor

from sparc3_bench.circuit.compare import Overlap, Pair, overlap_of_masks, pairs
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import PluginHost, default_host
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.parts import Amount
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import JudgeRef, RunSpec
from sparc3_bench.run.options import as_typed
from sparc3_bench.run.plan import Plan, Request, plan
from sparc3_bench.run.points import CellRun
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.runner import Session
from sparc3_bench.run.sketch import Likeness, Sketcher
from sparc3_bench.selection.select import as_mask, choose
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.scores import ScoreMap


@dataclass(frozen=True)
class Circuit:
    """What is kept at one size.

    Attributes
    ----------
    kept
        What was chosen: bool, a tensor for each matrix (weights) or block (neurons, heads).
    keep
        The weights and biases that go with it.
    amount
        How much is removed.
    counts
        By role of the matrix, how many weights are kept in every block.
    agreement
        Share of the units in the result's sketch that are as the result says; None where the
        result has no sketch or not this size.
    """

    kept: Mapping[str, Tensor]
    keep: KeepMask
    amount: Amount
    counts: Mapping[str, Sequence[int]]
    agreement: float | None


class Rebuilt:
    """The scores of a result, made again or read from the cache.

    Parameters
    ----------
    result
        What `sparc3 run` wrote.
    plan
        The plan of the very same run.
    origin
        What transformers can load the dense model from: a hub id, or a folder.
    session
        Of that plan.
    """

    def __init__(self, result: Result, plan: Plan, origin: str, session: Session) -> None:
        self.result, self.plan, self.origin = result, plan, origin
        self._session = session

    @property
    def view(self) -> ModelView:
        """The dense model."""
        return self._session.view

    @cached_property
    def _maps(self) -> dict[str, ScoreMap]:
        return self._session.scores(self.plan.cells[0], self.result.spec.scorer.name)[0]

    @property
    def scores(self) -> ScoreMap:
        """The scores of the task's first reference, in the order of the model."""
        return next(iter(self._maps.values()))

    @cached_property
    def ranking(self) -> Mapping[str, Tensor]:
        """Scores of what is ranked."""
        candidates = self._session.candidates(self.plan.cells[0], self._maps)
        return candidates[self.result.candidate]

    @property
    def whole(self) -> Mapping[str, Sequence[int]]:
        """By role of the matrix, how many weights every block has in scope."""
        return CellRun(self._session, self.plan.cells[0], "").counted(KeepMask({}))

    def chosen(self, amount: float) -> dict[str, Tensor]:
        """Return what is kept at an amount: bool, in the shapes of the ranking."""
        spec = self.result.spec
        return choose(
            self.ranking,
            amount,
            unit=spec.unit,
            group=spec.group,
            removal=spec.removal,
            kind=spec.amount_kind,
        )

    def circuit(self, amount: float) -> Circuit:
        """Return the circuit of an amount."""
        kept = self.chosen(amount)
        keep = as_mask(kept, self.view, self.result.spec.unit)
        cell = CellRun(self._session, self.plan.cells[0], "")
        return Circuit(
            kept=kept,
            keep=keep,
            amount=cell.amount(amount, keep, cell.removed(kept)),
            counts=cell.counted(keep),
            agreement=self._agreement(kept, amount),
        )

    def _agreement(self, kept: Mapping[str, Tensor], amount: float) -> float | None:
        sketch, amounts = self.result.sketch, self.result.spec.amounts
        if sketch is None or amount not in amounts:
            return None
        sketcher = Sketcher(kept)
        sketcher.add(kept)
        now, index = sketcher.record(), amounts.index(amount)
        if now is None or len(now.levels) != len(sketch.levels):
            return 0.0
        same = sum(
            (int(before, 36) > index) == (after == "1")
            for before, after in zip(sketch.levels, now.levels, strict=True)
        )
        return same / len(sketch.levels)


def rebuilt(
    result: Result,
    name: str,
    files: Sequence[Path],
    cache: Path,
    reporter: Reporter,
    batch_size: int = 1,
) -> Rebuilt:
    """Plan the very run that made a result again; nothing is computed yet.

    Parameters
    ----------
    result, name
        The result, and what to call it in messages.
    files
        Folders with the local models and texts, of which a result has only the names.
    cache, reporter, batch_size
        As for `Session`.

    Raises
    ------
    Sparc3Error
        When it has no circuits, cannot be planned again, or would be another run.
    """
    _check_has_circuits(result, name)
    host = default_host()
    # Undesired responses are found, and rankings made of them, by this judge.
    judge = result.chosen_by or result.spec.judge
    request = _request(result.spec, judge, host, files)
    try:
        made = plan(request, host, cache)
    except Sparc3Error as error:
        raise Sparc3Error(
            f"{name} cannot be rebuilt: {str(error).rstrip('.')} (a result has only the names of "
            "local models and texts; `--files FOLDER` says where they are)."
        ) from None
    planned = made.cells[0].spec
    differing = _first_difference(_decides(result.spec, judge), _decides(planned, planned.judge))
    if differing is not None:
        field, before, now = differing
        raise Sparc3Error(
            f"{name} cannot be rebuilt, as its circuit would be another one: `{field}` was "
            f"{before} and is {now} now; bring that back, or make the result again with "
            "`sparc3 run`."
        )
    hub = request.model not in host.all("model") and not Path(request.model).exists()
    origin = request.model if hub else str(made.model.folder.resolve())
    return Rebuilt(result, made, origin, Session(made, cache, reporter, batch_size))


def overlaps_of(circuits: Sequence[Rebuilt], amount: float) -> dict[Pair, Overlap]:
    """Return what each two share at an amount."""
    kept = [circuit.chosen(amount) for circuit in circuits]
    return {(i, j): overlap_of_masks(kept[i], kept[j]) for i, j in pairs(len(kept))}


def likeness(circuits: Sequence[Rebuilt]) -> dict[Pair, float]:
    """Return the rank correlation of the scores of each two, as `sparc3 run` measures it."""
    rankings = [circuit.ranking for circuit in circuits]
    return {
        (i, j): Likeness(0, rankings[i], rankings[j]).record().spearman
        for i, j in pairs(len(rankings))
    }


def _check_has_circuits(result: Result, name: str) -> None:
    """Refuse a result that names no circuit that can be made again.

    Raises
    ------
    Sparc3Error
        For a failed run, and for schedule `blockwise`.
    """
    if result.status != "ok":
        raise Sparc3Error(f"{name} is of a run that failed and has no circuits; run it again.")
    if result.spec.schedule == "blockwise":
        raise Sparc3Error(
            f"{name} was made with schedule 'blockwise', where every size has scores of its own "
            "and no one ranking names its circuits; run it with `--schedule one-shot`."
        )


def _request(
    spec: RunSpec, judge: JudgeRef | None, host: PluginHost, files: Sequence[Path]
) -> Request:
    named = spec.model.id in host.all("model")
    return Request(
        scorers=[(spec.scorer.name, [spec.seed])],
        task=spec.task.name,
        model=spec.model.id if named else _located(spec.model.id, files),
        amounts=spec.amounts,
        objective=spec.objective,
        scorer_options=_typed(spec.scorer.options, files),
        task_options=_typed(spec.task.options, files),
        judge=judge.name if judge else None,
        judge_options=_typed(judge.options, files) if judge else {},
        dtype=spec.model.dtype,
        device=spec.model.device,
        **spec.conventions(),
    )


def _typed(options: Mapping[str, JsonValue], files: Sequence[Path]) -> dict[str, str]:
    """Return options as they would be typed, where they name files with their folder."""
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    return as_typed(options) | {name: _located(text, files) for name, text in texts.items()}


def _located(name: str, files: Sequence[Path]) -> str:
    """Return the path of that name in one of `files`, or the name where there is none."""
    if not name:
        return name
    return next((str(folder / name) for folder in files if (folder / name).exists()), name)


def _decides(spec: RunSpec, judge: JudgeRef | None) -> dict[str, Any]:
    """Return the parts of a spec that decide which circuit it is, and the judge that chose it."""
    whole = spec.model_dump(mode="json")
    task = {name: whole["task"][name] for name in ("name", "task_version", "options")}
    return {
        "scorer": whole["scorer"],
        "model": whole["model"],
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
