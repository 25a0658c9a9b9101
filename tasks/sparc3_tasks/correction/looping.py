"""Repetition correction: remove what makes a model repeat itself, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparc3_bench import Choice, Metric, Task, Verdicts, hookimpl
from sparc3_tasks.correction.base import Correction
from sparc3_tasks.correction.options import SIDE_EFFECTS
from sparc3_tasks.correction.texts import distinct, longest_repeat, loop_onset, mean, seq_rep
from sparc3_tasks.texts.ranges import Count


@dataclass(frozen=True)
class RepetitionCorrection(Correction):
    """Repetition in a model's continuations, and what else changes, as few units are removed."""

    name = "repetition-correction"
    title = "Repetition correction"
    metrics = (
        Metric("uniqueness_change", "higher", "1", "Change of unique-token ratio"),
        Metric("uniqueness", "higher", "1", "Unique-token ratio"),
        Metric("seq_rep_4", "lower", "1", "Repeated 4-grams (seq-rep-4)"),
        Metric("longest_repeat", "lower", "tokens", "Longest repeated n-gram"),
        Metric("loop_onset", "higher", "1", "Share of the response before it loops"),
        *SIDE_EFFECTS,
    )
    corrected = "uniqueness"

    prompts: str = "repetition"
    reference_count: Count = 96
    new_tokens: Count = 50

    @property
    def choice(self) -> Choice:
        """The most unique tokens within the limit on perplexity."""
        return self._choice(
            "uniqueness_change",
            "perplexity_increase",
            title=(
                f"Most unique tokens at no more than {self.most_perplexity:.0%} perplexity increase"
            ),
        )

    def undesired(
        self, responses: Sequence[Sequence[Sequence[int]]], verdicts: Verdicts
    ) -> list[list[float]]:
        """Return 1 minus the unique-token ratio; an empty response repeats nothing."""
        return [
            [1 - distinct(response, 1) if response else 0.0 for response in some]
            for some in responses
        ]

    def numbers(self, responses: Sequence[Sequence[int]]) -> dict[str, float]:
        """Return the mean over the responses to a prompt of what repetition is measured by."""
        return {
            "uniqueness": mean([distinct(response, 1) for response in responses]),
            "seq_rep_4": mean([seq_rep(response, 4) for response in responses]),
            "longest_repeat": mean([longest_repeat(response) for response in responses]),
            "loop_onset": mean(
                [loop_onset(response) / max(len(response), 1) for response in responses]
            ),
        }


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [RepetitionCorrection]
