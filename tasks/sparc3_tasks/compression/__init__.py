"""Compression: how much of the language model survives when the lowest-scored weights go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import Evaluation, Means, Metric, PreparedTask, Sparc3Error, Task, hookimpl
from sparc3_tasks.windows import Draw, WindowTask

if TYPE_CHECKING:
    from sparc3_bench import DatasetRecord, ModelView, ReferenceSamples
    from sparc3_tasks.compression.data import Window

_MOST_OVERLAP = 0.01


@dataclass(frozen=True)
class Compression(WindowTask):
    """Perplexity and KL divergence on held-out text, after pruning under general text.

    Parameters
    ----------
    reference_text, evaluation_text
        ``c4``, ``wikipedia``, a local UTF-8 file, or ``hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]``; a
        CONFIG with a slash is a file of the data set.
    reference_windows, evaluation_windows
        How many windows of each; for the evaluation, 0 is all that there are.
    reference_length, evaluation_length
        Tokens in a window; never taken from the model, as perplexity depends on it.
    reference_draw
        Reference windows are drawn from the text cut end to end (``windows``; ``nested``, so that
        with one seed fewer windows are the first of more), or from ``documents`` (rows of a data
        set, lines of a file): a random part of one that is longer than a window, as in the code of
        [sun2024wanda].
    allow_overlap
        Whether to go on when reference and evaluation text share more than 1 % of their 13-grams.
    """

    name = "compression"
    title = "Compression"
    version = 1
    metrics = (
        Metric("perplexity", "lower", "1", "Perplexity"),
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
    allow_overlap: bool = False

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return perplexity, exp of the mean loss over windows, and the mean divergence."""
        import numpy as np

        return {"perplexity": np.exp(means["loss"]), "kl": means["kl"]}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedCompression:
        """Fetch, tokenise, cut and draw; refuse text that is empty, short or overlapping."""
        from sparc3_tasks.compression import data

        reference, about = data.draw_reference(
            self.reference_text,
            self.reference_draw,
            tokenizer,
            self.reference_length,
            self.reference_windows,
            seed,
            cache,
        )
        held_out = data.read_text(self.evaluation_text, cache)
        count = self.evaluation_windows
        windows = data.cut(held_out, tokenizer, self.evaluation_length, max(count, 1))
        evaluation = data.spread(windows, count or len(windows))
        shared = data.overlap(reference, evaluation)
        finding = f"{shared:.1%} of the evaluation text's 13-grams are in the reference text"
        if shared > _MOST_OVERLAP and not self.allow_overlap:
            raise Sparc3Error(
                f"{finding}, at most {_MOST_OVERLAP:.0%} may be; choose other texts, or set "
                "`allow_overlap` and live with a number that flatters."
            )
        return PreparedCompression(
            reference,
            evaluation,
            (about, data.record("evaluation", held_out, evaluation, "evenly spaced over the text")),
            (f"{finding}.",) if shared > _MOST_OVERLAP else (),
        )


@dataclass(frozen=True)
class PreparedCompression(PreparedTask):
    """The windows in memory."""

    reference: list[Window]
    evaluation: list[Window]
    datasets: tuple[DatasetRecord, ...]
    warnings: tuple[str, ...]

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference windows; any objective over text will do."""
        from sparc3_bench import ReferenceSamples, find_objective

        return {"task": ReferenceSamples(self.reference, find_objective(objective))}

    def sequences(self) -> Sequence[Sequence[int]]:
        """Return the evaluation windows."""
        return self.evaluation

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure the loss of every window, and its KL divergence to the dense model."""
        from sparc3_tasks.compression.measure import measure_window

        losses, divergences, memory = [], [], []
        for index, window in enumerate(self.evaluation):
            before = None if dense is None else dense.memory[index]
            loss, divergence, kept = measure_window(model, window, before)
            losses.append(loss)
            divergences.append(divergence)
            memory.append(kept)
            progress(index + 1, len(self.evaluation))
        samples = {"loss": losses, "kl": divergences}
        return Evaluation(samples, memory if dense is None else None)


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Compression]
