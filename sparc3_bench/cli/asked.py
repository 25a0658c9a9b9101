"""Which runs are meant: options that `sparc3 run` and `sparc3 plan` share, as requests."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.run.request import Request
    from sparc3_bench.types.conventions import AmountKind

_WITH_SUITE = frozenset({"model", "dtype", "device", "task_option", "judge", "judge_option"})


@dataclass(frozen=True)
class Asked:
    """What was typed.

    Attributes
    ----------
    given
        By option, what it says.
    typed
        The options that the user wrote.
    """

    given: Mapping[str, Any]
    typed: frozenset[str]

    def requests(self, host: PluginHost, suite: str | None) -> list[Request]:
        """Return the requests of a suite with the user's changes, or the one that options make.

        Raises
        ------
        Sparc3Error
            When options do not go together, or say nothing.
        """
        from sparc3_bench.run.options import parse_pairs
        from sparc3_bench.run.plan import checked_amounts
        from sparc3_bench.run.request import Request
        from sparc3_bench.run.seeds import with_seeds
        from sparc3_bench.run.suite import Changes, load_suite

        given = self.given
        pairs = {
            f"{name}s": parse_pairs(given[name])
            for name in ("scorer_option", "task_option", "judge_option")
        }
        if suite is not None:
            for name in sorted(self.typed - _WITH_SUITE):
                raise Sparc3Error(
                    f"`--{name.replace('_', '-')}` does not go with a suite, which says it "
                    "itself; leave one of them out, or copy the suite's file and change it."
                )
            changes = Changes(
                every={name: given[name] for name in {"model", "dtype"} & self.typed},
                task_options=pairs["task_options"],
                request={"device": given["device"]},
                judge=given["judge"],
                judge_options=pairs["judge_options"],
            )
            return load_suite(suite, host, changes)
        if not given["scorer"]:
            raise Sparc3Error("Nothing to run; name a scorer with `--scorer`, or a suite.")
        amounts = common.numbers(given["amounts"], "--amounts")
        kind: AmountKind | None = "count" if given["count"] else None
        if amounts is not None:
            kind = kind or "fraction"
            checked_amounts(amounts, kind)
        plain = ("task", "model", "controls", "stability_seeds", "objective", "judge", "dtype")
        return [
            Request(
                scorers=with_seeds(given["scorer"], given["seed"]),
                amounts=amounts,
                amount_kind=kind,
                **{name: given[name] for name in (*plain, "device", "snapshots")},
                **pairs,
                **given["conventions"],
            )
        ]


def asks_for_runs(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take all options that say which runs, where it has a parameter `asked`."""
    options = inspect.signature(_options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def taking(**given: Any) -> None:
        said = {name: given.pop(name) for name in options if name != "conventions"}
        context, conventions = given["context"], given.pop("conventions")
        names = {*said, *conventions}
        typed = frozenset(name for name in names if common.given(context, name))
        command(asked=Asked({**said, "conventions": conventions}, typed), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters: list[inspect.Parameter] = []
    for one in own.values():
        parameters += options.values() if one.name == "asked" else [one]
    taking.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [one.replace(kind=keyword) for one in parameters]
    )
    taking.__annotations__ = {one.name: one.annotation for one in parameters}
    return common.with_conventions(taking)


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
    conventions: common.Chosen = {},  # noqa: B006
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
    device: common.Device = "cpu",
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
