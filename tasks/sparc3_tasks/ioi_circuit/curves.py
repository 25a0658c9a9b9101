"""Faithfulness, and the areas under its curve, as the MIB circuit track defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from sparc3_bench import Removal

MIB_SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def faithfulness(circuit: Any, dense: Any, empty: Any) -> Any:
    """Return (m(C) - m(∅)) / (m(M) - m(∅)) [mueller2025mib, sec. 3]; 0 where M is no better than ∅.

    m is the mean logit difference, of the circuit, the dense model and the model without its scope;
    numbers or arrays.
    """
    import numpy as np  # here, so that listing tasks needs none

    span = np.asarray(dense - empty, dtype=float)
    known = np.abs(span) > 1e-9
    ratio = np.asarray(circuit - empty, dtype=float) / np.where(known, span, 1.0)
    return np.where(known, ratio, 0.0)


def curve_numbers(
    amounts: Sequence[float], values: Sequence[Any], removal: Removal
) -> Mapping[str, Any]:
    """Return the areas of a faithfulness curve, of numbers or of arrays over replicates.

    Where the `lowest` are removed what is kept is the circuit: `auc_linear` and `auc_log` are means
    over the size and over its logarithm, and where all ten MIB sizes were measured `cpr` is ∫ f dk
    and `cmd` ∫ abs(1 - f) dk, by the trapezoidal rule from 0.001 to 1 [mueller2025mib, sec. 3].
    With `highest`, `rest_linear` and `rest_log` are the means of the faithfulness of what is left.
    """
    import numpy as np

    from sparc3_bench import mean_height  # loads numpy, too

    by_size = {
        float(1 - Fraction(repr(amount)) if removal == "lowest" else amount): value
        for amount, value in zip(map(float, amounts), values, strict=True)
    }
    sizes = sorted(size for size in by_size if size > 0)
    if len(sizes) < 2:
        return {}
    heights = [by_size[size] for size in sizes]
    linear, logarithmic = mean_height(sizes, heights), mean_height(sizes, heights, "log")
    if removal == "highest":
        return {"rest_linear": linear, "rest_log": logarithmic}
    found = {"auc_linear": linear, "auc_log": logarithmic}
    if all(size in by_size for size in MIB_SIZES):
        faithful = [by_size[size] for size in MIB_SIZES]
        width = MIB_SIZES[-1] - MIB_SIZES[0]
        found["cpr"] = mean_height(MIB_SIZES, faithful) * width
        found["cmd"] = mean_height(MIB_SIZES, np.abs(1 - np.asarray(faithful))) * width
    return found
