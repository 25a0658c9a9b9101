"""What the contract demands of a scorer's scores, a function a demand."""

from __future__ import annotations

import dataclasses

from sparc3_bench.errors import Sparc3Error, describe
from sparc3_bench.testing.report import Breach, CheckFailure, demand
from sparc3_bench.testing.scorer_runs import (
    Plugin,
    ScorerRun,
    of_runs,
    plain_run,
    scores_by,
    variant,
)
from sparc3_bench.testing.tiny import CONFIGS, make_reference, make_view


@demand(
    "every run on such a model would be a failed one",
    "reach the model through `weights`, `observe`, `attribute` and `roles`, which are alike for "
    "all architectures, and return a mapping of names to tensors",
)
def check_runs_on_every_architecture(plugin: Plugin) -> None:
    """Demand tensors by name for a model of every adapted architecture, or a refusal in words.

    One that cannot score an architecture says so in a `Sparc3Error`; it must score one at least.
    """
    refusals = []
    for architecture in CONFIGS:
        error = plain_run(plugin, architecture)
        if isinstance(error, Sparc3Error):
            refusals.append(error)
        elif isinstance(error, Exception):
            raise Breach(
                f"On the tiny {architecture} model `score` fails with {describe(error)}"
            ) from error
    if len(refusals) == len(CONFIGS):
        raise CheckFailure(
            f"`score` refuses every tiny model, the last with {describe(refusals[-1])}",
            "there is no model that it could be run on",
            "raise `Sparc3Error` only for what the scorer cannot do, or install what it needs",
        ) from refusals[-1]


@of_runs(
    "weights without a score can be neither kept nor removed, and runs stop",
    "return one tensor for every name of `model.weights()`, and no other",
)
def check_scores_every_weight(run: ScorerRun) -> None:
    """Demand exactly the names of ``model.weights()``."""
    weights = run.view.weights()
    missing = [name for name in weights if name not in run.scores]
    extra = [name for name in run.scores if name not in weights]
    if missing or extra:
        wrong = (
            f"{len(missing)} of {len(weights)} weights have no score, the first '{missing[0]}'"
            if missing
            else f"{len(extra)} scores are for no weight, the first for '{extra[0]}'"
        )
        raise Breach(f"{wrong[0].upper()}{wrong[1:]}")


@of_runs(
    "runs with `--scope` or schedule `blockwise` score such views",
    "take the weights from `model.weights()` of the view that is given",
)
def check_scope_narrows_scores(run: ScorerRun) -> None:
    """Demand that a view of the attention or the MLPs alone gets the scores of these alone."""
    extra_anyway = run.scores.keys() - run.view.weights().keys()
    for scope in ("attention", "mlp"):
        view = make_view(run.architecture, scope=scope)
        scores = variant(run, make_reference(4), f"with scope '{scope}'", view)
        extra = scores.keys() - view.weights().keys() - extra_anyway
        missing = (view.weights().keys() & run.scores.keys()) - scores.keys()
        if extra or missing:
            wrong = f"'{min(extra)}' has a score" if extra else f"'{min(missing)}' has none"
            raise Breach(f"With scope '{scope}' {wrong}")


@of_runs(
    "rows are outputs and columns are inputs, and rankings go by rows",
    "compute from `weight.matrix`, [out_features, in_features], and never from `module.weight`",
)
def check_shape_is_out_by_in(run: ScorerRun) -> None:
    """Demand the shape of ``weight.matrix``, ``[out_features, in_features]``."""
    for name, weight in run.view.weights().items():
        if name not in run.scores:
            continue
        shape, matrix = list(run.scores[name].shape), list(weight.matrix.shape)
        if shape != matrix:
            turned = ", which is the matrix turned round" if shape == matrix[::-1] else ""
            raise Breach(
                f"Scores of '{name}' have the shape {shape}{turned}, where the matrix has {matrix}"
            )


@of_runs(
    "what is no number has no rank", "accumulate in float32 and guard divisions and logarithms"
)
def check_scores_are_finite(run: ScorerRun) -> None:
    """Demand numbers: no NaN, no infinity."""
    for name, values in run.scores.items():
        nan, infinite = int(values.isnan().sum()), int(values.isinf().sum())
        if nan + infinite:
            raise Breach(
                f"Scores of '{name}' are NaN in {nan} and infinite in {infinite} of "
                f"{values.numel()} places"
            )


@of_runs(
    "scores in whole numbers are full of ties, and ties are broken by position", "return float32"
)
def check_scores_are_floats(run: ScorerRun) -> None:
    """Demand a float format."""
    for name, values in run.scores.items():
        if not values.is_floating_point():
            raise Breach(f"Scores of '{name}' are {str(values.dtype).removeprefix('torch.')}")


@of_runs(
    "pruning sets weights to zero in place, and the scores would go with them",
    "return a copy, such as `weight.matrix.clone()`",
)
def check_scores_are_no_views(run: ScorerRun) -> None:
    """Demand scores with a memory of their own."""
    parameters = {
        value.untyped_storage().data_ptr(): name
        for name, value in run.view.model.named_parameters()
    }
    for name, values in run.scores.items():
        owner = parameters.get(values.untyped_storage().data_ptr())
        if owner is not None and values.numel():
            raise Breach(f"Scores of '{name}' are a view of the parameter '{owner}'")


@of_runs("scores of what needs no reference are made once and shared by all references", "")
def check_says_whether_it_runs_the_model(run: ScorerRun) -> None:
    """Demand that `needs_reference` is true to what `score` does.

    Scores of what needs no reference are made once. Going through its batches counts, too: a copy
    of the model may run elsewhere.
    """
    view = make_view(run.architecture)
    ran: list[bool] = []
    view.model.register_forward_pre_hook(lambda *_, ran=ran: ran.append(True))
    read = dataclasses.replace(make_reference(2), progress=lambda *_, ran=ran: ran.append(True))
    scores_by(run.scorer, view, read)
    if bool(ran) != run.scorer.needs_reference:
        does = "runs" if ran else "never runs"
        raise Breach(
            f"`needs_reference` is {run.scorer.needs_reference}, but `score` {does} the model",
            f"set `needs_reference = {bool(ran)}`",
        )
