"""select: which weights, neurons or heads are removed at a given sparsity, exactly so many.

Ties go to the lower position: by order of the matrices in the model, then row, then column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from sparc3_bench.attribution.scores import ScoreMap
from sparc3_bench.contracts import Group, Unit
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.masking import KeepMask
from sparc3_bench.model.view import ModelView
from sparc3_bench.selection.threshold import kth_smallest
from sparc3_bench.selection.units import unit_mask, unit_scores


def count_to_remove(amount: float, size: int) -> int:
    """Return floor(amount × size), with `amount` read as the decimal number that was typed.

    (0.29 × 100 is 28.999999999999996 in binary; the user asked for 29.)
    """
    return math.floor(Fraction(repr(float(amount))) * size)


def select(
    scores: ScoreMap, amount: float, view: ModelView, *, unit: Unit = "weight", group: Group = "row"
) -> KeepMask:
    """Choose what to keep when the fraction `amount` with the lowest scores is removed.

    Parameters
    ----------
    scores
        Higher = more important. They are ranked as they are: no absolute value is taken.
    amount
        Sparsity in [0, 1): the fraction of each comparison group that is removed.
    view
        The model, which says which weights make up a neuron or a head.
    unit
        What is removed as a whole.
    group
        The set ranked together. Neurons and heads are ranked in a `layer` (one block) or in the
        whole `model`.

    Raises
    ------
    Sparc3Error
        For an amount outside [0, 1), or neurons and heads by `row`.
    """
    if not 0 <= amount < 1:
        raise Sparc3Error(f"Sparsity must be at least 0 and below 1, got {amount:g}.")
    if unit == "weight":
        return KeepMask(_keep(scores.weights, amount, group))
    if group == "row":
        raise Sparc3Error(
            f"Group 'row' ranks the weights inside one row and cannot rank units of '{unit}'; "
            "choose 'layer' or 'model'."
        )
    per_block = unit_scores(scores, view, unit)
    return unit_mask(_keep(per_block, amount, group), view, unit)


def _keep(scores: Mapping[str, Tensor], amount: float, group: Group) -> dict[str, Tensor]:
    """Return a keep-mask for every tensor, exactly k removed in each comparison group."""
    if group == "row":
        return {name: _keep_rows(values, amount) for name, values in scores.items()}
    if group == "layer":
        return {
            name: _keep_rows(values.reshape(1, -1), amount).view(values.shape)
            for name, values in scores.items()
        }
    return dict(zip(scores, _keep_together(list(scores.values()), amount), strict=True))


def _keep_rows(values: Tensor, amount: float) -> Tensor:
    """Remove exactly k of each row of ``[rows, columns]``, the leftmost among ties."""
    count = count_to_remove(amount, values.shape[1])
    if count == 0:
        return torch.ones_like(values, dtype=torch.bool)
    threshold = _kth_in_rows(values, count)
    keep = values > threshold
    excess = values.shape[1] - count - keep.sum(1)
    tied = excess.nonzero().flatten()
    if len(tied):
        # Of the ties at the threshold the last ones stay, until exactly k are gone.
        at_threshold = values[tied] == threshold[tied]
        from_the_right = at_threshold.flip(1).cumsum(1, dtype=torch.int32).flip(1)
        keep[tied] |= at_threshold & (from_the_right <= excess[tied, None])
    return keep


def _kth_in_rows(values: Tensor, count: int) -> Tensor:
    """Return the `count`-th smallest number of each row, ``[rows, 1]``."""
    if values.device.type != "cpu":
        return values.kthvalue(count, dim=1, keepdim=True).values
    # NumPy's partition is vectorised and many times faster than torch's on a processor.
    parts = np.partition(values.numpy(), count - 1, axis=1)
    return torch.from_numpy(np.ascontiguousarray(parts[:, count - 1 : count]))


def _keep_together(tensors: Sequence[Tensor], amount: float) -> list[Tensor]:
    """Remove exactly k of all tensors together, without ever joining or sorting them."""
    count = count_to_remove(amount, sum(values.numel() for values in tensors))
    if count == 0:
        return [torch.ones_like(values, dtype=torch.bool) for values in tensors]
    threshold = kth_smallest(tensors, count)
    keeps = [(values > threshold).contiguous() for values in tensors]
    excess = sum(keep.numel() - int(keep.sum()) for keep in keeps) - count
    for values, keep in zip(reversed(tensors), reversed(keeps), strict=True):
        if excess == 0:
            break
        # Ties at the threshold: the last ones stay, until exactly k are gone.
        ties = (values == threshold).flatten().nonzero().flatten()[-excess:]
        keep.view(-1)[ties] = True
        excess -= len(ties)
    return keeps
