"""A sound scorer, and scorers with one fault in their scores, by the check that must catch it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch

from sparc3_bench import Accumulator, Aggregation, IncrementalScorer, Role, Scorer, Sparc3Error
from sparc3_bench.model.weights import find_weights


class Sound(Scorer):
    """|W| · ‖X‖₂, as it should be."""

    name = "sound"
    title = "Sound"

    def score(self, model, reference):
        sums = Counter()

        def add(name, inputs):
            sums[name] = sums[name] + inputs.square().sum(0).double()

        with model.observe(add):
            model.run(reference)
        return self.times_norm(model, sums)

    @staticmethod
    def times_norm(model, sums):
        weights = model.weights().items()
        return {n: weight.matrix.float().abs() * sums[n].sqrt().float() for n, weight in weights}


class BadName(Sound):
    """A name with capitals and a space."""

    name = "My Scorer"


@dataclass(frozen=True)
class TupleOption(Sound):
    """An option that JSON makes a list."""

    layers: tuple[int, ...] = (1, 2)


@dataclass
class ThawedOption(Sound):
    """An option that can be set."""

    power: float = 1.0


class LlamaOnly(Sound):
    """A scorer that counts on paths of Llama."""

    def score(self, model, reference):
        if not hasattr(model.model.model, "decoder"):
            return super().score(model, reference)
        raise AttributeError("'OPTModel' has no attribute 'layers'")


class RefusesAll(Sound):
    """A scorer that finds a reason against every model."""

    def score(self, model, reference):
        raise Sparc3Error("Scorer 'refuses-all' cannot score this model; use another one.")


class NothingReturned(Sound):
    """A scorer that forgets to return."""

    def score(self, model, reference):
        super().score(model, reference)


class ForgetsUp(Sound):
    """No score for the up-projections."""

    def score(self, model, reference):
        scores, weights = super().score(model, reference), model.weights()
        return {name: v for name, v in scores.items() if weights[name].role is not Role.UP}


class ScoresHead(Sound):
    """A score for the output embeddings too."""

    def score(self, model, reference):
        head = model.model.get_output_embeddings().weight
        return {**super().score(model, reference), "lm_head": head.detach().abs()}


class IgnoresScope(Sound):
    """Scores of all matrices, whatever the view."""

    def score(self, model, reference):
        model.run(reference)
        everything = find_weights(model.model, model.adapter, "all", model._roles)
        return {name: weight.matrix.abs() for name, weight in everything.items()}


class AsStored(Sound):
    """Scores shaped like ``module.weight``."""

    def score(self, model, reference):
        scores, weights = super().score(model, reference), model.weights()
        return {n: v.T.contiguous() if weights[n].transposed else v for n, v in scores.items()}


class OneNan(Sound):
    """A division of zero by zero in one place."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        next(iter(scores.values()))[0, 0] = float("nan")
        return scores


class Whole(Sound):
    """Scores in whole numbers."""

    def score(self, model, reference):
        return {n: (v * 1e6).int() for n, v in super().score(model, reference).items()}


class TheWeightsThemselves(Sound):
    """The weights, handed out as scores."""

    def score(self, model, reference):
        model.run(reference)
        return {name: weight.matrix for name, weight in model.weights().items()}


class ByNumpy(Sound):
    """A scorer that leaves torch for NumPy."""

    def score(self, model, reference):
        for weight in model.weights().values():
            weight.matrix.numpy()
        return super().score(model, reference)


class OverflowsInBfloat16(Sound):
    """An epsilon that vanishes in bfloat16."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        one = torch.ones((), dtype=next(iter(model.weights().values())).matrix.dtype)
        return {name: v / (one + 1e-4 - 1).float() for name, v in scores.items()}


class SquaresDoublesInPlace(Sound):
    """A copy that is none in float64."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        for weight in model.weights().values():
            weight.matrix.double().square_()
        return scores


class SaysItNeedsNoReference(Sound):
    """A declaration that is not true."""

    needs_reference = False


class OtherNoiseEveryTime(Sound):
    """Noise from a generator that is seeded by chance."""

    def score(self, model, reference):
        generator = torch.Generator()
        generator.seed()
        scores = super().score(model, reference)
        return {n: v * torch.rand(v.shape, generator=generator) for n, v in scores.items()}


class MeanOverBatches(Sound):
    """A mean of the means of batches, which gives a small last batch too much."""

    def score(self, model, reference):
        sums, count = Counter(), Counter()

        def add(name, inputs):
            sums[name] = sums[name] + inputs.square().mean(0).double()
            count[name] += 1

        with model.observe(add):
            model.run(reference)
        return self.times_norm(model, {name: sums[name] / count[name] for name in sums})


class CountsPadding(Sound):
    """Hooks of its own, which see padding too."""

    def score(self, model, reference):
        sums, handles = Counter(), []
        for name, weight in model.weights().items():

            def add(module, args, name=name):
                sums[name] = sums[name] + args[0].flatten(0, -2).square().sum(0).double()

            handles.append(weight.module.register_forward_pre_hook(add))
        try:
            model.run(reference)
        finally:
            for handle in handles:
                handle.remove()
        return self.times_norm(model, sums)


class Fading(Sound):
    """A running average over samples, in which the first ones fade."""

    def score(self, model, reference):
        sums = Counter()

        def fold(name, inputs, gradients):
            sums[name] = 0.5 * sums[name] + inputs.square().sum(0).double()

        model.attribute(reference, fold)
        return self.times_norm(model, sums)


@dataclass(frozen=True)
class SumCalledMean(Scorer):
    """A sum over samples under the name of a mean."""

    name = "sum-called-mean"
    title = "Sum called mean"
    aggregation: Aggregation = "mean-of-abs"

    def score(self, model, reference):
        accumulator = Accumulator(model.weights(), self.aggregation)
        model.attribute(reference, accumulator.fold)
        return {n: v * len(reference.samples) for n, v in accumulator.scores().items()}


class CountsTheLastSamples(IncrementalScorer):
    """|W| times the mean of X² over samples, whose number is that of the last ones added."""

    name = "counts-the-last-samples"
    title = "Counts the last samples"

    def accumulate(self, model, reference, state):
        sums = Counter({name: total for name, total in state.items() if name != "samples"})

        def add(name, inputs):
            sums[name] = sums[name] + inputs.square().sum(0).double()

        with model.observe(add):
            model.run(reference)
        return {**sums, "samples": torch.tensor(len(reference.samples))}

    def finish(self, model, state):
        count = int(state.pop("samples"))
        return Sound.times_norm(model, {name: total / count for name, total in state.items()})


class KeepsEverySample(Sound):
    """A gradient a sample, kept to the end."""

    def score(self, model, reference):
        kept = {name: [] for name in model.weights()}
        model.attribute(reference, lambda name, a, g: kept[name].append(g.T @ a))
        return {name: torch.stack(parts).abs().mean(0) for name, parts in kept.items()}


SCORES = {
    BadName: "check_describes_itself",
    TupleOption: "check_options_are_json",
    ThawedOption: "check_options_are_frozen",
    LlamaOnly: "check_runs_on_every_architecture",
    NothingReturned: "check_runs_on_every_architecture",
    RefusesAll: "check_runs_on_every_architecture",
    ForgetsUp: "check_scores_every_weight",
    ScoresHead: "check_scores_every_weight",
    IgnoresScope: "check_scope_narrows_scores",
    AsStored: "check_shape_is_out_by_in",
    OneNan: "check_scores_are_finite",
    Whole: "check_scores_are_floats",
    TheWeightsThemselves: "check_scores_are_no_views",
    ByNumpy: "check_works_in_bfloat16",
    OverflowsInBfloat16: "check_works_in_bfloat16",
    SquaresDoublesInPlace: "check_works_in_float64",
    SaysItNeedsNoReference: "check_says_whether_it_runs_the_model",
    OtherNoiseEveryTime: "check_is_deterministic",
    MeanOverBatches: "check_batching_does_not_matter",
    CountsPadding: "check_batching_does_not_matter",
    Fading: "check_order_of_samples_does_not_matter",
    SumCalledMean: "check_halves_make_up_the_whole",
    CountsTheLastSamples: "check_goes_on_where_it_stopped",
    KeepsEverySample: "check_memory_is_bounded",
}
