"""What a task may have beside its measurements, a small object each: `Task` names which it has.

`Prepared` stands for the task's own `PreparedTask`. Their functions are plain ones, methods of the
task, or methods of its prepared class, which take it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.types.conventions import Group, Removal, Unit
    from sparc3_bench.types.model import Model
    from sparc3_bench.types.scores import Ranking, ScoreMap
    from sparc3_bench.types.values import Estimate, Metric, Progress, Texts, Verdicts

Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Bar:
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
class Contrasts:
    """The rankings that are made of those of several references, lowest removed first.

    A scorer that needs no reference has one ranking, which is pruned by as it is.

    Attributes
    ----------
    names
        Of all that there may be.
    usable
        From the rankings of the references, by purpose, to the names of those that they allow, in
        the order of `names`; raises `Sparc3Error` where they allow none.
    ranking
        From one name and the rankings of the references to the scores of that contrast.
    """

    names: tuple[str, ...]
    usable: Callable[[Mapping[str, Ranking]], tuple[str, ...]]
    ranking: Callable[[str, Mapping[str, Ranking]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Choice:
    """What a run chooses on the task's selection part: an amount, and a contrast if there are any.

    Attributes
    ----------
    metric
        To do best in.
    limits
        Metric to the most it may be; an amount that goes beyond is out.
    title
        For readers.
    contrasts
        What may be pruned by; None for the scores of the first reference.
    """

    metric: str
    limits: Mapping[str, float]
    title: str
    contrasts: Contrasts | None = None


@dataclass(frozen=True)
class Judging:
    """How texts become samples: by a judge who reads what an evaluation, or `Facts`, returned.

    Attributes
    ----------
    judge
        Name of the judge that reads unless the user names another.
    samples
        From the scores of an evaluation's texts, by kind, to its samples.
    """

    judge: str
    samples: Callable[[Verdicts], Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Assessment(Generic[Prepared]):
    """What the scores themselves are worth, as a truth is known or several references are compared.

    Attributes
    ----------
    metrics
        The numbers.
    assess
        From the prepared task, the dense model, the scores of every reference by purpose, what is
        ranked and in which set, to an estimate by the name of a metric.
    every_reference
        Whether every reference is scored even by scorers that need none.
    """

    metrics: tuple[Metric, ...]
    assess: Callable[[Prepared, Model, Mapping[str, ScoreMap], Unit, Group], Mapping[str, Estimate]]
    every_reference: bool = False


@dataclass(frozen=True)
class Facts(Generic[Prepared]):
    """What a task asks of the dense model before its references are known.

    Attributes
    ----------
    purposes
        Of the references that it gives then, in order.
    ask
        Runs the dense model and returns what is to be known of it, as JSON; that is kept, and
        depends on no option in `Task.steering`. The last argument takes (steps done, in all).
    texts
        What of that a judge must read, for a task with `Judging`; nothing otherwise.
    learned
        The task as it stands for this model, given what is known and the judge's scores. It has
        no model, and draws nothing that its seed does not.
    """

    purposes: tuple[str, ...]
    ask: Callable[[Prepared, Model, Progress], Any]
    texts: Callable[[Prepared, Any], Texts]
    learned: Callable[[Prepared, Any, Verdicts], Prepared]


@dataclass(frozen=True)
class Summary:
    """Numbers of a whole curve.

    Attributes
    ----------
    metrics
        The numbers.
    of
        From amounts, rising, the metrics at each, and which end is removed, to the numbers by
        name: some may be of one end only. It is given numbers, or arrays over replicates.
    """

    metrics: tuple[Metric, ...]
    of: Callable[[Sequence[float], Sequence[Mapping[str, Any]], Removal], Mapping[str, Any]]
