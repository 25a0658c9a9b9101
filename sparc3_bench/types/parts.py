"""What a task may have beside its measurements, a small object each; `Task` says which it has.

Functions that take the prepared task first may be methods of its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.types.conventions import Removal, Unit
    from sparc3_bench.types.groups import Group
    from sparc3_bench.types.model import Model
    from sparc3_bench.types.scores import Ranking, ScoreMap
    from sparc3_bench.types.values import Estimate, Metric, Progress, Texts, Verdicts

Prepared = TypeVar("Prepared")  # the task's own `PreparedTask`


@dataclass(frozen=True)
class Summary:
    """Numbers of a whole curve.

    Attributes
    ----------
    metrics
        How to read them.
    of
        From amounts, rising, the metrics at each, and the end that is removed to the numbers by
        name; some may be of one end only. It is given numbers, or arrays over replicates.
    """

    metrics: tuple[Metric, ...]
    of: Callable[[Sequence[float], Sequence[Mapping[str, Any]], Removal], Mapping[str, Any]]


@dataclass(frozen=True)
class Assessment(Generic[Prepared]):
    """Numbers of the scores themselves: a truth is known, or several references are compared.

    Attributes
    ----------
    metrics
        How to read them.
    assess
        From the dense model, the scores of every reference by purpose, what is ranked and in which
        set to the estimates by name.
    every_reference
        Whether every reference is scored even by scorers that need none.
    """

    metrics: tuple[Metric, ...]
    assess: Callable[[Prepared, Model, Mapping[str, ScoreMap], Unit, Group], Mapping[str, Estimate]]
    every_reference: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar on a curve: the largest amount that still reaches it is found by bisection.

    It is found on the task's selection part, and reported as measured on its test part.

    Attributes
    ----------
    metric, at_least
        The metric that has the bar, and the bar.
    title
        For readers.
    ratio
        The search ends when the bar lies between two sizes of this ratio, above 1.
    """

    metric: str
    at_least: float
    title: str
    ratio: float = 1.05


@dataclass(frozen=True)
class PruningOptions:
    """Options of a task that measures what pruning costs, by name; `sparc3 prune` takes it.

    Attributes
    ----------
    budget
        By how much a number may be worse at most, a share; with it the task has a `Bar`.
    reference, held_out
        The texts that steer the scores, and those that are measured on.
    """

    budget: str
    reference: str
    held_out: str


@dataclass(frozen=True)
class Contrasts:
    """What may be pruned by where there are several references; lowest go first.

    A scorer that needs no reference has one ranking, which is pruned by as it is.

    Attributes
    ----------
    names
        Of all contrasts that there may be.
    usable
        From the rankings of the references, by purpose, to the names of those that they allow;
        raises `Sparc3Error` where they allow none.
    ranking
        From one name and those rankings to the scores.
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
        None to prune by the first reference alone.
    """

    metric: str
    limits: Mapping[str, float]
    title: str
    contrasts: Contrasts | None = None


@dataclass(frozen=True)
class Judging:
    """How texts that a model wrote become samples.

    Attributes
    ----------
    judge
        Name of the judge that reads them unless the user names another.
    samples
        From its scores of an evaluation's texts to the samples by kind.
    """

    judge: str
    samples: Callable[[Verdicts], Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Facts(Generic[Prepared]):
    """What a task asks of the dense model before its references are known.

    Attributes
    ----------
    purposes
        Of the references that it gives then, in order.
    ask
        Runs the dense model and returns what is to be known of it, as JSON. That is kept, so it
        depends on no option in `Task.steering`.
    texts
        What of that the judge reads, by kind; {} for nothing.
    learned
        From what is known and the judge's scores to the task as it stands for this model; without
        one, and the same for the same.
    """

    purposes: tuple[str, ...]
    ask: Callable[[Prepared, Model, Progress], Any]
    texts: Callable[[Prepared, Any], Texts]
    learned: Callable[[Prepared, Any, Verdicts], Prepared]
