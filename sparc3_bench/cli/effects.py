"""`sparc3 effects`: what each choice does, alone and with another, in results that cross them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.comparison.crossing import crossing
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.crossing_report import CrossingReport
from sparc3_bench.leaderboard.report_part import as_markdown, as_text

if TYPE_CHECKING:
    from sparc3_bench.statistics.terms import Term


class EffectNumbers(Part):
    """A factor, or two together, or a level of these."""

    of_all: bool
    """Whether it is of all runs; else without the levels that dominate."""
    factors: list[str]
    """The factor, or the two."""
    levels: list[str] | None
    """The level, or the two; null of the factors as a whole."""
    told: int | None
    """Of a whole: how many numbers of it the design can tell."""
    wanted: int | None
    """Of a whole: how many numbers describe it."""
    mean: float | None
    """Of a level: the metric, all levels of the other factors counted alike."""
    value: float
    """Of a whole its share of the variance; of a level its effect, on a log scale a factor."""
    low: float | None
    """Lower end of the 95 % interval of the value, over samples and seeds."""
    high: float | None
    """Upper end of it."""
    p_value: float
    """Of no effect, adjusted by Holm over all wholes, or over the levels of one."""


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
    runs: int
    """How many runs it is made of."""
    freedom: int
    """Degrees of freedom of the error; with none, intervals are over samples alone."""
    error: float
    """Share of the variance that is error."""
    dominating: list[str]
    """Levels without which less than half of the variance is left."""
    said: list[str]
    """What the tests decide and what the design can tell, in sentences."""
    effects: list[EffectNumbers]
    """The numbers."""


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
    left_out = list[str]()
    read = common.renewed_results(common.result_files(results, searched), left_out)
    asked = [name.strip() for name in factors.split(",") if name.strip()]
    report = CrossingReport(crossing(read, common.installed(), asked, amount, metric))
    if as_json:
        _answer(report).tell()
    else:
        shown = as_markdown if markdown else as_text
        typer.echo(shown(report.title, report.parts), nl=False)
    common.tell_left_out(left_out)


def _answer(report: CrossingReport) -> EffectsAnswer:
    found = report.crossing
    spec = found.first.spec
    return EffectsAnswer.of(
        found.effects,
        task=spec.task.name,
        model=spec.model.id,
        metric=found.metric.name,
        scale=found.metric.scale,
        runs=len(found.measured),
        dominating=[level for _, level in found.dominating],
        said=[one for part in report.parts for one in part.sentences],
        effects=[
            one
            for of_all, effects in ((True, found.effects), (False, found.rest))
            for term in (effects.terms if effects else ())
            for one in _numbers(of_all, term)
        ],
    )


def _numbers(of_all: bool, term: Term) -> Iterator[EffectNumbers]:
    def told(number: Any, p_value: float, **more: Any) -> EffectNumbers:
        known = {"levels": None, "told": None, "wanted": None, "mean": None, **more}
        ends = {"value": number.value, "low": number.low, "high": number.high}
        own = {"of_all": of_all, "factors": list(term.factors), "p_value": p_value}
        return EffectNumbers(**own, **ends, **known)

    yield told(term.share, term.p_value, told=term.told, wanted=term.wanted)
    for levels, one in term.levels.items():
        mean = one.mean and one.mean.value
        yield told(one.effect, one.p_value, levels=list(levels), mean=mean)
