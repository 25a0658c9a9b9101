"""Contrasts: from what general text needs and what an undesired behaviour needs to one ranking.

Every ranking is pruned from its lowest end: units that matter to the behaviour and not to general
text come first [hatefi2025, eq. 7].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from sparc3_bench import Ranking, Sparc3Error

if TYPE_CHECKING:
    from torch import Tensor

Scores = Mapping[str, "Tensor"]


def difference(general: Ranking, undesired: Ranking, low_part: float) -> Scores:
    """Return R_general - R_undesired, the difference of means [hatefi2025, eq. 7]."""
    return _minus(general.scores, undesired.scores)


def unit_mass(general: Ranking, undesired: Ranking, low_part: float) -> Scores:
    """Return the difference of maps whose absolute values add up to 1 each.

    The two references may differ in scale, by the length of samples or the size of logits.
    """
    return _minus(_shared_out(general.scores), _shared_out(undesired.scores))


def t_statistic(general: Ranking, undesired: Ranking, low_part: float) -> Scores:
    """Return the difference of means over its standard error [welch1947].

    A few units of huge and varying relevance dominate both means; here they do not.
    """
    import torch  # here, so that listing tasks needs none

    found = {}
    for name, minus in _minus(general.scores, undesired.scores).items():
        error = torch.hypot(general.errors[name], undesired.errors[name])
        found[name] = torch.where(error > 0, minus / error, torch.zeros_like(minus))
    return found


def set_difference(general: Ranking, undesired: Ranking, low_part: float) -> Scores:
    """Return -R_undesired where general text matters little, above everything else elsewhere.

    What general text needs most, by absolute score, stays; of the rest goes what the behaviour
    needs most. After the set difference of [wei2024brittleness], whose sets are top parts of each
    matrix; here both are of the whole model.
    """
    import torch

    matters = torch.cat([values.abs().flatten() for values in general.scores.values()])
    # As the decimal number that was typed: 0.29 × 100 is 28.999999999999996 in binary.
    count = math.floor(Fraction(repr(low_part)) * len(matters))
    bar = matters.kthvalue(max(count, 1)).values
    tiny = torch.finfo(torch.float32).tiny
    top = max(tiny, *(float(values.abs().max()) for values in undesired.scores.values()))
    # Well above all others, and among one another in the order of general text.
    scale = max(tiny, float(matters.max()))
    found = {}
    for name, values in undesired.scores.items():
        needed = general.scores[name].abs()
        found[name] = torch.where(needed <= bar, -values, 2 * top * (1 + needed / scale))
    return found


CONTRASTS: dict[str, Callable[[Ranking, Ranking, float], Scores]] = {
    "difference": difference,
    "unit-mass": unit_mass,
    "t-statistic": t_statistic,
    "set-difference": set_difference,
    # What general text needs least goes, whatever the behaviour needs.
    "general": lambda general, undesired, low_part: general.scores,
    # What the behaviour needs most goes, whatever general text needs.
    "undesired": lambda general, undesired, low_part: {n: -v for n, v in undesired.scores.items()},
}
"""By the name that users type. The last two are controls: each looks at one side only."""


AUTO = ("difference", "unit-mass", "t-statistic", "set-difference")
"""What contrast `auto` chooses from on the selection part."""


def usable(
    names: tuple[str, ...], rankings: Mapping[str, Ranking], normalise: str
) -> tuple[str, ...]:
    """Return those of several contrasts that the rankings ``general`` and ``undesired`` allow."""
    has_errors = all(one.errors for one in _normalised(rankings, normalise))
    if names == ("t-statistic",) and not has_errors:
        raise Sparc3Error(
            "Contrast 't-statistic' needs the standard error of every score, which this scorer "
            "does not keep; set its option `by_sample` (neurons, heads; aggregation "
            "'signed-mean') or `standard_error` (weights), or choose another contrast."
        )
    return tuple(name for name in names if name != "t-statistic" or has_errors)


def contrasted(
    name: str, rankings: Mapping[str, Ranking], low_part: float, normalise: str
) -> Scores:
    """Return one of `CONTRASTS` of the rankings ``general`` and ``undesired``.

    For `set_difference` `low_part` is the share of units, those of least general score, that may
    go; normalised by ``mass`` every sample counts the same, see `of_equal_samples`.
    """
    general, undesired = _normalised(rankings, normalise)
    return CONTRASTS[name](general, undesired, low_part)


def of_equal_samples(ranking: Ranking) -> Ranking:
    """Return the ranking with every sample's map divided by the sum of its absolute values."""
    import torch

    if not ranking.samples:
        raise Sparc3Error(
            "Normalisation 'mass' needs what each sample contributes to each neuron or head; set "
            "the scorer's option `by_sample` with aggregation 'signed-mean' and prune neurons or "
            "heads, or choose 'tokens' or 'none'."
        )
    mass = torch.stack([values.abs().sum(1) for values in ranking.samples.values()]).sum(0)
    mass = torch.where(mass > 0, mass, torch.ones_like(mass))
    samples = {name: values / mass[:, None] for name, values in ranking.samples.items()}
    count = len(mass)
    return Ranking(
        {name: values.mean(0) for name, values in samples.items()},
        {name: values.std(0) / count**0.5 for name, values in samples.items()} if count > 1 else {},
        samples,
    )


def _normalised(rankings: Mapping[str, Ranking], normalise: str) -> tuple[Ranking, Ranking]:
    both = rankings["general"], rankings["undesired"]
    return (of_equal_samples(both[0]), of_equal_samples(both[1])) if normalise == "mass" else both


def _minus(left: Scores, right: Scores) -> Scores:
    return {name: values - right[name] for name, values in left.items()}


def _shared_out(scores: Scores) -> Scores:
    from sparc3_bench.model.weights import widest

    total = sum(float(values.abs().sum(dtype=widest(values.device))) for values in scores.values())
    return {name: values / (total or 1.0) for name, values in scores.items()}
