"""Attribution sanity: what scores depend on, by scoring again with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import Means, Metric, Sparc3Error, Task, hookimpl
from sparc3_tasks.attribution_sanity.checks import CHECKS

if TYPE_CHECKING:
    from sparc3_tasks.attribution_sanity.prepared import PreparedSanity


@dataclass(frozen=True)
class AttributionSanity(Task):
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
    """

    name = "attribution-sanity"
    title = "Attribution sanity"
    version = 1
    metrics = (
        Metric("loss", "lower", "nats per token", "Loss"),
        Metric("untrained_loss", "neither", "nats per token", "Loss of the re-initialised model"),
    )
    curve_metrics = tuple(metric for check in CHECKS for metric in check.metrics)
    amounts = (0.0,)
    default_objective = "label-log-probability"

    reference_text: str = "c4"
    evaluation_text: str = "wikipedia"
    reference_windows: int = 16
    evaluation_windows: int = 4
    reference_length: int = 256
    evaluation_length: int = 512
    other_objective: str = "label-logit"

    def __post_init__(self) -> None:
        for name in ("reference_windows", "evaluation_windows"):
            if getattr(self, name) < 1:
                raise Sparc3Error(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        for name in ("reference_length", "evaluation_length"):
            if getattr(self, name) < 2:
                raise Sparc3Error(f"`{name}` must be at least 2 tokens, got {getattr(self, name)}.")

    def options(self) -> dict[str, Any]:
        """Return the options; of a local file its name, as its digest is in the record."""
        options = super().options()
        for name in ("reference_text", "evaluation_text"):
            if (path := Path(options[name])).is_file():
                options[name] = path.name
        return options

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the mean losses over windows."""
        return {metric.name: means[metric.name] for metric in self.metrics}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedSanity:
        """Fetch, tokenise, cut and draw; refuse text that is empty or short."""
        from sparc3_bench import find_objective
        from sparc3_tasks.attribution_sanity.prepared import PreparedSanity
        from sparc3_tasks.compression import data

        find_objective(self.other_objective)
        count = self.reference_windows
        text = data.read_text(self.reference_text, cache)
        windows = data.cut(text, tokenizer, self.reference_length, 2 * count)
        drawn = data.drawn(windows, 2 * count, seed)
        held_out = data.read_text(self.evaluation_text, cache)
        windows = data.cut(held_out, tokenizer, self.evaluation_length, self.evaluation_windows)
        evaluation = data.spread(windows, self.evaluation_windows)
        choice = f"drawn at random, seed {seed}"
        return PreparedSanity(
            drawn[:count],
            drawn[count:],
            evaluation,
            self.other_objective,
            (
                data.record("reference", text, drawn[:count], choice),
                data.record("reference", text, drawn[count:], f"{choice}, from the rest"),
                data.record("evaluation", held_out, evaluation, "evenly spaced over the text"),
            ),
        )


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [AttributionSanity]
