"""Tasks with one fault each, by the check that must catch it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
from dataclasses import dataclass

import torch
from conformance.sound_task import PreparedSound, Sound

from sparc3_bench import Batch, Evaluation, Facts, ReferenceSamples, Role, find_objective


def like(**methods):
    """Return a prepared task with other methods than the sound one."""
    kind = type("Prepared", (PreparedSound,), methods)
    return staticmethod(lambda *fields: kind(*fields))


def plainly(self, model, dense, progress):
    return PreparedSound.evaluate(self, model, dense, progress)


class BadName(Sound):
    """A name with a capital."""

    name = "Sound"


class TwoOfOneName(Sound):
    """Two metrics that no reader can tell apart."""

    metrics = (*Sound.metrics, Sound.metrics[1])


class BeginsPruned(Sound):
    """A curve without the dense model."""

    amounts = (0.1, 0.3, 0.6)


class SteersByNothing(Sound):
    """An option that is misspelt."""

    steering = frozenset({"cuont"})


@dataclass(frozen=True)
class TupleOption(Sound):
    """An option that JSON makes a list."""

    layers: tuple[int, ...] = (1, 2)


class SetsOptions(Sound):
    """Options that can be set."""

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


def on_llama(self, model, dense, progress):
    assert model.model.model.layers, "no layers"
    return plainly(self, model, dense, progress)


class LlamaOnly(Sound):
    """A task that counts on paths of Llama."""

    prepared = like(evaluate=on_llama)


class NoRecords(Sound):
    """Data without a record of what steers."""

    def prepare(self, *given):
        found = super().prepare(*given)
        return dataclasses.replace(found, datasets=found.datasets[2:])


class OtherDrawEveryTime(Sound):
    """Prompts drawn by chance."""

    def prompts(self, tokenizer, part, seed):
        seed = random.Random().random() if part == "reference" else seed
        return super().prompts(tokenizer, part, seed)


class SeedMovesAll(Sound):
    """A test part that is drawn with the seed of the run."""

    def prepare(self, tokenizer, model_id, cache, seed):
        found = super().prepare(tokenizer, model_id, cache, seed)
        return dataclasses.replace(found, test=self.prompts(tokenizer, "test", seed))


class TestsOnReference(Sound):
    """What steers is measured on."""

    def prepare(self, tokenizer, model_id, cache, seed):
        found = super().prepare(tokenizer, model_id, cache, seed)
        return dataclasses.replace(found, test=self.prompts(tokenizer, "reference", 0)[::2])


class ChoosesOnTest(Sound):
    """A selection part with the test prompts."""

    prepared = like(part=lambda self, name: dataclasses.replace(self, selection=[]))


def any_objective(self, objective):
    samples = [(*prompt.ids, prompt.right) for prompt in self.reference]
    return {"task": ReferenceSamples(samples, find_objective("loss"))}


class TakesAnyObjective(Sound):
    """An objective that nobody asked for."""

    prepared = like(references=any_objective)


def by_mean(self, objective):
    (reference,) = PreparedSound.references(self, objective).values()

    def mean(logits, batch):
        return reference.objective(logits, batch) / len(batch.input_ids)

    return {"task": dataclasses.replace(reference, objective=mean)}


class MeanOverBatch(Sound):
    """An objective that is a mean over the batch."""

    prepared = like(references=by_mean)


class NamesAnotherObjective(Sound):
    """An objective that the task says it takes and does not."""

    objectives = ("label-log-probability", "los")


def behind_the_padding(self, objective):
    (reference,) = PreparedSound.references(self, objective).values()

    def last(logits, batch):
        return logits[:, -1].amax(-1).sum()

    return {"task": dataclasses.replace(reference, objective=last)}


class ReadsPadding(Sound):
    """An objective at the last place of a row, which may be padding."""

    prepared = like(references=behind_the_padding)


def drifting(self, model, dense, progress):
    found = plainly(self, model, dense, progress)
    self.calls.append(1)
    shift = 1e-4 * len(self.calls)
    return Evaluation({name: [v + shift for v in some] for name, some in found.samples.items()})


class Drifts(Sound):
    """Something kept from one evaluation to the next."""

    prepared = like(evaluate=drifting)


def dropping(self, model, dense, progress):
    found = plainly(self, model, dense, progress)
    first = 0 if dense is None else 1
    return Evaluation({name: some[first:] for name, some in found.samples.items()})


class DropsOne(Sound):
    """A sample that is left out of pruned models."""

    prepared = like(evaluate=dropping)


class TooFewClusters(Sound):
    """Clusters of some samples only."""

    prepared = like(clusters=property(lambda self: {"loss": [0, 0, 1]}))


class OneMoreMetric(Sound):
    """A number that is not declared."""

    def point_metrics(self, means, dense, empty):
        return {**super().point_metrics(means, dense, empty), "more": means["loss"]}


class ForgetsCurve(Sound):
    """A number of the curve that never comes."""

    @staticmethod
    def whole(amounts, points, removal):
        return {}


class ForNumbersOnly(Sound):
    """A function that knows no arrays."""

    def point_metrics(self, means, dense, empty):
        return {**means, "odds": math.exp(-means["loss"])}


class WrongWay(Sound):
    """A loss of which more is said to be better."""

    metrics = (
        Sound.metrics[0],
        dataclasses.replace(Sound.metrics[1], direction="higher"),
        Sound.metrics[2],
    )


def finite(self, model, prompt):
    found = PreparedSound.measure(self, model, prompt)
    return {name: value if math.isfinite(value) else 0.0 for name, value in found.items()}


class ZeroForNan(Sound):
    """A NaN that becomes a number."""

    prepared = like(measure=finite)


def forgiving(self, model, prompt):
    try:
        return PreparedSound.measure(self, model, prompt)
    except ArithmeticError:
        return {"difference": 0.0, "loss": 99.0}


class ForgivesErrors(Sound):
    """An error that becomes a number."""

    prepared = like(measure=forgiving)


def without_counterpart(self, prompt):
    ids = torch.tensor([prompt.ids])
    return Batch(ids, torch.ones_like(ids), torch.tensor([[prompt.right, prompt.wrong]]))


class NoCounterparts(Sound):
    """Batches without the counterparts that are announced."""

    prepared = like(batch=without_counterpart)


def hooked(self, model, dense, progress):
    model.blocks[0].register_forward_hook(lambda *_: None)
    return plainly(self, model, dense, progress)


class LeavesHook(Sound):
    """A hook without a handle."""

    prepared = like(evaluate=hooked)


def seeding(self, model, dense, progress):
    torch.manual_seed(0)
    return plainly(self, model, dense, progress)


class SeedsTorch(Sound):
    """The seed of the process set."""

    prepared = like(evaluate=seeding)


def rounded(prepared, model, progress):
    weights = model.weights().values()
    matrix = next(weight.matrix for weight in weights if weight.role is Role.UP)
    matrix.copy_(matrix.half().float())


class RoundsWeights(Sound):
    """Weights that are rounded when the task asks the model for facts."""

    facts = Facts(("task",), rounded, lambda *_: {}, lambda prepared, *_: prepared)


class GivesOtherReferences(Sound):
    """References of other purposes than the facts are said to give."""

    facts = Facts(("general",), lambda *_: 0, lambda *_: {}, lambda prepared, *_: prepared)


def unguarded(self, model, dense, progress):
    handle = model.blocks[0].register_forward_hook(lambda *_: None)
    found = plainly(self, model, dense, progress)
    handle.remove()
    return found


class CleansUpIfAllGoesWell(Sound):
    """A hook that is removed, but for errors."""

    prepared = like(evaluate=unguarded)


def stubborn(self, model, dense, progress):
    def once(done, total):
        with contextlib.suppress(KeyboardInterrupt):
            progress(done, total)

    return plainly(self, model, dense, once)


class SwallowsInterruptions(Sound):
    """An evaluation that goes on."""

    prepared = like(evaluate=stubborn)


TASKS = {
    BadName: "check_describes_itself",
    TwoOfOneName: "check_metrics_say_what_they_are",
    BeginsPruned: "check_amounts_begin_with_the_dense_model",
    SteersByNothing: "check_names_are_known",
    TupleOption: "check_options_are_json",
    SetsOptions: "check_options_are_frozen",
    LlamaOnly: "check_measures_on_every_architecture",
    NoRecords: "check_describes_its_data",
    OtherDrawEveryTime: "check_prepares_the_same_again",
    SeedMovesAll: "check_seed_moves_the_reference_alone",
    TestsOnReference: "check_reference_and_evaluation_are_disjoint",
    ChoosesOnTest: "check_selection_and_test_are_disjoint",
    TakesAnyObjective: "check_unknown_objective_is_refused",
    MeanOverBatch: "check_objective_adds_up_over_samples",
    NamesAnotherObjective: "check_objective_adds_up_over_samples",
    ReadsPadding: "check_objective_adds_up_over_samples",
    Drifts: "check_evaluation_repeats_itself",
    DropsOne: "check_samples_are_paired",
    TooFewClusters: "check_clusters_fit_the_samples",
    OneMoreMetric: "check_metrics_match_the_declaration",
    ForgetsCurve: "check_metrics_match_the_declaration",
    ForNumbersOnly: "check_metrics_serve_arrays",
    WrongWay: "check_directions_are_right",
    ZeroForNan: "check_failure_is_not_a_score",
    ForgivesErrors: "check_failure_is_not_a_score",
    NoCounterparts: "check_says_whether_it_has_counterparts",
    LeavesHook: "check_leaves_model_and_process_unchanged",
    SeedsTorch: "check_leaves_model_and_process_unchanged",
    GivesOtherReferences: "check_measures_on_every_architecture",
    RoundsWeights: "check_leaves_model_and_process_unchanged",
    CleansUpIfAllGoesWell: "check_cleans_up_when_measuring_is_interrupted",
    SwallowsInterruptions: "check_cleans_up_when_measuring_is_interrupted",
}
