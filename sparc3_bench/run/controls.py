"""Random controls beside a run: how its numbers differ from theirs, on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sparc3_bench.record.parts import Versus
from sparc3_bench.statistics.curve import Curve, beside_controls, measured
from sparc3_bench.statistics.dependence import Samples
from sparc3_bench.statistics.paired import Difference

if TYPE_CHECKING:
    from sparc3_bench.contracts import Removal, Task
    from sparc3_bench.record.spec import RunSpec

Beside = tuple[list[dict[str, Difference]], dict[str, Difference]]
"""What `beside_controls` returns."""

NO_CONTROLS: Beside = ([], {})
"""Where there is nothing on the same samples to be compared with."""


def control_curve(task: Task, spec: RunSpec, samples: Sequence[Samples]) -> Curve:
    """Return the metrics of a random control, whose samples are of every amount."""
    return measured(task, spec.amounts, samples, {}, spec.removal, with_intervals=False)


def beside(
    task: Task,
    spec: RunSpec,
    own: Sequence[Samples],
    controls: Sequence[Sequence[Samples]],
    clusters: Mapping[str, Sequence[int]],
) -> Beside:
    """Return a curve beside its random controls; nothing where those are of other samples.

    Parameters
    ----------
    task, spec
        What was run.
    own, controls
        Samples of the run, and of every control, at every amount.
    clusters
        See `PreparedTask.clusters`.
    """
    if not controls or not is_paired(own[0], controls):
        return NO_CONTROLS
    return beside_controls(task, spec.amounts, own, controls, clusters, spec.removal)


def is_paired(dense: Samples, controls: Sequence[Sequence[Samples]]) -> bool:
    """Return whether the dense model's samples are those of the controls' dense model.

    A task may measure the controls of a curve on a part of its data that has fewer prompts.
    """
    shared = set(controls[0][0]) & set(dense)
    return bool(shared) and all(
        tuple(one[0][kind]) == tuple(dense[kind]) for one in controls for kind in shared
    )


def at_choice(
    task: Task,
    amount: float,
    samples: Sequence[Samples],
    controls: Sequence[Samples],
    clusters: Mapping[str, Sequence[int]],
    removal: Removal,
) -> tuple[dict[str, tuple[float, ...]], dict[str, Versus]]:
    """Return the metrics of the random controls of one amount, and how the run's differ.

    Parameters
    ----------
    task, amount, clusters, removal
        What was run, and where.
    samples
        Those of the dense model and of the run.
    controls
        Those of every control, on the same prompts; there may be fewer kinds of them.
    """
    kinds = set(controls[0]) & set(samples[0])
    dense, own, *others = ({kind: here[kind] for kind in kinds} for here in (*samples, *controls))
    amounts = (0.0, amount)
    numbers = [
        measured(task, amounts, [dense, at], {}, removal, with_intervals=False).points[1]
        for at in others
    ]
    runs = [[dense, at] for at in others]
    found, _ = beside_controls(task, amounts, [dense, own], runs, clusters, removal)
    drawn = {name: tuple(one[name] for one in numbers) for name in numbers[0]}
    return drawn, {name: versus(one) for name, one in found[1].items()}


def versus(one: Difference) -> Versus:
    """Return a difference from random controls as it is recorded."""
    return Versus(difference=one.value, low=one.low, high=one.high, p_value=one.p_value)
