"""`sparc3 check`: tell whether plugins keep the promises of their contracts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
import sparc3_bench.cli.completion as completion
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.run.options import as_typed, build, parse_pairs

if TYPE_CHECKING:
    from sparc3_bench.testing import Report

_KINDS = ("scorer", "task", "adapter", "allocation", "repair")


class CheckOutcome(Part):
    """What came of one check."""

    check: str
    """Its name."""
    status: str
    """`ok`, `failed`, `skipped` or `expected`."""
    message: str
    """What is wrong, or why it was skipped; empty when all is well."""
    seconds: float
    """How long it took."""


class CheckedPlugin(Part):
    """What came of all checks of one plugin."""

    kind: str
    """`scorer`, `task`, `adapter`, `allocation` or `repair`."""
    name: str
    """The plugin's name."""
    distribution: str | None
    """Where it comes from; null for a class that is not installed."""
    version: str | None
    """The version of that."""
    options: dict[str, Any]
    """The options that it was checked with."""
    checks: list[CheckOutcome]
    """One for every check, in order."""
    ok: bool
    """Whether no check failed."""


class Checked(Answer):
    """What `sparc3 check` found."""

    command: Literal["check"] = "check"
    ok: bool
    """Whether no check of any plugin failed."""
    plugins: list[CheckedPlugin]
    """The plugins that were checked."""


def command(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of a scorer, a task, an adapter, an allocation or a repair.",
            autocompletion=completion.names_of(*_KINDS),
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Check all that are installed; a line each.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes for --all.",
            show_default="as many as there are processors",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="scorer, task, adapter, allocation or repair, for a name of several.",
            autocompletion=lambda: _KINDS,
        ),
    ] = None,
    option: Annotated[
        list[str], typer.Option("--option", help="NAME=VALUE of the plugin; repeatable.")
    ] = [],  # noqa: B006  # typer wants a list
    expect: Annotated[
        list[str],
        typer.Option(
            "--expect", help="CHECK=REASON: a check that is known to fail, and why; repeatable."
        ),
    ] = [],  # noqa: B006
    as_json: JsonFlag = False,
) -> None:
    """Check a plugin against its contract, on tiny models; it takes seconds.

    Prints a line a check: ok, FAILED with what is wrong, why it matters and what to do, skipped, or
    expected. Exit code 1 when a check fails, or one that is expected to does not.
    """
    if everything == (name is not None):
        raise Sparc3Error("Give the name of one plugin, or `--all`.")
    say = functools.partial(typer.echo, err=as_json)
    if everything:
        given = {"--kind": kind, "--option": option, "--expect": expect}
        for extra in (text for text, value in given.items() if value):
            raise Sparc3Error(f"`{extra}` is for one plugin; leave it out with `--all`.")
        found = _all(jobs, say)
    else:
        if jobs is not None:
            raise Sparc3Error("`--jobs` is for `--all`; leave it out for one plugin.")
        found = [_one(str(name), kind, option, expect, say)]
    if as_json:
        plugins = [CheckedPlugin(**each.as_dict()) for each in found]
        Checked(ok=all(each.ok for each in found), plugins=plugins).tell()
    if not all(each.ok for each in found):
        raise typer.Exit(1)


def _one(
    name: str,
    kind: str | None,
    options: list[str],
    expect: list[str],
    say: Callable[[str], None],
) -> Report:
    kind = _kind(name, kind)
    if options and kind == "adapter":
        raise Sparc3Error(f"Adapter '{name}' has no options; leave `--option` out.")

    from sparc3_bench.testing.kit import check_plugin
    from sparc3_bench.testing.report import line

    plugin, given = common.installed().get(kind, name).cls, parse_pairs(options)
    if kind != "adapter":
        tiny = getattr(plugin, "tiny_options", {})
        plugin = build(kind, plugin, {**as_typed(tiny), **given})
    expected = parse_pairs(expect)
    return check_plugin(kind, plugin, expected=expected, told=lambda outcome: say(line(outcome)))


def _all(jobs: int | None, say: Callable[[str], None]) -> list[Report]:
    """Check everything that is installed; what fails is told in full."""
    from sparc3_bench.testing.many import check_many, cores
    from sparc3_bench.testing.report import line

    found = []
    host = common.installed()
    plugins = [(kind, name) for kind in _KINDS for name in host.all(kind)]
    for report in check_many(plugins, cores() if jobs is None else jobs):
        seconds = sum(outcome.seconds for outcome in report.outcomes)
        mark = "ok" if report.ok else "FAILED"
        say(f"{mark:<8} {report.kind} {report.name}: {seconds:.1f} s")
        for outcome in report.outcomes:
            if outcome.status == "failed":
                say(f"  {line(outcome)}")
        found.append(report)
    for text in host.broken.values():
        typer.echo(f"broken plugin: {text}", err=True)
    failed = sum(not report.ok for report in found)
    say(f"{len(found)} plugins checked, {failed} failed.")
    return found


def _kind(name: str, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in _KINDS:
            raise UnknownNameError("kind", wanted, _KINDS)
        return wanted
    host = common.installed()
    kinds = [kind for kind in _KINDS if name in host.all(kind)]
    if len(kinds) > 1:
        names = " and of ".join(f"{'an' if kind[0] == 'a' else 'a'} {kind}" for kind in kinds)
        raise Sparc3Error(f"'{name}' is the name of {names}; say which with `--kind`.")
    if not kinds:
        known = [known for kind in _KINDS for known in host.all(kind)]
        note = "".join(f" Broken plugin: {text}" for text in host.broken.values())
        raise UnknownNameError(f"{', '.join(_KINDS[:-1])} or {_KINDS[-1]}", name, known, note)
    return kinds[0]
