"""References of a correction: the model's own undesired responses, and general text beside them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Sparc3Error
from sparc3_tasks.correction.generation import respond
from sparc3_tasks.correction.neutral import matched

if TYPE_CHECKING:
    from sparc3_bench import Judging, ModelView, Remember
    from sparc3_tasks.correction.prepared import PreparedCorrection

Ids = Sequence[int]

_CLOSE = 0.1
"""A score so far below the threshold is said to come close."""


@dataclass(frozen=True)
class Undesired:
    """Prompts with the responses that steer the scores.

    Attributes
    ----------
    samples
        Token ids of each prompt and of its response, at least one token each.
    told
        How they were chosen, for the record.
    """

    samples: Sequence[tuple[Ids, Ids]]
    told: str


def undesired_of(
    prepared: PreparedCorrection,
    model: ModelView,
    judge: Judging,
    remember: Remember,
    progress: Callable[[int, int], None],
) -> Undesired:
    """Let the dense model answer the attribution prompts and keep its most undesired responses.

    Of each prompt the worst response that is not empty counts; those that reach the task's
    threshold are kept, the worst first, up to the task's number.

    Raises
    ------
    Sparc3Error
        When too few reach the threshold.
    """
    task, asked = prepared.task, prepared.ids["reference"]
    responses: list[list[list[int]]] = remember(
        "responses to the attribution prompts",
        lambda: respond(model, asked, task.sampling, progress, task.generation_batch),
    )
    texts = {"responses": prepared.texts(responses)}
    scores = task.undesired(responses, texts, judge)
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


def general_samples(
    prepared: PreparedCorrection, undesired: Undesired
) -> tuple[list[list[int]], list[int]]:
    """Return samples of general text, and where in each begins what is attributed."""
    task, text, begin = prepared.task, prepared.general_text, prepared.begin
    samples: list[list[int]] = []
    starts: list[int] = []
    if task.general in ("matched", "both"):
        lengths = [
            (len(prompt) - len(begin.ids), len(response)) for prompt, response in undesired.samples
        ]
        samples += map(begin.before, matched(text, lengths, prepared.seed))
        starts += [len(prompt) for prompt, _ in undesired.samples]
    if task.general in ("windows", "both"):
        size = task.general_length
        cut = [text[at : at + size] for at in range(0, len(text) - size + 1, size)]
        if len(cut) < task.general_windows:
            raise Sparc3Error(
                f"The general text makes {len(cut)} windows of {size} tokens; "
                f"{task.general_windows} are needed. Give a longer text or ask for fewer."
            )
        drawn = random.Random(prepared.seed).sample(cut, task.general_windows)
        samples += map(begin.before, drawn)
        starts += [begin.start] * len(drawn)
    return samples, starts
