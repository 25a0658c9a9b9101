"""Pruning: what removing weights costs in perplexity, and how much may go within a budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from sparc3_bench import (
    Bar,
    Evaluation,
    Means,
    Metric,
    PreparedTask,
    PruningOptions,
    Task,
    hookimpl,
)
from sparc3_tasks.texts.ranges import Count
from sparc3_tasks.texts.sources import read_text
from sparc3_tasks.texts.task import PreparedWindows, WindowTask
from sparc3_tasks.texts.windows import Cutter, Windows, check_overlap, spread

if TYPE_CHECKING:
    from sparc3_bench import ModelView, Part

_FINE = 1.01
"""The search ends when the budget lies between two sizes of this ratio."""


@dataclass(frozen=True)
class Pruning(WindowTask):
    """Perplexity on held-out text before and after pruning, and the most that a budget allows.

    Parameters
    ----------
    budget
        By how much perplexity may rise at most: 0.05 is five per cent. The largest amount is found
        on windows of their own, and reported on others. 0 looks for none.
    reference_text, evaluation_text, reference_windows, reference_length, evaluation_length, begin
        As for the task `compression`.
    evaluation_windows, selection_windows
        How many windows of the evaluation text are reported on, and how many others are searched
        on.
    """

    name = "pruning"
    title = "Pruning within a budget"
    version = 1
    metrics = (
        Metric("perplexity", "lower", "1", "Perplexity", scale="log"),
        Metric(
            "retained", "higher", "1", "Perplexity of the dense model over this one", scale="log"
        ),
    )
    amounts = (0.0, 0.1, 0.3, 0.5)
    steering = frozenset({"budget"})
    sample_counts = (*WindowTask.sample_counts, "selection_windows")
    pruning = PruningOptions(
        budget="budget", reference="reference_text", held_out="evaluation_text"
    )
    tiny_options: ClassVar[Mapping[str, Any]] = {
        **WindowTask.tiny_options,
        **{"selection_windows": 4, "budget": 0.5},
    }

    budget: Annotated[float, Field(ge=0, le=1000)] = 0.0
    selection_windows: Count = 16

    @property
    def bar(self) -> Bar | None:
        """The budget, as the share of the dense perplexity that must be left."""
        if not self.budget:
            return None
        title = f"Most removed with perplexity at most {100 * self.budget:g} % higher"
        return Bar("retained", 1 / (1 + self.budget), title, ratio=_FINE)

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return perplexity, exp of the mean loss over windows, and what is left of the dense."""
        import numpy as np

        return {
            "perplexity": np.exp(means["loss"]),
            "retained": np.exp(dense["loss"] - means["loss"]),
        }

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedPruning:
        """Fetch, tokenise, cut and draw; refuse text that is empty, short or overlapping."""
        cutter = Cutter(tokenizer, cache, self.begin)
        reference = self.reference(cutter, seed)
        text = read_text(self.evaluation_text, cache)
        both = self.evaluation_windows + self.selection_windows
        windows = cutter.cut(text, self.evaluation_length, both)
        reported = spread(range(len(windows)), self.evaluation_windows)
        rest = [windows[index] for index in sorted({*range(len(windows))} - {*reported})]
        chosen = [windows[index] for index in reported]
        evenly = "evenly spaced over the"
        evaluation = cutter.described("evaluation", text, chosen, f"{evenly} text")
        chosen = spread(rest, self.selection_windows)
        selection = cutter.described(
            "selection", text, chosen, f"{evenly} other windows of the text"
        )
        every = (reference, evaluation, selection)
        overlaps = check_overlap(reference, evaluation, allowed=False)
        return PreparedPruning(
            reference,
            evaluation,
            tuple(one.record for one in every),
            (*overlaps, *(text for one in every for text in one.warnings)),
            selection=selection,
        )


@dataclass(frozen=True)
class PreparedPruning(PreparedWindows):
    """The windows in memory: some are reported on, others are searched on."""

    selection: Windows = field(kw_only=True)
    compares = False

    def part(self, name: Part) -> PreparedTask:
        """Return the task on the windows that are searched on, or itself."""
        if name != "selection" or self.evaluation is self.selection:
            return self
        return dataclasses.replace(self, evaluation=self.selection)

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure the loss of every window."""
        import torch

        from sparc3_tasks.texts.losses import measure_windows

        windows, begin = self.evaluation.rows, self.evaluation.begin.ids
        losses = []
        for index, window in enumerate(windows):
            losses.append(measure_windows(model, [window], begin))
            progress(index + 1, len(windows))
        return Evaluation({"loss": torch.cat(losses).tolist()})  # read once


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Pruning]
