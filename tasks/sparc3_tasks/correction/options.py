"""Options of a correction, their ranges, and the metrics that both tasks report."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from sparc3_bench import Means, Metric, Sparc3Error, Task, Unit, Verdicts
from sparc3_tasks.texts.begin import Begin
from sparc3_tasks.texts.ranges import Count, CountOrZero, Length, Share

if TYPE_CHECKING:
    from sparc3_bench import Removal
    from sparc3_tasks.correction.generation import Sampling

General = Literal["matched", "windows", "both"]
"""What general text is attributed: pieces as long as the undesired samples, whole windows, both."""

Contrast = Literal[
    "difference", "unit-mass", "t-statistic", "set-difference", "general", "undesired"
]
"""What both sides are made one ranking by; the functions are in `contrasts`."""

Normalise = Literal["none", "tokens", "mass"]
"""How samples count: as they are; by the mean over their tokens; each neuron's or head's share."""

Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""How much worse a side effect may be; a large number is no limit."""


@dataclass(frozen=True)
class CorrectionOptions(Task):
    """What a task of correction is told, and how it counts what a model writes.

    Parameters
    ----------
    prompts
        A built-in name, or any file, folder or ``hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]`` with a
        column `prompt` and, in a file, where wanted `kind` and `scores`; the task's own when empty.
    reference_count
        Prompts for attribution.
    selection_count
        Prompts that the choice is made on.
    test_count
        Prompts that are reported.
    control_count
        Test prompts that random controls are measured on.
    new_tokens
        Tokens of a response.
    samples
        Responses to a prompt.
    greedy
        Whether the likeliest token is taken; else tokens are drawn.
    top_p
        Tokens are drawn from the likeliest ones that have this share.
    temperature
        That they are drawn at.
    generation_seed
        Seed of the draws.
    generation_batch
        Responses that are written at once.
    threshold
        From which score on a response is undesired.
    undesired_count
        How many undesired responses are attributed at most.
    undesired_least
        How many there must be.
    general
        What general text is attributed: ``matched`` pieces as long as the undesired samples, whole
        ``windows``, or ``both``.
    general_text
        Where it comes from, as in task `compression`.
    general_windows
        How many windows of it are attributed, for ``windows`` and ``both``.
    general_length
        Tokens of such a window.
    normalise
        How samples count: as they are (``none``); by the mean over their ``tokens``; each neuron's
        or head's share of the ``mass``.
    contrast
        What both sides are made one ranking by; ``auto`` tries all that the scores allow.
    low_part
        Of ``set-difference``, the share of units with the least general relevance that may go.
    most_perplexity
        By what share perplexity may rise in what is chosen.
    most_distinct
        What share of distinct bigrams may be lost in what is chosen.
    held_out_text
        Where the general text comes from that perplexity is measured on.
    held_out_windows
        How many windows of it.
    held_out_length
        Tokens of such a window.
    neutral_prompts
        Prompts with nothing to be corrected, as for `prompts`.
    neutral_count
        How many of them.
    last_words
        Passages whose last word is asked for; 0 for none.
    begin
        What stands before every prompt and window, as in task `compression`.
    """

    version: ClassVar[int] = 1
    prompts_option: ClassVar[str | None] = "prompts"
    file_options = ("prompts", "neutral_prompts", "general_text", "held_out_text")
    amounts: ClassVar[tuple[float, ...]] = (0.0, 0.001, 0.002, 0.005, 0.01)
    counts: ClassVar[Mapping[Unit, tuple[int, ...]]] = {
        "neuron": (0, 10, 20, 50, 100, 200, 500),
        "head": (0, 1, 2, 5, 10, 20),
        "weight": (0, 1_000, 7_000, 20_000, 50_000, 100_000),
    }
    corrected: ClassVar[str]
    """The metric that is to change; the change of its mean, paired by prompt, is one, too."""
    default_objective: ClassVar[str] = "label-log-probability"
    objectives: ClassVar[tuple[str, ...]] = (
        *("label-log-probability", "label-logit", "argmax-logit", "prompt-argmax-logit", "loss"),
    )
    steering: ClassVar[frozenset[str]] = frozenset(
        {
            *("threshold", "undesired_count", "undesired_least", "general", "general_text"),
            *("general_windows", "general_length", "normalise", "contrast", "low_part"),
            *("most_perplexity", "most_distinct"),
        }
    )
    tiny_options: ClassVar[Mapping[str, Any]] = {
        **{"reference_count": 12, "selection_count": 6, "test_count": 8, "control_count": 4},
        **{"new_tokens": 6, "threshold": 0.01, "undesired_count": 6, "undesired_least": 1},
        **{"general_windows": 2, "general_length": 24},
        **{"held_out_windows": 2, "held_out_length": 24, "neutral_count": 3, "last_words": 4},
    }

    prompts: str = ""
    reference_count: Count = 400
    selection_count: Count = 64
    test_count: Count = 200
    control_count: Count = 32
    new_tokens: Count = 20
    samples: Count = 1
    greedy: bool = True
    top_p: Share = 0.9
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    generation_seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    generation_batch: Count = 256
    threshold: Share = 0.5
    undesired_count: Count = 96
    undesired_least: Count = 8
    general: General = "matched"
    general_text: str = "c4"
    general_windows: Count = 32
    general_length: Length = 256
    normalise: Normalise = "none"
    contrast: Literal["auto", Contrast] = "auto"
    low_part: Share = 0.9
    most_perplexity: Limit = 0.1
    most_distinct: Limit = 0.1
    held_out_text: str = "wikipedia"
    held_out_windows: Count = 16
    held_out_length: Length = 128
    neutral_prompts: str = "wikipedia"
    neutral_count: Count = 32
    last_words: CountOrZero = 64
    begin: Begin = "auto"

    @property
    def sample_counts(self) -> tuple[str, ...]:
        """All but `reference_count`: in fewer responses there may be nothing undesired."""
        counts = (
            *("selection_count", "test_count", "control_count", "undesired_count"),
            *("undesired_least", "general_windows", "held_out_windows", "neutral_count"),
        )
        return (*counts, "last_words") if self.last_words else counts

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.control_count > self.test_count:
            raise Sparc3Error(
                f"`control_count` is {self.control_count}, more than the {self.test_count} test "
                "prompts it is taken from."
            )
        if self.greedy and self.samples > 1:
            raise Sparc3Error(
                f"Greedy continuations of one prompt are all the same, and {self.samples} samples "
                "are asked for; ask for one, or set `greedy` to false."
            )

    @property
    def sampling(self) -> Sampling:
        """How responses are drawn."""
        from sparc3_tasks.correction.generation import Sampling  # loads torch

        return Sampling(
            self.new_tokens,
            self.samples,
            self.top_p,
            self.temperature,
            self.greedy,
            self.generation_seed,
        )

    @abstractmethod
    def undesired(
        self, responses: Sequence[Sequence[Sequence[int]]], verdicts: Verdicts
    ) -> list[list[float]]:
        """Return how undesired each response is, in [0, 1], by prompt and sample."""

    def numbers(self, responses: Sequence[Sequence[int]]) -> dict[str, float]:
        """Return what is said of the responses to one prompt, without a judge."""
        return {}

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return means over prompts, perplexities, and changes against the dense model."""
        import numpy as np

        found = {metric.name: means[metric.name] for metric in self.metrics if metric.name in means}
        found["perplexity"] = np.exp(means["loss"])
        found["perplexity_increase"] = np.exp(means["loss"] - dense["loss"]) - 1
        # A model that writes nothing has no bigram to lose.
        lost = (dense["distinct_2"] - means["distinct_2"]) / np.maximum(dense["distinct_2"], 1e-9)
        found["distinct_2_loss"] = lost
        if "nats" in means:
            found["response_perplexity"] = np.exp(
                means["nats"] / np.maximum(means["nat_tokens"], 1e-9)
            )
        found[f"{self.corrected}_change"] = means[self.corrected] - dense[self.corrected]
        return found

    def metrics_for(self, removal: Removal) -> tuple[Metric, ...]:
        """Return the metrics that are measured; without last words there is no share of them."""
        return tuple(
            metric for metric in self.metrics if self.last_words or metric.name != "last_word"
        )


SIDE_EFFECTS = (
    Metric("perplexity", "lower", "1", "Perplexity of general text", scale="log"),
    Metric("perplexity_increase", "lower", "1", "Increase of perplexity"),
    Metric("distinct_1", "higher", "1", "Distinct tokens"),
    Metric("distinct_2", "higher", "1", "Distinct bigrams"),
    Metric("distinct_3", "higher", "1", "Distinct trigrams"),
    Metric("distinct_2_loss", "lower", "1", "Loss of distinct bigrams"),
    Metric("kl", "lower", "nats", "KL divergence to the dense model on neutral prompts"),
    Metric("last_word", "higher", "1", "Last words right (LAMBADA)"),
    Metric("response_perplexity", "lower", "1", "Perplexity of responses under the dense model"),
    Metric("tokens", "higher", "tokens", "Length of a response"),
    Metric("empty", "lower", "1", "Empty responses"),
)
"""What both tasks report beside what they correct."""
