"""The sanity checks with their texts in memory: what is scored, and how scores are compared."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Evaluation, Sparc3Error
from sparc3_tasks.attribution_sanity.checks import CHECKS
from sparc3_tasks.texts.task import PreparedWindows
from sparc3_tasks.texts.windows import Window, Windows

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import (
        Batch,
        Estimate,
        Group,
        ModelView,
        Objective,
        ReferenceSamples,
        ScoreMap,
        Unit,
    )

_OTHER_SEED = 1_000_003
"""Added to the seed of the run: far from the seeds that users choose."""


@dataclass(frozen=True, kw_only=True)
class PreparedSanity(PreparedWindows):
    """The windows in memory; on those of `evaluation` the re-initialised model is measured, too."""

    again: Windows
    """Reference windows that share none with `reference`."""
    other_objective: str
    """What else is attributed."""
    compares = False

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return what is scored first, and for every check the same with one thing changed."""
        from sparc3_bench import Alteration, find_objective

        if objective == self.other_objective:
            raise Sparc3Error(
                f"`other_objective` is '{objective}', which is the objective itself; choose "
                "another one of the two."
            )
        task = self.reference.reference(find_objective(objective))
        again = self.again.reference(task.objective)
        half = functools.partial(_untrained, later=True)
        later = Alteration("attribution-sanity 1: untrained from the middle on", half)
        model = Alteration("attribution-sanity 1: untrained", _untrained)
        return {
            "task": task,
            "later": dataclasses.replace(task, alteration=later),
            "model": dataclasses.replace(task, alteration=model),
            "labels": dataclasses.replace(
                task, objective=relabelled(task.objective), targets=permuted(self.reference.rows)
            ),
            # Whatever is drawn is drawn again: the scorer's own noise, too.
            "references": dataclasses.replace(task, samples=again.samples, seed=_OTHER_SEED),
            "objective": dataclasses.replace(
                task, objective=find_objective(self.other_objective), variant=self.other_objective
            ),
        }

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure the loss of every window, and what it is without training."""
        import torch

        from sparc3_tasks.texts.losses import measure_window

        windows, begin = self.evaluation.rows, self.evaluation.begin.ids

        def losses(done: int) -> list[float]:
            found = []
            for window in windows:
                found.append(measure_window(model, window, None, begin)[0][0])
                progress(done + len(found), 2 * len(windows))
            return torch.stack(found).tolist()  # read once

        trained = losses(0)
        with _untrained(model):
            return Evaluation({"loss": trained, "untrained_loss": losses(len(trained))})

    def assess(
        self, model: ModelView, scores: Mapping[str, ScoreMap], unit: Unit, group: Group
    ) -> Mapping[str, Estimate]:
        """Return how alike the scores are before and after each change.

        Rankings are compared matrix by matrix (of neurons and heads, block by block). Numbers are
        means over matrices; intervals draw whole blocks, as the matrices of one move together.
        """
        from sparc3_bench import Estimate, Sparc3Error, mean_estimate, rankable
        from sparc3_tasks.attribution_sanity.alike import Comparison

        if unit == "block":
            raise Sparc3Error(
                "Rankings inside blocks are compared; choose another unit than 'block'."
            )
        rankings = {purpose: rankable(one, model, unit) for purpose, one in scores.items()}
        own, weights = rankings["task"], model.weights()
        block = {name: weights[name].block if unit == "weight" else int(name) for name in own}
        comparison = Comparison(own, unit, group)
        found: dict[str, Estimate] = {}
        for check in CHECKS:
            other = rankings[check.name]
            names = [n for n in own if not check.is_partial or block[n] < middle(model)]
            if comparison.is_same(other, names):
                told = Estimate(1.0, 1.0, 1.0, f"does not use {check.unused}")
                found |= {metric.name: told for metric in check.metrics if names}
                continue
            measured = comparison.correlations(other, names), comparison.overlaps(other, names)
            for metric, numbers in zip(check.metrics, measured, strict=True):
                if numbers:
                    clusters = [block[name] for name in numbers]
                    found[metric.name] = mean_estimate(list(numbers.values()), clusters)
        return found


def middle(model: ModelView) -> int:
    """Return the first block of the later half."""
    return len(model.blocks) // 2


def permuted(windows: Sequence[Window]) -> list[Window]:
    """Return the next tokens of all windows, in one random order over all of them.

    Each label is as frequent as before.
    """
    labels = [token for window in windows for token in window[1:]]
    random.Random(0).shuffle(labels)
    rest = iter(labels)
    return [list(itertools.islice(rest, len(window) - 1)) for window in windows]


def relabelled(objective: Objective) -> Objective:
    """Return an objective that takes a batch's targets for the next tokens."""
    import torch

    def attributed(logits: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        # The model has run; labels are read off the ids alone.
        unlabelled = batch.input_ids.shape[1] - batch.targets.shape[1]
        ids = torch.cat([batch.input_ids[:, :unlabelled], batch.targets], dim=1)
        return objective(logits, dataclasses.replace(batch, input_ids=ids))

    return attributed


def _untrained(model: ModelView, *, later: bool = False) -> AbstractContextManager[None]:
    from sparc3_tasks.attribution_sanity.untrained import untrained

    return untrained(model, middle(model) if later else 0)
