"""Blockwise: the curve of a run whose blocks are scored behind the blocks already pruned."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import Tensor

from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.blockwise import walk
from sparc3_bench.run import store
from sparc3_bench.run.environment import metered
from sparc3_bench.run.points import CellRun, estimates
from sparc3_bench.run.responses import Written
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.types.masks import KeepMask


class Blockwise(CellRun):
    """Every amount walks the model anew, as scores depend on what was pruned before."""

    def fields(self) -> dict[str, Any]:
        """Return the measured fields of the result."""
        for amount in self.spec.amounts:
            if amount == 0:
                keep = KeepMask({})
                self.add(self.amount(0, keep, 0), self.counted(keep), self.evaluated(keep, "dense"))
                continue
            path = self.session.cache / "points" / f"{store.walk_key(self.spec, amount)}.json"
            walked = store.read(store.Walked, path)
            if walked is None:
                walked = self._walked(amount)
                store.write(walked, path)
            at = self.session.judged(walked.evaluated, self.label)
            self.add(walked.amount, walked.kept, at)
            self.spend("attribution", walked.attribution)
        curve = self.curve()
        return {
            "points": self.points(curve),
            "curve": estimates(curve),
            "measured": curve,
            "remarks": self.session.remarks(self.cell, curve.points[0]),
            "cost": self.cost,
            "written": Written(points=tuple(at.raw for at in self.measured)),
        }

    def _walked(self, amount: float) -> store.Walked:
        spec, session, cell = self.spec, self.session, self.cell
        view, label = session.view, f"{self.label} · sparsity {amount:g}"
        references = session.references(cell)
        if len(references) != 1:
            raise Sparc3Error(
                "Schedule 'blockwise' needs a task with one reference, as later blocks are scored "
                "on what earlier ones were pruned for; choose 'one-shot'."
            )
        if cell.prepared.compares:
            session.dense(cell, "test")  # while the model still is
        whole: tuple[dict[str, Tensor], dict[str, Tensor]] = {}, {}
        units = 0
        with ExitStack() as stack:
            with session.report.steps(f"{label} · blockwise") as step, metered() as meter:
                reference = session.ready(
                    next(iter(references.values())), cell, lambda done, total: None
                )
                for index, block in enumerate(walk(view, reference)):
                    scores = checked(
                        cell.scorer.score(block, reference), block.weights(), cell.scorer.name
                    )
                    kept = choose(
                        rankable(scores, block, spec.unit), amount, unit=spec.unit, group=spec.group
                    )
                    keep = as_mask(kept, block, spec.unit)
                    stack.enter_context(block.masked(keep))
                    whole[0].update(keep.weights)
                    whole[1].update(keep.biases)
                    units += self.removed(kept)
                    step(index + 1, len(view.blocks))
            keep = KeepMask(*whole)
            digest = store.mask_digest(keep)
            # The model is back before what takes the dense one is asked.
            evaluated = session.evaluate(cell, "test", digest, stack.pop_all, label)
        return store.Walked(
            evaluated=evaluated.raw,
            attribution=meter.phase,
            amount=self.amount(amount, keep, units),
            kept=self.counted(keep),
        )
