"""What the contract demands of a task's numbers: repeatable, paired, declared, the right way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparc3_bench.errors import describe
from sparc3_bench.statistics.curve import drawn_means
from sparc3_bench.statistics.dependence import (
    fewest,
    independent,
    kinds_behind,
    points_of,
    summary_of,
)
from sparc3_bench.statistics.paired import of_replicates
from sparc3_bench.testing.report import Breach, CheckSkipped, demand
from sparc3_bench.testing.state import another_seed
from sparc3_bench.testing.task_runs import (
    Plugin,
    Trial,
    measure,
    of_trials,
    references,
    removing,
    trial,
)
from sparc3_bench.types.conventions import Removal
from sparc3_bench.types.scores import ScoreMap
from sparc3_bench.types.values import Metric

_AMOUNTS = (0.0, 0.5, 1.0)
_REMOVALS: tuple[Removal, ...] = ("lowest", "highest")


@of_trials(
    "finished points are kept and others are compared with them",
    "draw from a generator seeded with a constant, and keep nothing on the task "
    "between evaluations",
)
def check_evaluation_repeats_itself(found: Trial) -> None:
    """Demand the same numbers again, whatever was drawn or measured meanwhile."""
    view = found.ground.view()
    with another_seed():
        pruned = measure(found.task, found.prepared, view, found.dense, removing(view, 0.5))
        dense = measure(found.task, found.prepared, view)
    for what, first, again in (("dense", found.dense, dense), ("pruned", found.half, pruned)):
        for name, values in first.samples.items():
            if list(again.samples[name]) != list(values):
                raise Breach(
                    f"Measured twice, the {what} model has other samples '{name}' the second time"
                )


@of_trials(
    "models are compared sample by sample, and means are taken over all of them",
    "return one finite number for every item, in one order, whatever the model does",
)
def check_samples_are_paired(found: Trial) -> None:
    """Demand the same kinds of samples of every model, as many of each, all of them finite."""
    counts = {name: len(values) for name, values in found.dense.samples.items()}
    wrong = None if counts else "`evaluate` returned no samples of the dense model"
    for what, at in (("dense", found.dense), ("half pruned", found.half), ("empty", found.empty)):
        here = {name: len(values) for name, values in at.samples.items()}
        odd = {name for name in here.keys() | counts if here.get(name) != counts.get(name)}
        if odd:
            name = min(odd)
            wrong = (
                f"Of the {what} model there are {here.get(name, 0)} samples '{name}', and "
                f"{counts.get(name, 0)} of the dense one"
            )
        for name, values in at.samples.items():
            if not len(values) or not np.isfinite(np.asarray(values, dtype=float)).all():
                wrong = f"Of the {what} model the samples '{name}' are none, or not all finite"
    if wrong is not None:
        raise Breach(wrong)


@of_trials(
    "intervals draw whole clusters of samples",
    "name kinds of samples, and give one number a sample, in the same order",
)
def check_clusters_fit_the_samples(found: Trial) -> None:
    """Demand for each kind of sample in `clusters` as many numbers as there are samples."""
    for name, clusters in found.prepared.clusters.items():
        count = len(found.dense.samples.get(name, ()))
        if len(clusters) != count:
            raise Breach(f"`clusters` has {len(clusters)} numbers for the {count} samples '{name}'")


@demand(
    "a number is read by its declaration",
    "declare in `metrics`, of the task or of its `summary` or `assessment`, what their functions "
    "return, no more and no less",
)
def check_metrics_match_the_declaration(plugin: Plugin) -> None:
    """Demand exactly the declared metrics, of points and of curves."""
    found = trial(plugin)
    task, means = found.task, [at.means for at in (found.dense, found.half, found.empty)]
    whole: set[str] = set()
    if task.assessment is not None:
        view = found.ground.view()
        scores = ScoreMap({name: w.matrix.float().abs() for name, w in view.weights().items()})
        by_purpose = dict.fromkeys(references(found), scores)
        whole |= set(task.assessment.assess(found.prepared, view, by_purpose, "weight", "row"))
    for removal in _REMOVALS:
        amounts = {"lowest": task.amounts, "highest": [1 - amount for amount in task.amounts]}
        rising = sorted({0.0, *amounts[removal]})
        ends = means[2] if rising[-1] == 1 else means[1]
        points = points_of(task, rising, [means[0], *[means[1]] * (len(rising) - 2), ends])
        _check_declared("a point", set(points[1]), task.metrics_for(removal))
        # A number of the curve may be of one end of the ranking only.
        whole |= set(summary_of(task, rising, points, removal))
    _check_declared("a curve", whole, task.curve_metrics)


@demand(
    "intervals come from metrics of 2,000 bootstrap replicates at once",
    "use NumPy's functions, which serve both, in `point_metrics` and `summary`",
)
def check_metrics_serve_arrays(plugin: Plugin) -> None:
    """Demand metrics of arrays of means, element by element as of numbers."""
    found = trial(plugin)
    at = [one.means for one in (found.dense, found.half, found.empty)]
    by_number = points_of(found.task, _AMOUNTS, at)
    arrays = [{name: np.array([value, value]) for name, value in one.items()} for one in at]
    wrong = None
    try:
        by_array = points_of(found.task, _AMOUNTS, arrays)
        summary_of(found.task, _AMOUNTS, by_array, "lowest")
    except Exception as error:  # a stranger's code may raise anything
        wrong = f"Given arrays, the metrics fail with {describe(error)}"
    else:
        for numbers, given in zip(by_number, by_array, strict=True):
            for name, value in numbers.items():
                if np.shape(given[name]) != (2,) or not np.allclose(given[name], value):
                    wrong = f"Metric '{name}' of an array of means is not that of its numbers"
    if wrong is not None:
        raise Breach(wrong)


@of_trials("read the wrong way, the best scorer would be ranked last", "")
def check_directions_are_right(found: Trial) -> None:
    """Demand that the dense model is no worse, as directions say, than with everything removed.

    Read the wrong way, the best scorer would be the last. Of a task that chooses what to remove
    only the limited metrics are tried: the others are meant to get better by removing.
    """
    task, limits = found.task, None if found.task.choice is None else found.task.choice.limits
    rows = [at.samples for at in (found.dense, found.empty)]
    means = [at.means for at in (found.dense, found.empty)]
    dense, empty = points_of(task, (0.0, 1.0), means)
    clusters = found.prepared.clusters
    try:
        kinds, _ = kinds_behind(task, (0.0, 1.0), means, "lowest")
        counts = fewest(kinds, independent(rows[0], clusters))
        drawn = points_of(task, (0.0, 1.0), drawn_means(rows, clusters))
    except Exception as error:  # told by the checks of samples, clusters and arrays
        raise CheckSkipped(f"there are no intervals: {describe(error)}") from None
    for metric in task.metrics_for("lowest"):
        name, many = metric.name, counts.get(metric.name, 1)
        if metric.direction == "neither" or many < 2 or (limits is not None and name not in limits):
            continue
        sign = 1 if metric.direction == "higher" else -1
        value = sign * (float(dense[name]) - float(empty[name]))
        replicates = np.subtract(*(np.asarray(point[name], dtype=float) for point in drawn))
        if of_replicates(sign * replicates, value, many).high < 0:  # the dense one is surely worse
            raise Breach(
                f"Metric '{name}', of which {metric.direction} is declared better, is "
                f"{float(dense[name]):.4g} of the dense model and "
                f"{float(empty[name]):.4g} with everything removed",
                f"declare direction '{'lower' if metric.direction == 'higher' else 'higher'}', or "
                "turn the sign of the metric",
            )


@of_trials(
    "a pruned model may break, and with finite numbers it would have a rank",
    "catch no errors of the model, and let NaN go through to a sample",
)
def check_failure_is_not_a_score(found: Trial) -> None:
    """Demand that a model which fails, or whose logits are NaN, gets no whole set of numbers."""

    def to_nan(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return torch.full_like(output, float("nan"))

    def fail(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        raise FloatingPointError("the model fails, as a check wants it")

    for what, change in (("are all NaN", to_nan), ("cannot be computed", fail)):
        view = found.ground.view()
        head: Any = view.model.get_output_embeddings()  # type: ignore[operator]
        head.register_forward_hook(change)
        try:
            at = measure(found.task, found.prepared, view, found.dense)
            means = [found.dense.means, at.means, found.empty.means]
            numbers: Mapping[str, Any] = points_of(found.task, _AMOUNTS, means)[1]
        except Exception:  # as it should be
            continue
        if np.isfinite([float(value) for value in numbers.values()]).all():
            told = ", ".join(f"{name} {float(value):.4g}" for name, value in numbers.items())
            raise Breach(f"Of a model whose logits {what} the task makes {told}")


@of_trials(
    "such runs read the inputs of corrupted prompts",
    "give every `Batch` its `counterpart`, or set `has_counterparts = False`",
)
def check_says_whether_it_has_counterparts(found: Trial) -> None:
    """Demand of `has_counterparts` that every batch measured on carries its counterpart."""
    if not found.prepared.has_counterparts:
        raise CheckSkipped("the task says that it has none")
    view = found.ground.view()
    try:
        with view.resample_ablated(removing(view, 0.5)):
            found.prepared.evaluate(view, found.dense.raw, lambda done, total: None)
    except Exception as error:  # a stranger's code may raise anything
        raise Breach(
            f"`has_counterparts` is True, but with ablation 'resample' the task fails with "
            f"{describe(error)}"
        ) from error


def _check_declared(what: str, given: set[str], metrics: Sequence[Metric]) -> None:
    declared = {metric.name for metric in metrics}
    if given != declared:
        raise Breach(
            f"The metrics of {what} are {_listed(given)}, and {_listed(declared)} are declared"
        )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
