"""`sparc3 effects`: what each choice does, alone and with another, in results that cross them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.crossing_report import CrossingReport
    from sparc3_bench.statistics.effects import Effects, Level, Term


class LevelEffect(Part):
    """A level of a factor, or two levels together."""

    levels: list[str]
    """The level, or the two."""
    mean: float | None
    """The metric, every level of the other factors counted alike; on a log scale geometric; null
    where it cannot be told."""
    mean_low: float | None
    """Lower end of the 95 % interval of the mean."""
    mean_high: float | None
    """Upper end of it."""
    effect: float
    """How far that is from the grand mean, of two levels from what each does for itself; on a log
    scale a factor."""
    low: float
    """Lower end of the 95 % interval of the effect, over samples and seeds."""
    high: float
    """Upper end of it."""
    p_value: float
    """Of no effect, adjusted by Holm over the levels."""


class TermEffect(Part):
    """A factor, or what two do together beyond what each does for itself."""

    factors: list[str]
    """Its factors."""
    wanted: int
    """How many numbers describe it."""
    told: int
    """How many of them the design can tell."""
    mixed_with: list[list[str]]
    """The terms that it cannot be told from; an empty one is the grand mean."""
    share: float
    """Share of the variance over runs."""
    low: float | None
    """Lower end of the 95 % interval of the share."""
    high: float | None
    """Upper end of it."""
    p_value: float
    """Of no effect, adjusted by Holm over the terms."""
    levels: list[LevelEffect]
    """What can be told of its levels."""


class FoundEffects(Part):
    """All terms of some runs."""

    factors: dict[str, list[str]]
    """The levels of each factor."""
    terms: list[TermEffect]
    """The factors, then every two."""
    freedom: int
    """Degrees of freedom of the error; with none, intervals are over samples alone."""
    error: float
    """Share of what no term explains."""
    seeds: float
    """Share of the reference seeds."""
    shared: float
    """Share that several terms could explain."""
    mixed: dict[str, list[list[str]]]
    """What three factors do together, which is in the error, and what it cannot be told from."""


class EffectsAnswer(Answer):
    """What `sparc3 effects` tells of crossed results."""

    command: Literal["effects"] = "effects"
    task: str
    """The task."""
    model: str
    """The model."""
    metric: str
    """What was measured."""
    scale: str
    """`log`: effects are factors."""
    amount: float
    """How much is removed."""
    runs: int
    """How many runs it is made of."""
    missing: list[list[str]]
    """Two levels that never occur together."""
    said: list[str]
    """What the tests decide, in sentences."""
    effects: FoundEffects
    """Of all runs."""
    dominating: list[list[str]]
    """Factors with levels without which less than half of the variance is left."""
    rest: FoundEffects | None
    """The effects without these."""


def command(
    results: Annotated[
        list[str],
        typer.Argument(
            help="Folders, files or keys of results.", autocompletion=common.completion.keys
        ),
    ],
    factors: Annotated[
        str,
        typer.Option(
            help="Choices with commas between: scorer, model, amount, or a convention; two joined "
            "by + make one.",
            show_default="those that differ, group+allocation as one",
        ),
    ] = "",
    amount: Annotated[
        float | None,
        typer.Option(help="How much is removed.", show_default="what most results have"),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="What to analyse.", show_default="the task's main metric")
    ] = None,
    searched: common.SearchedFolder = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Tell what each choice does, alone and with another: main effects, interplay of two, shares.

    Least squares over runs that may be compared, of a metric on a log scale over its logarithm;
    intervals are over samples and reference seeds, paired. It says what the design cannot tell
    apart, and answers by tests what share of the variance is how an amount is divided, how much of
    a repaired method is choosing and how much repairing, and who fails where scores alone decide
    what goes between rows. Exit code 0, 1 when a file is no result, 2 for wrong input.
    """
    if markdown and as_json:
        raise Sparc3Error("`--markdown` and `--json` are two forms; choose one.")
    from sparc3_bench.host import default_host
    from sparc3_bench.leaderboard.crossing import crossing
    from sparc3_bench.leaderboard.crossing_report import CrossingReport
    from sparc3_bench.leaderboard.report_part import as_markdown, as_text
    from sparc3_bench.record.files import read_each, result_files
    from sparc3_bench.run.intervals import renewed

    paths = [Path(r) if Path(r).is_dir() else common.result_file(r, searched) for r in results]
    left_out, host = list[str](), default_host()
    read = [renewed(one, host) for _, one in read_each(result_files(paths), left_out.append)]
    asked = [name.strip() for name in factors.split(",") if name.strip()]
    report = CrossingReport(crossing(read, host, asked, amount, metric))
    if as_json:
        _answer(report).tell()
    else:
        shown = as_markdown if markdown else as_text
        typer.echo(shown(report.title, report.parts()), nl=False)
    common.tell_left_out(left_out)


def _answer(report: CrossingReport) -> EffectsAnswer:
    found = report.crossing
    spec, (_, point) = found.first.spec, found.measured[0]
    return EffectsAnswer(
        task=spec.task.name,
        model=spec.model.id,
        metric=found.metric.name,
        scale=found.metric.scale,
        amount=point.amount.requested,
        runs=len(found.measured),
        missing=[list(pair) for pair in found.missing],
        said=list(report.sentences()),
        effects=_effects(found.effects),
        dominating=[list(pair) for pair in found.dominating],
        rest=found.rest and _effects(found.rest),
    )


def _effects(found: Effects) -> FoundEffects:
    return FoundEffects(
        factors={name: list(found.design.levels[name]) for name in found.factors},
        terms=[_term(one) for one in found.terms],
        freedom=found.freedom,
        error=found.error,
        seeds=found.seeds,
        shared=found.shared,
        mixed={
            " × ".join(three): [list(one) for one in others]
            for three, others in found.design.mixed.items()
        },
    )


def _term(one: Term) -> TermEffect:
    return TermEffect(
        factors=list(one.factors),
        wanted=one.wanted,
        told=one.told,
        mixed_with=[list(other) for other in one.mixed_with],
        share=one.share.value,
        low=one.share.low,
        high=one.share.high,
        p_value=one.p_value,
        levels=[_level(levels, level) for levels, level in one.levels.items()],
    )


def _level(levels: tuple[str, ...], one: Level) -> LevelEffect:
    return LevelEffect(
        levels=list(levels),
        mean=one.mean and one.mean.value,
        mean_low=one.mean and one.mean.low,
        mean_high=one.mean and one.mean.high,
        effect=one.effect.value,
        low=one.effect.low,
        high=one.effect.high,
        p_value=one.p_value,
    )
