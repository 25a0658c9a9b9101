"""What the contract demands of a task's declarations, data and objectives, a function a demand."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

import torch

from sparc3_bench.contracts import PreparedTask
from sparc3_bench.errors import Sparc3Error, UnknownNameError, describe
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import Breach, CheckFailure, CheckSkipped, demand
from sparc3_bench.testing.state import another_seed
from sparc3_bench.testing.task_ground import Row, tiny
from sparc3_bench.testing.task_runs import (
    Plugin,
    Trial,
    ground,
    measure,
    meet_model,
    of_trials,
    part,
    prepared_once,
    references,
    removing,
    sequences_of,
    trial,
)
from sparc3_bench.testing.tiny import ARCHITECTURES
from sparc3_bench.types.conventions import Unit
from sparc3_bench.types.samples import ReferenceSamples

_GRAM = 13
"""Tokens in a row that two texts do not share by chance."""

_MOST_SHARED = 0.01


@demand(
    "pages and comparisons read a number by its name, title and direction",
    "give each `Metric` a snake_case name, direction higher, lower or neither, and a title",
)
def check_metrics_say_what_they_are(plugin: Plugin) -> None:
    """Demand metrics with names of their own, a direction and a title."""
    task = instance_of(plugin)
    declared = (*task.metrics, *task.curve_metrics)
    names = [metric.name for metric in declared]
    twice = [name for name in names if names.count(name) > 1]
    wrong = None
    if not task.metrics:
        wrong = "The task declares no metric"
    elif twice:
        wrong = f"Two metrics are called '{twice[0]}'"
    for metric in declared:
        if metric.direction not in ("higher", "lower", "neither"):
            wrong = f"The direction of metric '{metric.name}' is {metric.direction!r}"
        elif not metric.title.strip() or not metric.name.isidentifier():
            wrong = f"The metric '{metric.name}' has no title, or a name with odd characters"
    if wrong is not None:
        raise Breach(wrong)


@demand(
    "a curve begins with the dense model, and its end is the empty one if, and only "
    "if, metrics need that",
    "let fractions rise from 0 to less than 1, or to 1 with `needs_empty`, and counts "
    "of units in whole numbers from 0",
)
def check_amounts_begin_with_the_dense_model(plugin: Plugin) -> None:
    """Demand default amounts that rise from 0, to 1 only where the task needs the empty model."""
    task = instance_of(plugin)
    listed = {"amounts": task.amounts, **{f"counts['{u}']": c for u, c in task.counts.items()}}
    for name, amounts in listed.items():
        rises = all(one < next_ for one, next_ in itertools.pairwise(amounts))
        if name == "amounts":
            ends = bool(amounts) and (amounts[-1] == 1 if task.needs_empty else amounts[-1] < 1)
        else:
            ends = all(type(count) is int for count in amounts)
        if not amounts or amounts[0] != 0 or not rises or not ends:
            raise Breach(f"`{name}` is {amounts}")


@demand("runs would fail late, or count as equal what is not", "")
def check_names_are_known(plugin: Plugin) -> None:
    """Demand that whatever a task names, of its metrics, options or units, is there."""
    task = instance_of(plugin)
    metrics = {metric.name for metric in task.metrics}
    chosen = () if task.choice is None else (task.choice.metric, *task.choice.limits)
    bar = () if task.bar is None else (task.bar.metric,)
    prompts = () if task.prompts_option is None else (task.prompts_option,)
    for what, names, known in (
        ("`choice` or `bar` names the metric", (*chosen, *bar), metrics),
        ("`steering` names the option", task.steering, set(task.options())),
        ("`prompts_option` names the option", prompts, set(task.options())),
        ("`sample_counts` names the option", task.sample_counts, set(task.options())),
        ("`counts` names the unit", task.counts, set(get_args(Unit))),
    ):
        for name in names:
            if name not in known:
                raise Breach(
                    f"{what} '{name}', and there is none of that name",
                    f"name one of {', '.join(sorted(known)) or 'none'}",
                )


@demand(
    "every run on such a model would be a failed one",
    "reach the model through the `ModelView`; give the checks a run of seconds by `tiny_options`, "
    "and by `tiny_model` a model that speaks the task's language",
)
def check_measures_on_every_architecture(plugin: Plugin) -> None:
    """Demand that the task prepares, gives references and measures, dense and pruned."""
    task = instance_of(plugin)
    own = [ground(plugin)] if task.tiny_model else map(tiny, ARCHITECTURES)
    for here in own:
        try:
            prepared = meet_model(task, prepared_once(plugin), here.view())
            purposes = tuple(prepared.references(task.default_objective))
            if not purposes or (task.facts and task.facts.purposes != purposes):
                raise ValueError(f"`references` returned {', '.join(purposes) or 'none'}")
            view = here.view()
            dense = measure(task, prepared, view)
            measure(task, prepared, view, dense, removing(view, 0.5))
        except Exception as error:  # a stranger's code may raise anything
            raise Breach(
                f"On the model '{here.name}' the task fails with {describe(error)}"
            ) from error


@demand(
    "results are told apart by the data that steered and the data that was measured on",
    "add a `DatasetRecord` for every text: one of purpose 'reference', and others",
)
def check_describes_its_data(plugin: Plugin) -> None:
    """Demand a record of what steers and of what is measured on."""
    found = trial(plugin)
    purposes = [record.purpose for record in found.prepared.datasets]
    if "reference" not in purposes or len(set(purposes)) < 2:
        raise Breach(f"`datasets` has records of the purposes {purposes}")


@of_trials(
    "results are kept under their seed, and others must be able to repeat them",
    "draw with `random.Random(seed)`, and go through sets and folders in sorted order",
)
def check_prepares_the_same_again(found: Trial) -> None:
    """Demand the same references and records when prepared again with the same seed."""
    first = _told(found.prepared, found.task.default_objective)
    with another_seed():
        again = _told(found.again(0), found.task.default_objective)
    for what, value in first.items():
        if again[what] != value:
            raise Breach(f"Prepared twice with seed 0, the task has other {what} the second time")


@of_trials(
    "runs with different seeds are compared sample by sample",
    "draw with `seed` what steers, and with a constant what is measured on",
)
def check_seed_moves_the_reference_alone(found: Trial) -> None:
    """Demand that what is measured on is the same for every seed."""
    first, other = (sequences_of(found.ground, p)[0] for p in (found.prepared, found.again(1)))
    if first != other:
        raise Breach("With seed 1 the task measures on other sequences than with seed 0")


_apart = of_trials(
    "what was found on some samples is better on these than elsewhere, so the number would flatter",
    "split the texts before drawing from them",
)


@_apart
def check_reference_and_evaluation_are_disjoint(found: Trial) -> None:
    """Demand that what steers the scores is not what is measured on."""
    steering = [tuple(s) for one in references(found).values() for s in one.samples]
    test = sequences_of(found.ground, found.prepared)[0]
    _check_apart(test, steering, "measured on", "also steer the scores")


@_apart
def check_selection_and_test_are_disjoint(found: Trial) -> None:
    """Demand that what an amount is chosen or searched on is not what it is reported on."""
    if found.task.choice is None and found.task.bar is None:
        raise CheckSkipped("the task chooses nothing")
    chosen_on = sequences_of(found.ground, part(found.prepared, "selection"))[0]
    test = sequences_of(found.ground, found.prepared)[0]
    _check_apart(test, chosen_on, "reported on", "are also chosen on")


@demand(
    "a typing error would steer the scores by something else than the result says",
    "find it with `sparc3_bench.find_objective`, or raise `Sparc3Error`",
)
def check_unknown_objective_is_refused(plugin: Plugin) -> None:
    """Demand a sentence for an objective that the task does not have."""
    found = trial(plugin)
    try:
        found.prepared.references("no-such-objective")
    except Sparc3Error:
        return
    except Exception as error:
        wrong = f"An unknown objective ends in {describe(error)}"
    else:
        wrong = "An unknown objective is taken without a word"
    raise Breach(wrong)


@of_trials(
    "the batch size follows from memory and must not decide what steers the scores",
    "sum over samples, and take what is real from `batch.labels` or `batch.last`",
)
def check_objective_adds_up_over_samples(found: Trial) -> None:
    """Demand of every objective the sum over samples, with padding left out."""
    view = found.ground.view()
    for name, purpose, reference in _objectives(found):
        few = reference.part(0, 5)
        with torch.no_grad():
            one, together = (
                sum(
                    float(few.objective(view.forward(batch), batch))
                    for batch in dataclasses.replace(few, batch_size=size).batches()
                )
                for size in (1, 5)
            )
        if not math.isclose(one, together, rel_tol=1e-3, abs_tol=1e-3):
            raise Breach(
                f"Of {len(few.samples)} samples of the reference '{purpose}' objective '{name}' is "
                f"{together:.4g} in one batch and {one:.4g} one by one"
            )


def _objectives(found: Trial) -> Iterator[tuple[str, str, ReferenceSamples]]:
    """Yield the references under every objective that the task says it takes."""
    for name in dict.fromkeys((found.task.default_objective, *found.task.objectives)):
        try:
            given = references(found, name)
        except UnknownNameError as error:
            raise CheckFailure(
                f"The task names objective '{name}' in `objectives` and refuses it with "
                f"{describe(error)}, {found}",
                "a scorer that is defined for it is run with it",
                "name in `objectives` what `references` takes",
            ) from error
        yield from ((name, purpose, reference) for purpose, reference in given.items())


def _told(prepared: PreparedTask, objective: str) -> dict[str, object]:
    given = prepared.references(objective)
    return {
        "references": {purpose: reference.digest for purpose, reference in given.items()},
        "records of its data": prepared.datasets,
    }


def _check_apart(test: Sequence[Row], others: Sequence[Row], role: str, other_role: str) -> None:
    """Demand that no more than 1 % of the runs of tokens of `test` are in `others`, too."""
    known = {gram for row in others for gram in _grams(row)}
    begun = {row[:length] for row in others for length in range(2, min(len(row), _GRAM) + 1)}
    runs = [gram for row in test for gram in _grams(row)]
    shared = [gram for gram in runs if gram in known or (len(gram) < _GRAM and gram in begun)]
    if len(shared) > _MOST_SHARED * len(runs):
        raise Breach(
            f"{len(shared)} of the {len(runs)} runs of {_GRAM} tokens, or whole shorter prompts, "
            f"that are {role} {other_role}"
        )


def _grams(row: Row) -> Iterable[Row]:
    return {row[start : start + _GRAM] for start in range(max(1, len(row) - _GRAM + 1))}
