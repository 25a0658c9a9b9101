"""Attribution sanity: what scores depend on, by scoring again with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench import Assessment, Means, Metric, Task, hookimpl
from sparc3_tasks.attribution_sanity.checks import CHECKS
from sparc3_tasks.attribution_sanity.prepared import PreparedSanity
from sparc3_tasks.texts.ranges import Count, Length
from sparc3_tasks.texts.sources import read_text
from sparc3_tasks.texts.task import WindowTask
from sparc3_tasks.texts.windows import Cutter, drawn


@dataclass(frozen=True)
class AttributionSanity(WindowTask):
    """How alike a scorer's scores are when the model, labels, samples or objective are others.

    Nothing is pruned. Randomising the model and the labels are the sanity checks of
    [adebayo2018sanity], on scores of weights in place of inputs.

    Parameters
    ----------
    reference_text, evaluation_text
        As in task ``compression``.
    reference_windows
        How many windows are scored; as many others are drawn for another reference.
    evaluation_windows
        On how many windows the loss is measured, of the model and of the re-initialised one.
    reference_length, evaluation_length
        Tokens in a window.
    other_objective
        What is attributed beside the objective of the run.
    begin
        As in task ``compression``.
    """

    name = "attribution-sanity"
    title = "Attribution sanity"
    version = 1
    metrics = (
        Metric("loss", "lower", "nats per token", "Loss"),
        Metric("untrained_loss", "neither", "nats per token", "Loss of the re-initialised model"),
    )
    assessment = Assessment(
        tuple(metric for check in CHECKS for metric in check.metrics),
        PreparedSanity.assess,
        every_reference=True,
    )
    amounts = (0.0,)

    evaluation_windows: Count = 4
    reference_length: Length = 256
    other_objective: str = "label-logit"

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the mean losses over windows."""
        return {metric.name: means[metric.name] for metric in self.metrics}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedSanity:
        """Fetch, tokenise, cut and draw; refuse text that is empty or short."""
        from sparc3_bench import find_objective  # loads torch

        find_objective(self.other_objective)
        cutter, count = Cutter(tokenizer, cache, self.begin), self.reference_windows
        text, choice = read_text(self.reference_text, cache), f"drawn at random, seed {seed}"
        chosen = drawn(cutter.cut(text, self.reference_length, 2 * count), 2 * count, seed)
        reference = cutter.described("reference", text, chosen[:count], choice)
        again = cutter.described("reference", text, chosen[count:], f"{choice}, from the rest")
        evaluation = self.held_out(cutter)
        return PreparedSanity(
            reference,
            evaluation,
            (reference.record, again.record, evaluation.record),
            (*reference.warnings, *evaluation.warnings),
            again=again,
            other_objective=self.other_objective,
        )


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [AttributionSanity]
