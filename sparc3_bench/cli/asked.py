"""Which runs are meant: options that `sparc3 run` and `sparc3 plan` share, as requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.run.typed import Typed

_PANELS = {
    "What is run": (
        *("scorer", "task", "model", "amounts", "count", "controls", "stability_seeds"),
        *("objective", "scorer_option", "task_option", "judge", "judge_option", "seed", "limit"),
    ),
    "Of a suite": ("with_scorer", "only"),
    "How it is run": ("dtype", "batch_size", "device", "memory", "snapshots"),
}


def asks_for_runs(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take all options that say which runs, where it has a parameter `asked`."""
    conventions = common.convention_options()

    def made(said: dict[str, Any], context: typer.Context | None) -> Typed:
        assert context is not None
        typed = frozenset(name for name in said if common.given(context, name))
        chosen = {one.name: said.pop(one.name) for one in conventions}
        return Typed({**said, "conventions": chosen}, typed)

    parameters: list[inspect.Parameter] = []
    for one in common.options_of(_options):
        parameters += conventions if one.name == "conventions" else [one]
    panels = {name: panel for panel, names in _PANELS.items() for name in names}
    panelled = [common.in_panel(one, panels.get(one.name, "Conventions")) for one in parameters]
    return common.with_options(command, "asked", panelled, made)


def _options(
    scorer: common.ScorerNames = [],  # noqa: B006  # typer wants a list
    task: common.TaskName = "compression",
    model: common.ModelName = "smollm2-135m",
    amounts: Annotated[
        str | None,
        typer.Option(
            help="Fractions removed, e.g. 0,0.2,0.5, or with --count numbers of units; 0 is always "
            "added. Task's default if absent."
        ),
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Amounts are numbers of units of the whole model.")
    ] = False,
    with_scorer: Annotated[
        list[str],
        common.named(
            "scorer",
            "Scorer that is run in every run of the suite beside its own, repeatable; "
            "NAME@0,1,2 runs it with these seeds.",
            "--with",
        ),
    ] = [],  # noqa: B006  # typer wants a list
    only: Annotated[
        list[str],
        typer.Option(
            help="Names of scorers, of the suite or of --with, with commas between or repeatable: "
            "no others are run."
        ),
    ] = [],  # noqa: B006
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Samples of each kind at most: windows, prompts, items. Such results are marked "
            "as short, and are never ranked beside whole ones.",
        ),
    ] = None,
    conventions: None = None,
    controls: Annotated[
        int, typer.Option(help="Random circuits with the same counts to measure.")
    ] = 0,
    stability_seeds: Annotated[
        int, typer.Option(help="Other reference seeds to compare the ranking with.")
    ] = 0,
    objective: common.Objective = None,
    scorer_option: common.ScorerOptions = [],  # noqa: B006
    task_option: common.TaskOptions = [],  # noqa: B006
    judge: common.JudgeName = None,
    judge_option: common.JudgeOptions = [],  # noqa: B006
    seed: common.Seed = 0,
    dtype: common.Dtype = "auto",
    batch_size: common.BatchSize = None,
    device: common.Device = "cpu",
    memory: Annotated[
        str | None,
        typer.Option(
            help="What a model may take with its scores, e.g. 3GB; a larger one is read block by "
            "block, with the same numbers.",
            show_default="all memory of the machine",
        ),
    ] = None,
    snapshots: Annotated[
        bool,
        typer.Option(
            "--snapshots",
            help="Keep what scorers add up over the reference: a later run with the same samples "
            "and more behind them goes on from there. As large as scores, in the same cache.",
        ),
    ] = False,
) -> None:
    """Which runs are meant; see `asks_for_runs`."""
