"""What the contract demands of a task's objectives: sums over samples, without padding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import torch

from sparc3_bench.errors import UnknownNameError, describe
from sparc3_bench.testing.report import CheckFailure
from sparc3_bench.testing.task_runs import Plugin, Trial, references, trial
from sparc3_bench.types.samples import ReferenceSamples


def check_objective_adds_up_over_samples(plugin: Plugin) -> None:
    """Demand of every objective the sum over samples, with padding left out.

    The batch size follows from memory: by a mean over the batch, or with padding, it would decide
    what steers the scores.
    """
    found = trial(plugin)
    view = found.ground.view()
    for name, purpose, reference in _objectives(found):
        few = reference.part(0, 5)
        with torch.no_grad():
            one, together = (
                sum(
                    float(few.objective(view.forward(batch), batch))
                    for batch in dataclasses.replace(few, batch_size=size).batches()
                )
                for size in (1, 5)
            )
        if not math.isclose(one, together, rel_tol=1e-3, abs_tol=1e-3):
            raise CheckFailure(
                f"Of {len(few.samples)} samples of the reference '{purpose}' objective '{name}' is "
                f"{together:.4g} in one batch and {one:.4g} one by one, {found.where}",
                "the batch size follows from memory and must not decide what steers the scores",
                "sum over samples, and take what is real from `batch.labels` or `batch.last`",
            )


def _objectives(found: Trial) -> Iterator[tuple[str, str, ReferenceSamples]]:
    """Yield the references under every objective that the task says it takes."""
    for name in dict.fromkeys((found.task.default_objective, *found.task.objectives)):
        try:
            given = references(found, name)
        except UnknownNameError as error:
            raise CheckFailure(
                f"The task names objective '{name}' in `objectives` and refuses it with "
                f"{describe(error)}, {found.where}",
                "a scorer that is defined for it is run with it",
                "name in `objectives` what `references` takes",
            ) from error
        yield from ((name, purpose, reference) for purpose, reference in given.items())
