"""Repetition correction: remove what makes a model repeat itself, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparc3_bench import Choice, Means, Metric, Task, Verdicts, hookimpl
from sparc3_tasks.correction import texts
from sparc3_tasks.correction.base import Correction
from sparc3_tasks.correction.options import common_metrics
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
        *common_metrics(),
    )

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
            [1 - texts.unique_ratio(response) if response else 0.0 for response in some]
            for some in responses
        ]

    def numbers(self, responses: Sequence[Sequence[int]]) -> dict[str, float]:
        """Return the mean over the responses to a prompt of what repetition is measured by."""
        return {
            "uniqueness": texts.mean([texts.unique_ratio(response) for response in responses]),
            "seq_rep_4": texts.mean([texts.seq_rep(response, 4) for response in responses]),
            "longest_repeat": texts.mean(
                [texts.longest_repeat(response) for response in responses]
            ),
            "loop_onset": texts.mean(
                [texts.loop_onset(response) / max(len(response), 1) for response in responses]
            ),
        }

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the common metrics and the change of uniqueness, paired by prompt."""
        found = dict(super().point_metrics(means, dense, empty))
        found["uniqueness_change"] = means["uniqueness"] - dense["uniqueness"]
        return found


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [RepetitionCorrection]
