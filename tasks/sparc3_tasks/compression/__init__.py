"""Compression: how much of the language model survives when the lowest-scored weights go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import Evaluation, Means, Metric, PreparedTask, Sparc3Error, Task, hookimpl
from sparc3_tasks.texts.begin import Begin
from sparc3_tasks.windows import Draw, WindowTask

if TYPE_CHECKING:
    from sparc3_bench import DatasetRecord, ModelView, ReferenceSamples
    from sparc3_tasks.texts.windows import Windows

_MOST_OVERLAP = 0.01


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
    default_objective = "label-log-probability"
    fewest_evaluated = 0
    tiny_options = {  # noqa: RUF012  # of the class
        **{"reference_windows": 4, "evaluation_windows": 4},
        **{"reference_length": 24, "evaluation_length": 24},
    }

    reference_text: str = "c4"
    evaluation_text: str = "wikipedia"
    reference_windows: int = 16
    evaluation_windows: int = 16
    reference_length: int = 512
    evaluation_length: int = 512
    reference_draw: Draw = "windows"
    begin: Begin = "auto"
    allow_overlap: bool = False

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return perplexity, exp of the mean loss over windows, and the mean divergence."""
        import numpy as np

        return {"perplexity": np.exp(means["loss"]), "kl": means["kl"]}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedCompression:
        """Fetch, tokenise, cut and draw; refuse text that is empty, short or overlapping."""
        from sparc3_tasks.texts import windows

        reference = windows.draw_reference(
            self.reference_text,
            self.reference_draw,
            tokenizer,
            self.reference_length,
            self.reference_windows,
            seed,
            cache,
            self.begin,
        )
        evaluation = windows.held_out(
            self.evaluation_text,
            tokenizer,
            self.evaluation_length,
            self.evaluation_windows,
            cache,
            self.begin,
        )
        shared = windows.overlap(reference.rows, evaluation.rows)
        finding = f"{shared:.1%} of the evaluation text's 13-grams are in the reference text"
        if shared > _MOST_OVERLAP and not self.allow_overlap:
            raise Sparc3Error(
                f"{finding}, at most {_MOST_OVERLAP:.0%} may be; choose other texts, or set "
                "`allow_overlap` and live with a number that flatters."
            )
        flattered = (f"{finding}.",) if shared > _MOST_OVERLAP else ()
        return PreparedCompression(
            reference,
            evaluation,
            (reference.record, evaluation.record),
            (*flattered, *reference.warnings, *evaluation.warnings),
        )


@dataclass(frozen=True)
class PreparedCompression(PreparedTask):
    """The windows in memory."""

    reference: Windows
    evaluation: Windows
    datasets: tuple[DatasetRecord, ...]
    warnings: tuple[str, ...]

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference windows; any objective over text will do."""
        from sparc3_bench import find_objective

        return {"task": self.reference.reference(find_objective(objective))}

    def sequences(self) -> Sequence[Sequence[int]]:
        """Return the evaluation windows."""
        return self.evaluation.samples

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure the loss of every window, and its KL divergence to the dense model."""
        from sparc3_tasks.compression.measure import measure_window

        losses, divergences, memory = [], [], []
        windows, begin = self.evaluation.rows, self.evaluation.begin.ids
        for index, window in enumerate(windows):
            before = None if dense is None else dense.memory[index]
            loss, divergence, kept = measure_window(model, window, before, begin)
            losses.append(loss)
            divergences.append(divergence)
            memory.append(kept)
            progress(index + 1, len(windows))
        samples = {"loss": losses, "kl": divergences}
        return Evaluation(samples, memory if dense is None else None)


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Compression]
