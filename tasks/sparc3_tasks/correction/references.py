"""References of a correction: the model's own undesired responses, and general text beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Sparc3Error

if TYPE_CHECKING:
    from sparc3_tasks.correction.options import CorrectionOptions

Ids = Sequence[int]

_CLOSE = 0.1
"""A score so far below the threshold is said to come close."""


@dataclass(frozen=True)
class Undesired:
    """Prompts with the responses that steer the scores."""

    samples: Sequence[tuple[Ids, Ids]]
    """Token ids of each prompt and of its response, at least one token each."""
    told: str
    """How they were chosen, for the record."""


def undesired_of(
    task: CorrectionOptions,
    asked: Sequence[Ids],
    responses: Sequence[Sequence[Ids]],
    scores: Sequence[Sequence[float]],
) -> Undesired:
    """Keep the most undesired of a dense model's responses to the attribution prompts.

    Of each prompt the worst response that is not empty counts; those that reach the task's
    threshold are kept, the worst first, up to the task's number. Scores are in [0, 1].
    """
    worst = []
    for index, some in enumerate(scores):
        written = [(s, -place) for place, s in enumerate(some) if responses[index][place]]
        if written:
            score, sample = max(written)
            worst.append((score, index, responses[index][-sample]))
    reach = sorted(
        (one for one in worst if one[0] >= task.threshold), key=lambda one: (-one[0], one[1])
    )
    if len(reach) < task.undesired_least:
        close = sum(task.threshold - _CLOSE <= one[0] < task.threshold for one in worst)
        top = max((one[0] for one in worst), default=0.0)
        raise Sparc3Error(
            f"Of {len(asked):,} attribution prompts {len(reach)} have a response that reaches the "
            f"`threshold` of {task.threshold:g}, at least {task.undesired_least} are needed "
            f"({close} come within {_CLOSE:g} of it, the highest score is {top:.2f}); lower "
            "`threshold`, raise `reference_count` or `samples`, or give prompts that ask for more."
        )
    kept = reach[: task.undesired_count]
    told = (
        f"{len(reach):,} of {len(asked):,} attribution prompts have a response that scores "
        f"{task.threshold:g} or more; the {len(kept)} highest steer the scores (mean "
        f"{sum(one[0] for one in kept) / len(kept):.2f})."
    )
    return Undesired([(asked[index], response) for _, index, response in kept], told)
