"""Zero-shot: which questions a language model still answers when the lowest-scored weights go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sparc3_bench import Means, Metric, PreparedTask, Sparc3Error, Task, hookimpl
from sparc3_tasks.texts.begin import Begin
from sparc3_tasks.texts.ranges import Count, CountOrZero, Length
from sparc3_tasks.texts.windows import Cutter, Draw
from sparc3_tasks.zero_shot.benchmarks import ACCURACIES, BENCHMARKS, known

if TYPE_CHECKING:
    from sparc3_bench import Removal

Source = Literal["local", "hub"]
"""Where the benchmarks come from: files of a package, or lm-eval's own tasks and the hub."""

_MEANS = (
    Metric("accuracy", "higher", "1", "Mean accuracy over benchmarks"),
    Metric("accuracy_change", "higher", "1", "Change of mean accuracy"),
)


@dataclass(frozen=True)
class ZeroShot(Task):
    """Accuracy on multiple-choice benchmarks, by lm-eval, after pruning under general text.

    Parameters
    ----------
    benchmarks
        Names of lm-eval's tasks, between commas.
    limit
        How many items of each, drawn at random; 0 for all.
    item_seed
        The seed they are drawn with.
    source
        ``local``: our configurations over files that are fetched once. ``hub``: lm-eval's own
        tasks, any that has an accuracy.
    reference_text, reference_windows, reference_length, reference_draw
        As for task ``compression``, so that scores are made once for both.
    begin
        As for task ``compression``; of an item, what stands before its context.
    """

    name = "zero-shot"
    title = "Zero-shot accuracy"
    version = 1
    metrics = (*_MEANS, *(metric for one in BENCHMARKS.values() for metric in one.declared()))
    amounts = (0.0, 0.3, 0.5)
    steering = frozenset(
        {"reference_text", "reference_windows", "reference_length", "reference_draw"}
    )
    default_objective = "label-log-probability"
    file_options = ("reference_text",)
    sample_counts = ("limit", "reference_windows")
    tiny_options = {  # noqa: RUF012  # of the class
        **{"benchmarks": "piqa,lambada_openai", "limit": 8},
        **{"reference_windows": 4, "reference_length": 24},
    }

    benchmarks: str = ",".join(BENCHMARKS)
    limit: CountOrZero = 200
    item_seed: int = 0
    source: Source = "local"
    reference_text: str = "c4"
    reference_windows: Count = 16
    reference_length: Length = 512
    reference_draw: Draw = "windows"
    begin: Begin = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(self.names) or len(set(self.names)) < len(self.names):
            raise Sparc3Error(
                f"`benchmarks` must be different names between commas, got '{self.benchmarks}'."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The benchmarks, in the order given."""
        return tuple(name.strip() for name in self.benchmarks.split(","))

    def metrics_for(self, removal: Removal) -> tuple[Metric, ...]:
        """Return the metrics of the benchmarks that are run."""
        return (*_MEANS, *(metric for name in self.names for metric in known(name).declared()))

    def chances(self) -> Mapping[str, float]:
        """Return what guessing gives on every benchmark, and on their mean where all are known."""
        found = {
            f"{one.name}_{metric}": one.chance
            for one in map(known, self.names)
            for metric in one.metrics
            if metric in ACCURACIES and one.chance is not None
        }
        own = [found.get(f"{name}_acc") for name in self.names]
        every = [chance for chance in own if chance is not None]
        mean = {"accuracy": sum(every) / len(own)} if len(every) == len(own) else {}
        return {**mean, **found}

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the metrics of every benchmark, and the mean of their accuracies."""
        import numpy as np

        kinds = [f"{name}/acc" for name in self.names]
        accuracy = sum(means[kind] for kind in kinds) / len(kinds)
        before = sum(dense[kind] for kind in kinds) / len(kinds)
        found = {"accuracy": accuracy, "accuracy_change": accuracy - before}
        for kind, mean in means.items():
            name, _, metric = kind.partition("/")
            value = np.exp(-mean) if metric == "perplexity" else mean
            found[f"{name}_{metric}"] = value
        return found

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedTask:
        """Fetch the data, draw items and reference windows, and ask lm-eval for its requests."""
        try:
            import lm_eval  # noqa: F401
        except ModuleNotFoundError:
            raise Sparc3Error(
                "Task 'zero-shot' needs lm-eval, which is not installed; "
                "`pip install 'sparc3-bench[zeroshot]'` brings it."
            ) from None
        from sparc3_tasks.zero_shot.prepared import PreparedZeroShot, draw_items

        reference = Cutter(tokenizer, cache, self.begin).reference(
            self.reference_text,
            self.reference_draw,
            self.reference_length,
            self.reference_windows,
            seed,
        )
        items = draw_items(
            self.names, self.limit, self.item_seed, self.source, tokenizer, reference.begin, cache
        )
        records = (reference.record, *items.records)
        return PreparedZeroShot(tokenizer, reference, items, records, reference.warnings)


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [ZeroShot]
