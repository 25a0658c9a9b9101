"""What the contract demands of scores that are made again: format, seed, batches, order, parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from sparc3_bench.contracts import Scorer
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.incremental import IncrementalScorer
from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import Breach, CheckSkipped, demand, once
from sparc3_bench.testing.scorer_runs import (
    MIXED,
    Plugin,
    ScorerRun,
    Scores,
    changes,
    largest_gap,
    of_runs,
    plain_runs,
    skip_unless_repeatable,
    variant,
)
from sparc3_bench.testing.state import another_seed
from sparc3_bench.testing.tiny import make_reference, make_view
from sparc3_bench.types.samples import ReferenceSamples
from sparc3_bench.types.scores import ScoreMap


@of_runs(
    "results are kept under their seed, and others must be able to repeat them",
    "draw from a `torch.Generator` of your own seeded with `reference.seed`, and keep "
    "nothing on the scorer between runs",
)
def check_is_deterministic(run: ScorerRun) -> None:
    """Demand the same bytes from two runs with one seed, whatever else was drawn meanwhile."""
    view = make_view(run.architecture)
    with another_seed():
        again = variant(run, make_reference(4), "when run again", view)
    apart = largest_gap(run.scores, again, tolerance=0)
    if apart is not None:
        raise Breach(f"Two runs with one seed are not equal: {apart}")


@of_runs(
    "the batch size follows from memory and is not recorded as a choice",
    "add up over samples in place of averaging over batches, and let padding "
    "out: `observe` and `attribute` hand you real tokens only",
)
def check_batching_does_not_matter(run: ScorerRun) -> None:
    """Demand equal scores, within rounding, for any batch size; so padding counts for nothing."""
    for lengths, padding in (((12,), "even without padding"), (MIXED, "with padding")):
        one = _one_by_one(run, lengths)
        for size in (2, 5):
            apart = largest_gap(one, _variant_of_batch(run, lengths, size))
            if apart is not None:
                skip_unless_repeatable(run, make_reference(5, lengths, size))
                raise Breach(f"One by one and in batches of {size}, {padding}, {apart}")


@of_runs(
    "reference samples are a set, and a score must not hang on which comes last",
    "give every sample the same share: sums or means, no running average that fades",
)
def check_order_of_samples_does_not_matter(run: ScorerRun) -> None:
    """Demand equal scores, within rounding, for the samples in any order."""
    reference = make_reference(5, MIXED)
    turned = dataclasses.replace(reference, samples=reference.samples[::-1])
    apart = largest_gap(
        _one_by_one(run, MIXED), variant(run, turned, "with the samples in reverse")
    )
    if apart is not None:
        skip_unless_repeatable(run, reference)
        raise Breach(f"With the samples in reverse {apart}")


_FOLDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "signed-mean": lambda one, other: (one + other) / 2,
    "mean-of-abs": lambda one, other: (one + other) / 2,
    "token-abs": lambda one, other: (one + other) / 2,
    "token-rms": lambda one, other: ((one**2 + other**2) / 2).sqrt(),
}
"""How the scores of two halves of the samples make up those of the whole."""


@demand(
    "an aggregation is recorded by name, and choosing another one moves every ranking",
    "divide by the number of samples, or fold with `sparc3_bench.Accumulator`",
)
def check_halves_make_up_the_whole(plugin: Plugin) -> None:
    """Demand of an option `aggregation` that it is the mean over samples it says it is."""
    scorer = instance_of(plugin)
    if "aggregation" not in scorer.options():
        raise CheckSkipped("the scorer has no option `aggregation`")
    for run in plain_runs(plugin):
        for aggregation, fold in _FOLDS.items():
            try:
                chosen = dataclasses.replace(scorer, aggregation=aggregation)
            except Sparc3Error:
                continue  # it does not offer this one, or not with these options
            _check_fold(dataclasses.replace(run, scorer=chosen), aggregation, fold)


@demand(
    "runs with snapshots are recorded as if they had run all samples",
    "keep in the state all that the scores depend on, the number of samples too, and round nowhere "
    "between two samples",
)
def check_goes_on_where_it_stopped(plugin: Plugin) -> None:
    """Demand of an `IncrementalScorer` that samples score in two goes as in one, bit for bit."""
    scorer = instance_of(plugin)
    if not (isinstance(scorer, IncrementalScorer) and scorer.resumes):
        raise CheckSkipped("the scorer does not go on from what it added up before")
    reference = make_reference(5, MIXED)
    for run in plain_runs(plugin):
        halting = dataclasses.replace(run, scorer=_InTwoGoes(scorer))
        one = _one_by_one(run, MIXED)
        apart = largest_gap(one, variant(halting, reference, "in two goes"), tolerance=0)
        if apart is not None:
            skip_unless_repeatable(run, reference)
            raise Breach(f"In two goes and in one, {apart}, {run}")


class _InTwoGoes(Scorer):
    """A scorer that stops behind the second sample; its state goes through a file's format."""

    def __init__(self, scorer: IncrementalScorer) -> None:
        self._scorer = scorer

    def score(
        self, model: ModelView, reference: ReferenceSamples
    ) -> ScoreMap | Mapping[str, Tensor]:
        state = self._scorer.accumulate(model, reference.part(0, 2), {})
        state = load(save({name: values.contiguous() for name, values in state.items()}))
        return self._scorer.finish(model, self._scorer.accumulate(model, reference.part(2), state))


@of_runs("real runs are in bfloat16", "compute from `weight.matrix.float()`")
def check_works_in_bfloat16(run: ScorerRun) -> None:
    """Demand finite scores of a model in bfloat16.

    That is the format of real runs; NumPy does not know it, and sums in it lose small terms.
    """
    _check_format(run, torch.bfloat16)


@of_runs(
    "models in float64 are what others are compared with",
    "let sums have the format of their inputs",
)
def check_works_in_float64(run: ScorerRun) -> None:
    """Demand finite scores of a model in float64, and that it keeps every bit of its weights.

    There ``matrix.double()`` is the weight itself and no copy, and what is done in place is done to
    the model.
    """
    view = _check_format(run, torch.float64)
    fresh = make_view(run.architecture, torch.float64).model.state_dict()
    for name, values in view.model.state_dict().items():
        in_float32 = dict(changes(run.plugin))[str(run)]["weights"]
        if not torch.equal(values, fresh[name]) and name not in in_float32:
            raise Breach(
                f"In float64 the scorer leaves other numbers in `{name}`",
                "do nothing in place to what `.double()` or `.to` returns, which may be the "
                "weight itself",
            )


def _check_format(run: ScorerRun, dtype: torch.dtype) -> ModelView:
    """Score a model in another number format and return its view; demand finite scores."""
    view, called = make_view(run.architecture, dtype), str(dtype).removeprefix("torch.")
    scores = variant(run, make_reference(4), f"in {called}", view)
    for name, values in scores.items():
        finite = name in run.scores and bool(run.scores[name].isfinite().all())
        if finite and not values.isfinite().all():
            raise Breach(
                f"In {called} scores of '{name}' are not finite, which they are in float32"
            )
    return view


def _one_by_one(run: ScorerRun, lengths: tuple[int, ...]) -> Scores:
    """Return the scores of five samples one at a time, made once for all checks."""
    return once(run.plugin, f"{lengths} of {run}", lambda: _variant_of_batch(run, lengths, 1))


def _variant_of_batch(run: ScorerRun, lengths: tuple[int, ...], size: int) -> Scores:
    how = f"in batches of {size} with samples of length {', '.join(map(str, lengths))}"
    return variant(run, make_reference(5, lengths, size), how)


def _check_fold(run: ScorerRun, aggregation: str, fold: Callable[[Tensor, Tensor], Tensor]) -> None:
    how = f"with aggregation '{aggregation}'"
    whole = make_reference(4, MIXED)
    samples = (whole.samples, whole.samples[:2], whole.samples[2:])
    all_of_it, first, second = (
        variant(run, dataclasses.replace(whole, samples=part), how) for part in samples
    )
    both = {n: fold(first[n], second[n]) for n in first if n in second}
    apart = largest_gap(all_of_it, both)
    if apart is not None:
        skip_unless_repeatable(run, whole)
        raise Breach(
            f"With aggregation '{aggregation}', of the whole reference and of its two halves "
            f"together, {apart}, {run}"
        )
