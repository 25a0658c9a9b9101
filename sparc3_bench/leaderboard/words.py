"""Words: numbers and conventions as the page writes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.record.result import MetricRecord
    from sparc3_bench.record.spec import RunSpec

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_UNITS = {
    "weight": "Single weights are removed",
    "neuron": "Whole MLP neurons are removed",
    "head": "Whole attention heads are removed",
}

_GROUPS = {
    "row": "ranked within each output row",
    "layer": "ranked within each matrix",
    "model": "ranked across the whole model",
}

_SCHEDULES = {
    "one-shot": "scored once, on the dense model",
    "blockwise": "scored block by block, behind the blocks already pruned",
}

_SCOPES = {
    "all": "in all matrices of the decoder blocks",
    "attention": "in the attention matrices only",
    "mlp": "in the MLP matrices only",
}


def convention(spec: RunSpec) -> str:
    """Return what is removed, how it is ranked, when it is scored and where, in words."""
    group = _GROUPS[spec.group]
    if spec.unit != "weight" and spec.group == "layer":
        group = "ranked within each block"
    return f"{_UNITS[spec.unit]}, {group}, {_SCHEDULES[spec.schedule]}, {_SCOPES[spec.scope]}"


def titled(metric: MetricRecord) -> str:
    """Return the title of a metric with what it is counted in; a pure number has no unit."""
    return metric.title if metric.unit in {"", "1"} else f"{metric.title}, {metric.unit}"


def power(exponent: int) -> str:
    """Return ten to a power: ``10⁵``."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def number(value: float, digits: int = 4) -> str:
    """Return `value` with so many significant digits and thousands separators."""
    if not math.isfinite(value):
        return "−∞" if value < 0 else "∞"
    if value == 0:
        return "0"
    text = f"{value:.{digits - 1}e}"
    exponent = int(text.partition("e")[2])
    if not -4 <= exponent < 7:
        mantissa = f"{value:.2e}".partition("e")[0]
        exponent = int(f"{value:.2e}".partition("e")[2])
        return f"{mantissa} × {power(exponent)}".replace("-", "−", 1)
    return f"{float(text):,.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def percent(fraction: float, places: int | None = None) -> str:
    """Return a sparsity as a percentage, with so many decimals or as many as it needs."""
    value = f"{100 * fraction:.6g}" if places is None else f"{100 * fraction:.{places}f}"
    return f"{value}\N{NO-BREAK SPACE}%"
