"""Session: score once, evaluate many; every step is kept, so that a run can be resumed."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from sparc3_bench.attribution.objectives import find_objective
from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.parts import Phase
from sparc3_bench.record.result import Result
from sparc3_bench.run import store
from sparc3_bench.run.environment import added, metered
from sparc3_bench.run.judging import NOTHING, Measured, judged
from sparc3_bench.run.meeting import Met, meet
from sparc3_bench.run.memory import remembering
from sparc3_bench.run.plan import Cell, Plan
from sparc3_bench.run.points import OneShot
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.recording import recorded
from sparc3_bench.run.responses import Written
from sparc3_bench.run.scoring import scored
from sparc3_bench.run.walked import Blockwise
from sparc3_bench.selection.units import count_units, ranked
from sparc3_bench.types.conventions import Part
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import ReferenceSamples
from sparc3_bench.types.scores import ScoreMap
from sparc3_bench.types.values import Evaluation


class Session:
    """The runs of one plan: one model in memory, one dense evaluation, one cache.

    Parameters
    ----------
    plan
        What to run.
    cache
        Keeps score artefacts and evaluations.
    reporter
        Told what is going on.
    batch_size
        Reference samples run at once.
    before
        An earlier session; if it is of the same model and scope, its model and dense evaluations
        serve this one, too.

    Attributes
    ----------
    responses
        By key of the result, the content of the file with what models wrote in that run.
    """

    def __init__(
        self,
        plan: Plan,
        cache: Path,
        reporter: Reporter,
        batch_size: int = 1,
        before: Session | None = None,
    ) -> None:
        self.plan = plan
        self.report = reporter
        self.cache = cache
        self._batch_size = batch_size
        self._dense: dict[str, Evaluation] = {}
        self._means: dict[str, Mapping[str, Any]] = {}
        self._met: dict[int, Met] = {}
        self.responses: dict[str, str] = {}
        if before is not None and before._serves(plan):
            self._dense, self._means = before._dense, before._means
            if plan.judge is before.plan.judge:
                self._met = before._met
            if "view" in before.__dict__:
                self.view = before.view

    def _serves(self, plan: Plan) -> bool:
        own, other = self.plan.cells[0].spec, plan.cells[0].spec
        return (own.model, own.scope) == (other.model, other.scope)

    @cached_property
    def view(self) -> ModelView:
        """The model, loaded on first use."""
        self.report.say(f"Loading {self.plan.model.ref.id} in {self.plan.model.ref.dtype} …")
        return self.plan.model.load(self.plan.cells[0].spec.scope)

    def check(self) -> None:
        """Refuse what only the model can tell.

        Raises
        ------
        Sparc3Error
            When more units are to be removed than there are, or the scope has none.
        """
        for cell in self.plan.cells:
            total = count_units(self.view, cell.spec.unit)
            most = max(cell.spec.amounts)
            if cell.spec.amount_kind == "count" and most > total:
                raise Sparc3Error(
                    f"{most:,.0f} units of '{cell.spec.unit}' cannot be removed: the scope has "
                    f"{total:,}."
                )

    def run(self, cell: Cell, label: str) -> Result:
        """Run one cell; an unexpected error becomes a failed result, never a traceback."""
        try:
            kind = Blockwise if cell.spec.schedule == "blockwise" else OneShot
            fields = kind(self, cell, label).fields()
            written: Written = fields.pop("written")
            if written.texts:
                fields["responses"] = written.record()
            result = recorded(self.plan, cell, status="ok", **fields)
            if written.texts:
                self.responses[result.key] = written.to_json()
            return result
        except Exception as error:  # a stranger's scorer may raise anything
            reason = f"{type(error).__name__}: {error}"
            if not isinstance(error, Sparc3Error):
                self.report.say(traceback.format_exc().rstrip())
            return recorded(self.plan, cell, points=(), cost={}, status="failed", error=reason)

    def interrupted(self, cell: Cell) -> Result:
        """Return the record of a run that the user ended."""
        reason = "Interrupted; the same command goes on from there."
        return recorded(self.plan, cell, points=(), cost={}, status="interrupted", error=reason)

    def scores(self, cell: Cell, label: str) -> tuple[dict[str, ScoreMap], Phase]:
        """Return a cell's scores by purpose of the reference and what they cost.

        They come from the cache if they are there. A scorer that needs no reference is asked once,
        and the task need not meet the model for it, unless the task compares scores.
        """
        maps: dict[str, ScoreMap] = {}
        cost = NOTHING
        references = self.references(cell)
        for purpose, reference in references.items():
            key = store.attribution_key(cell.spec, purpose, reference.digest)
            path = self.cache / "scores" / f"{key}.safetensors"
            if kept := store.read_scores(path):
                # The file is in order of the alphabet; ties are broken in that of the model.
                maps[purpose] = checked(kept[0], self.view.weights(), cell.scorer.name)
                cost = added(cost, kept[1])
                continue
            which = f" · {purpose}" if len(references) > 1 else ""
            step = f"{label} · attribution{which}"
            maps[purpose], phase = scored(self, cell, purpose, reference, step)
            cost = added(cost, phase)
            if cell.scorer.needs_reference:  # the others are made faster than read
                about = {"spec": cell.spec.model_dump(mode="json"), "purpose": purpose}
                about["cost"] = phase.model_dump()
                store.write_scores(maps[purpose], path, about)
        return maps, cost

    def candidates(
        self, cell: Cell, maps: Mapping[str, ScoreMap]
    ) -> Mapping[str, Mapping[str, Tensor]]:
        """Return by name the rankings that a cell may prune by."""
        rankings = {
            purpose: ranked(scores, self.view, cell.spec.unit) for purpose, scores in maps.items()
        }
        return self.plan.task.candidates(rankings)

    def remarks(self, cell: Cell, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Return what there is to say of the weights, and by the task of the dense metrics."""
        met = self._met.get(id(cell.prepared))
        return (
            *self.view.notes,
            *(cell.prepared if met is None else met.task).remarks(metrics),
        )

    def met(self, cell: Cell) -> Met:
        """Return a cell's task as it stands for the dense model."""
        known = id(cell.prepared)
        if known not in self._met:
            self._met[known] = meet(self, cell)
        return self._met[known]

    def references(self, cell: Cell) -> Mapping[str, ReferenceSamples]:
        """Return the reference samples by purpose; a scorer may not ask for an objective."""
        if cell.spec.objective is None and not cell.prepared.scores_all:
            return {"": ReferenceSamples([[0, 0]], find_objective("loss"))}
        objective = cell.spec.objective or self.plan.task.default_objective
        return self.met(cell).task.references(objective)

    def averaged(self, cell: Cell) -> ReferenceSamples:
        """Return the samples of mean inputs: the general ones, where a task has several."""
        objective = cell.spec.objective or self.plan.task.default_objective
        return next(iter(self.met(cell).task.references(objective).values()))

    def ready(
        self, reference: ReferenceSamples, cell: Cell, step: Callable[[int, int], None]
    ) -> ReferenceSamples:
        """Return reference samples as a scorer is given them."""
        seed = cell.spec.seed + reference.seed
        return dataclasses.replace(reference, seed=seed, batch_size=self._batch_size, progress=step)

    def evaluate(
        self,
        cell: Cell,
        part: Part,
        digest: str,
        removing: Callable[[], AbstractContextManager[object]],
        label: str,
    ) -> Measured:
        """Measure the model without what a mask removes, unless that is in the cache.

        Parameters
        ----------
        cell
            Whose task and ablation.
        part
            Which of the task's data.
        digest
            Names what is removed.
        removing
            Removes it from the model, if that is needed.
        label
            Of the progress bar.
        """
        key, path = self.place(cell, part, digest)
        if kept := store.read(store.Evaluated, path):
            return self.judged(kept, label)
        prepared = cell.prepared.part(part)
        if digest == store.DENSE:
            found, phase = self._measure(cell, part, digest, None, label)
            if prepared.compares:
                self._dense[key] = found
        else:
            dense = self.dense(cell, part) if prepared.compares else None
            with removing():
                found, phase = self._measure(cell, part, digest, dense, label)
        with metered(self.view) as meter:
            found = prepared.after(self.view, found)
        evaluated = store.Evaluated(
            samples={name: tuple(map(float, values)) for name, values in found.samples.items()},
            phase=added(phase, meter.phase),
            has_memory=found.memory is not None,
            texts=found.texts,
        )
        store.write(evaluated, path)
        return self.judged(evaluated, label)

    def judged(self, evaluated: store.Evaluated, label: str) -> Measured:
        """Have the judge read what a model wrote, unless it has."""
        return judged(self.plan.judge, evaluated, self.plan.task, self.cache, self.report, label)

    def place(self, cell: Cell, part: Part, digest: str) -> tuple[str, Path]:
        """Return the key of an evaluation and where it is kept; one part is not measured twice."""
        if cell.prepared.part(part) is cell.prepared:
            part = "test"
        content = self._content(cell, digest)
        key = store.evaluation_key(cell.spec, part, digest, self.plan.task.steering, content)
        return key, self.cache / "evaluations" / f"{key}.json"

    def _content(self, cell: Cell, digest: str) -> str:
        """Return the digest of the samples that the model's mean inputs come from, if any."""
        means = cell.spec.ablation == "mean" and digest != store.DENSE
        return self.averaged(cell).digest if means else ""

    def dense(self, cell: Cell, part: Part) -> Evaluation:
        """Return the dense evaluation, made again when only its numbers were in the cache."""
        key, path = self.place(cell, part, store.DENSE)
        if key not in self._dense:
            kept = store.read(store.Evaluated, path)
            if kept is not None and not kept.has_memory:
                self._dense[key] = Evaluation(kept.samples)
            else:
                label = f"dense {self.plan.model.ref.id}"
                self._dense[key] = self._measure(cell, part, store.DENSE, None, label)[0]
        return self._dense[key]

    def ablated(self, cell: Cell, keep: KeepMask) -> AbstractContextManager[None]:
        """Remove what `keep` does not keep, in the way the cell asks for."""
        if keep.removed + keep.removed_biases == 0:
            return nullcontext()
        match cell.spec.ablation:
            case "zero":
                return self.view.masked(keep)
            case "mean":
                return self.view.mean_ablated(keep, self.mean_inputs(cell))
            case "resample":
                return self.view.resample_ablated(keep)

    def mean_inputs(self, cell: Cell) -> Mapping[str, Any]:
        """Return what removed weights read with ablation `mean`, made once a session."""
        reference = self.averaged(cell)
        if reference.digest not in self._means:
            with self.report.steps("mean inputs") as step:
                means = mean_inputs(self.view, self.ready(reference, cell, step))
                self._means[reference.digest] = means
        return self._means[reference.digest]

    def _measure(
        self, cell: Cell, part: Part, digest: str, dense: Evaluation | None, label: str
    ) -> tuple[Evaluation, Phase]:
        # Parts of a long evaluation are kept as they are measured.
        key = store.state_key(cell.spec, digest, self._content(cell, digest))
        memory = self.cache / "memories" / f"{key}.jsonl"
        with (
            self.report.steps(label) as step,
            remembering(self.view, memory) as remembered,
            metered(self.view) as meter,
        ):
            found = cell.prepared.part(part).evaluate(self.view, dense, step)
        return found, added(meter.phase, remembered.recalled)
