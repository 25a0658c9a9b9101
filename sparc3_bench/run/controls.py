"""Random controls beside a run: how its numbers differ from theirs, on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparc3_bench.record.parts import Versus
from sparc3_bench.statistics.curve import CurveNumbers, beside_controls, curve_numbers
from sparc3_bench.statistics.dependence import Samples
from sparc3_bench.statistics.numbers import Array
from sparc3_bench.statistics.paired import Difference

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task
    from sparc3_bench.types.conventions import Removal

Beside = tuple[list[dict[str, Difference]], dict[str, Difference]]
"""What `beside_controls` returns."""

_ROUNDING = 1e-9
"""Numbers of one model on one sample agree to this, whatever else is in its batch."""

NO_CONTROLS: Beside = ([], {})
"""Where there is nothing on the same samples to be compared with."""


def control_curve(
    task: Task, amounts: Sequence[float], samples: Sequence[Samples], removal: Removal
) -> CurveNumbers:
    """Return the metrics of a random control, whose samples are of every amount."""
    return curve_numbers(task, amounts, samples, {}, removal, with_intervals=False)


def beside(
    task: Task,
    amounts: Sequence[float],
    own: Sequence[Samples],
    controls: Sequence[Sequence[Samples]],
    clusters: Mapping[str, Sequence[int]],
    removal: Removal,
) -> Beside:
    """Return a curve beside its random controls, on the samples that both were measured on.

    A task may measure the controls of a curve on some of its samples only; the run is then compared
    with them on those. Nothing is returned where controls are of other samples.
    """
    if not controls:
        return NO_CONTROLS
    places = shared_places(own[0], controls[0][0])
    if not places or any(one[0] != controls[0][0] for one in controls):
        return NO_CONTROLS
    some = [{kind: [here[kind][at] for at in places[kind]] for kind in places} for here in own]
    members = {k: [clusters[k][at] for at in places[k]] for k in places if k in clusters}
    return beside_controls(task, amounts, some, controls, members, removal)


def shared_places(dense: Samples, controls: Samples) -> dict[str, list[int]]:
    """Return by kind where the samples of the controls are among those of the run.

    Found by what the dense model has on them: all kinds of a set must agree, in the same order.
    Empty where a set of samples is of others, or cannot be told apart in the dense model.
    """
    sets: dict[tuple[str, int, int], list[str]] = {}
    for kind in sorted(set(controls) & set(dense)):
        lengths = len(dense[kind]), len(controls[kind])
        sets.setdefault((kind.partition("/")[0] if "/" in kind else "", *lengths), []).append(kind)
    found = {}
    for kinds in sets.values():
        places = _places(*(np.array([part[k] for k in kinds]).T for part in (dense, controls)))
        if places is None:
            return {}
        found.update(dict.fromkeys(kinds, places))
    return found


def _places(own: Array, drawn: Array) -> list[int] | None:
    """Return where rows are among others; None where one is not, or is there more than once."""
    if own.shape == drawn.shape and np.allclose(own, drawn, rtol=_ROUNDING, atol=_ROUNDING):
        return list(range(len(own)))
    places: list[int] = []
    for row in drawn:
        alike = np.isclose(own, row, rtol=_ROUNDING, atol=_ROUNDING).all(axis=1).nonzero()[0]
        if len(alike) != 1 or (places and alike[0] <= places[-1]):
            return None
        places.append(int(alike[0]))
    return places


def at_choice(
    task: Task,
    amount: float,
    samples: Sequence[Samples],
    controls: Sequence[Samples],
    clusters: Mapping[str, Sequence[int]],
    removal: Removal,
) -> tuple[dict[str, tuple[float, ...]], dict[str, Versus]]:
    """Return the metrics of the random controls of one amount, and how the run's differ.

    `samples` are those of the dense model and of the run, `controls` those of every control on the
    same prompts; there may be fewer kinds of them.
    """
    kinds = set(controls[0]) & set(samples[0])
    dense, own, *others = ({kind: here[kind] for kind in kinds} for here in (*samples, *controls))
    amounts = (0.0, amount)
    runs = [[dense, at] for at in others]
    numbers = [control_curve(task, amounts, one, removal).points[1] for one in runs]
    found, _ = beside_controls(task, amounts, [dense, own], runs, clusters, removal)
    drawn = {name: tuple(one[name] for one in numbers) for name in numbers[0]}
    return drawn, {name: versus(one) for name, one in found[1].items()}


def versus(one: Difference) -> Versus:
    """Return a difference from random controls as it is recorded."""
    return Versus(difference=one.value, low=one.low, high=one.high, p_value=one.p_value)
