"""What tasks declare and return: metrics, bars, evaluations, texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Texts = Mapping[str, Sequence[Sequence[str]]]
"""What a model wrote, by kind: for every prompt its responses."""

Verdicts = Mapping[str, Sequence[Sequence[float]]]
"""A judge's scores of them, in the same order, in [0, 1]."""

Judging = Callable[[Texts], Verdicts]
"""Has a judge read texts."""

Remember = Callable[[str, Callable[[], Any]], Any]
"""Name of a JSON value, and what makes it if it is not there yet, to the value."""

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""

Means = Mapping[str, Any]
"""Mean of each kind of per-sample measurement: a number, or an array over bootstrap replicates."""


Direction = Literal["higher", "lower", "neither"]
"""Which way a number is better; `neither` for one that only describes, and is never ranked."""


Scale = Literal["linear", "log"]
"""Whether equal differences count alike, or equal ratios."""


class Memory(Protocol):
    """What was measured before on a model as it is now, each value (JSON) by a name.

    The name says all that the value depends on beyond the model and the code of the task.
    """

    def recall(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Return the values that are known."""

    def keep(self, values: Mapping[str, Any]) -> None:
        """Keep values for good, at once."""


@dataclass(frozen=True)
class Metric:
    """How to read one number that a task reports.

    Attributes
    ----------
    name
        Key of the number among the metrics.
    direction
        Which way is better.
    unit
        What one is counted in; "1" for a pure number.
    title
        For readers.
    scale
        On which it is compared and has its interval. `log` for a number above 0 that a few samples
        can multiply, such as a perplexity: two of them differ by a factor.
    """

    name: str
    direction: Direction
    unit: str
    title: str
    scale: Scale = "linear"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, where it has one.

    Attributes
    ----------
    value
        The number.
    low, high
        The ends of the interval.
    note
        A few words that belong beside it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Search:
    """A bar on a curve: the largest amount that still reaches it is found by bisection.

    It is found on the task's selection part, and reported as measured on its test part.

    Attributes
    ----------
    metric
        The metric that has the bar.
    at_least
        The bar.
    title
        For readers.
    """

    metric: str
    at_least: float
    title: str


@dataclass(frozen=True)
class Choice:
    """What a run chooses on the task's selection part: a candidate ranking and an amount.

    Attributes
    ----------
    metric
        To do best in.
    limits
        Metric to the most it may be; an amount that goes beyond is out.
    title
        For readers.
    """

    metric: str
    limits: Mapping[str, float]
    title: str


@dataclass(frozen=True)
class Evaluation:
    """What a task measured on one model.

    Attributes
    ----------
    samples
        Per-sample measurements, e.g. one loss a window, finite, in a fixed order; metrics are
        functions of their means (see `Task.point_metrics`). Kinds `a/x` and `a/y` are of one set of
        samples, `b/x` is of another, independent one; kinds without a slash are of one set.
    memory
        Anything the task wants back as `dense` when it evaluates the pruned models; never saved.
    texts
        What the model wrote, by kind: for every prompt its responses. A judge reads them, and they
        are kept beside the result, never in it.
    """

    samples: Mapping[str, Sequence[float]]
    memory: Any = None
    texts: Texts = field(default_factory=dict)
