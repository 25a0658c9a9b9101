"""Compression: how much of the language model survives when the lowest-scored weights go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sparc3_bench import Evaluation, Means, Metric, Task, hookimpl
from sparc3_tasks.texts.ranges import CountOrZero
from sparc3_tasks.texts.task import PreparedWindows, WindowTask
from sparc3_tasks.texts.windows import Cutter, Draw, check_overlap

if TYPE_CHECKING:
    from sparc3_bench import ModelView


@dataclass(frozen=True)
class Compression(WindowTask):
    """Perplexity and KL divergence on held-out text, after pruning under general text.

    Parameters
    ----------
    reference_text, evaluation_text
        ``c4``, ``wikipedia``, a local file (plain text, JSON Lines, CSV, parquet), a folder that
        `datasets` saved, or ``hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]``; a CONFIG with a slash is a
        file of the data set.
    reference_windows, evaluation_windows
        How many windows of each; for the evaluation, 0 is all that there are.
    reference_length, evaluation_length
        Tokens in a window; never taken from the model, as perplexity depends on it.
    reference_draw
        Reference windows are drawn from the text cut end to end (``windows``; ``nested``, so that
        with one seed fewer windows are the first of more), or from ``documents`` (rows of a data
        set, lines of a file): a random part of one that is longer than a window, as in the code of
        [sun2024wanda].
    begin
        What stands before every window, reference and evaluation alike: ``auto``, what the
        tokenizer puts before a text, or ``none``. It is read and never scored: windows have as many
        tokens of the text with it as without, and the same ones are scored, from the second on.
    divergence_every
        The divergence is taken at one of so many positions of a window, other ones in the next: a
        part of the work, for a mean with more noise and no bias.
    allow_overlap
        Whether to go on when reference and evaluation text share more than 1 % of their 13-grams.
    """

    name = "compression"
    title = "Compression"
    version = 1
    metrics = (
        Metric("perplexity", "lower", "1", "Perplexity", scale="log"),
        Metric("kl", "lower", "nats per token", "KL divergence to the dense model"),
    )
    amounts = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    unsaid_options = ("divergence_every",)

    evaluation_windows: CountOrZero = 16
    reference_draw: Draw = "windows"
    divergence_every: Annotated[int, Field(ge=1, le=64)] = 1
    allow_overlap: bool = False

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return perplexity, exp of the mean loss over windows, and the mean divergence."""
        import numpy as np

        return {"perplexity": np.exp(means["loss"]), "kl": means["kl"]}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedCompression:
        """Fetch, tokenise, cut and draw; refuse text that is empty, short or overlapping."""
        cutter = Cutter(tokenizer, cache, self.begin)
        reference = self.reference(cutter, seed, self.reference_draw)
        evaluation = self.held_out(cutter)
        flattered = check_overlap(reference, evaluation, allowed=self.allow_overlap)
        return PreparedCompression(
            reference,
            evaluation,
            (reference.record, evaluation.record),
            (*flattered, *reference.warnings, *evaluation.warnings),
            self.divergence_every,
        )


@dataclass(frozen=True)
class PreparedCompression(PreparedWindows):
    """The windows in memory, as they are measured on."""

    divergence_every: int = 1

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure the loss of every window, and its KL divergence to the dense model."""
        import torch

        from sparc3_tasks.texts.losses import measure_window

        measured, memory = [], []
        windows, begin = self.evaluation.rows, self.evaluation.begin.ids
        for index, window in enumerate(windows):
            before = None if dense is None else dense.memory[index]
            every = self.divergence_every
            compared = slice(None) if every == 1 else slice(index % every, None, every)
            numbers, kept = measure_window(model, window, before, begin, compared)
            measured.append(numbers)
            memory.append(kept)
            progress(index + 1, len(windows))
        losses, divergences = torch.stack(measured, 1).tolist()  # read once
        return Evaluation({"loss": losses, "kl": divergences}, memory if dense is None else None)


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Compression]
