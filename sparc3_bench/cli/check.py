"""`sparc3 check`: tell whether scorers, tasks and adapters keep the promises of their contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host

if TYPE_CHECKING:
    from sparc3_bench.testing import Report

_KINDS = ("scorer", "task", "adapter")


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a scorer, a task or an adapter.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Check every scorer, task and adapter; a line each.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes for --all; as many as there are processors if absent.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="scorer, task or adapter, for a name of several.", show_default=False),
    ] = None,
    option: Annotated[
        list[str],
        typer.Option("--option", help="NAME=VALUE of the plugin; repeatable.", show_default=False),
    ] = [],  # noqa: B006  # typer wants a list
    expect: Annotated[
        list[str],
        typer.Option(
            "--expect",
            help="CHECK=REASON: a check that is known to fail, and why; repeatable.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    report: Annotated[
        Path | None, typer.Option(help="JSON file to write the report to.", show_default=False)
    ] = None,
) -> None:
    """Check a plugin against its contract, on tiny models; it takes seconds.

    Prints a line a check: ok, FAILED with what is wrong, why it matters and what to do, skipped, or
    expected. Exit code 1 when a check fails, or one that is expected to does not.
    """
    if everything == (name is not None):
        raise Sparc3Error("Give the name of one plugin, or `--all`.")
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise Sparc3Error(f"`--report` must name a file in a folder that is there, got '{report}'.")
    if everything:
        given = {"--kind": kind, "--option": option, "--expect": expect}
        for extra in (text for text, value in given.items() if value):
            raise Sparc3Error(f"`{extra}` is for one plugin; leave it out with `--all`.")
        found = _all(jobs)
    else:
        if jobs is not None:
            raise Sparc3Error("`--jobs` is for `--all`; leave it out for one plugin.")
        found = [_one(str(name), kind, option, expect)]
    if report is not None:
        from sparc3_bench.record.files import write_atomically

        told = [each.as_dict() for each in found]
        whole = {"ok": all(each.ok for each in found), "plugins": told} if everything else told[0]
        write_atomically(report, json.dumps(whole, indent=2, sort_keys=True) + "\n")
    if not all(each.ok for each in found):
        raise typer.Exit(1)


def _one(name: str, kind: str | None, options: list[str], expect: list[str]) -> Report:
    kind = _kind(name, kind)
    if options and kind == "adapter":
        raise Sparc3Error(f"Adapter '{name}' has no options; leave `--option` out.")

    from sparc3_bench.run.options import as_typed, build, parse_pairs
    from sparc3_bench.testing.kit import check_plugin
    from sparc3_bench.testing.report import line

    plugin, given = default_host().get(kind, name).cls, parse_pairs(options)
    if kind != "adapter":
        plugin = build(kind, plugin, {**as_typed(plugin.tiny_options), **given})
    expected = parse_pairs(expect)
    return check_plugin(
        kind, plugin, expected=expected, told=lambda outcome: typer.echo(line(outcome))
    )


def _all(jobs: int | None) -> list[Report]:
    """Check everything that is installed; what fails is told in full."""
    from sparc3_bench.testing.many import check_many, cores
    from sparc3_bench.testing.report import line

    found = []
    host = default_host()
    plugins = [(kind, name) for kind in _KINDS for name in host.all(kind)]
    for report in check_many(plugins, cores() if jobs is None else jobs):
        seconds = sum(outcome.seconds for outcome in report.outcomes)
        mark = "ok" if report.ok else "FAILED"
        typer.echo(f"{mark:<8} {report.kind} {report.name}: {seconds:.1f} s")
        for outcome in report.outcomes:
            if outcome.status == "failed":
                typer.echo(f"  {line(outcome)}")
        found.append(report)
    for text in host.broken.values():
        typer.echo(f"broken plugin: {text}", err=True)
    failed = sum(not report.ok for report in found)
    typer.echo(f"{len(found)} plugins checked, {failed} failed.")
    return found


def _kind(name: str, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in _KINDS:
            raise UnknownNameError("kind", wanted, _KINDS)
        return wanted
    host = default_host()
    kinds = [kind for kind in _KINDS if name in host.all(kind)]
    if len(kinds) > 1:
        names = " and of ".join(f"{'an' if kind == 'adapter' else 'a'} {kind}" for kind in kinds)
        raise Sparc3Error(f"'{name}' is the name of {names}; say which with `--kind`.")
    if not kinds:
        known = [known for kind in _KINDS for known in host.all(kind)]
        note = "".join(f" Broken plugin: {text}" for text in host.broken.values())
        raise UnknownNameError("scorer, task or adapter", name, known, note)
    return kinds[0]
