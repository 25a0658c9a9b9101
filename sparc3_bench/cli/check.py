"""`sparc3 check`: tell whether a scorer or an adapter keeps the promises of its contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host

if TYPE_CHECKING:
    from sparc3_bench.testing import Outcome

_KINDS = ("scorer", "adapter")


def command(
    name: Annotated[str, typer.Argument(help="Name of a scorer or an adapter.")],
    kind: Annotated[
        str | None,
        typer.Option(help="scorer or adapter, for a name that both have.", show_default=False),
    ] = None,
    option: Annotated[
        list[str],
        typer.Option("--option", help="NAME=VALUE of the scorer; repeatable.", show_default=False),
    ] = [],  # noqa: B006  # typer wants a list
    report: Annotated[
        Path | None, typer.Option(help="JSON file to write the report to.", show_default=False)
    ] = None,
) -> None:
    """Check a plugin against its contract, on tiny random models; it takes seconds.

    Prints a line a check: ok, FAILED with what is wrong, why it matters and what to do, or skipped.
    Exit code 1 when a check fails.
    """
    kind = _kind(name, kind)
    cls = default_host().get(kind, name).cls
    if option and kind == "adapter":
        raise Sparc3Error(f"Adapter '{name}' has no options; leave `--option` out.")
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise Sparc3Error(f"`--report` must name a file in a folder that is there, got '{report}'.")

    from sparc3_bench.record.files import write_atomically
    from sparc3_bench.run.options import build, parse_pairs
    from sparc3_bench.testing.kit import check_adapter, check_scorer
    from sparc3_bench.testing.report import line

    def told(outcome: Outcome) -> None:
        typer.echo(line(outcome))

    if kind == "scorer":
        found = check_scorer(build(kind, cls, parse_pairs(option)), told=told)
    else:
        found = check_adapter(cls, told=told)
    if report is not None:
        write_atomically(report, json.dumps(found.as_dict(), indent=2, sort_keys=True) + "\n")
    if not found.ok:
        raise typer.Exit(1)


def _kind(name: str, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in _KINDS:
            raise UnknownNameError("kind", wanted, _KINDS)
        return wanted
    host = default_host()
    kinds = [kind for kind in _KINDS if name in host.all(kind)]
    if len(kinds) > 1:
        raise Sparc3Error(
            f"'{name}' is the name of a scorer and of an adapter; say which with `--kind`."
        )
    if not kinds:
        known = [known for kind in _KINDS for known in host.all(kind)]
        note = "".join(f" Broken plugin: {text}" for text in host.broken.values())
        raise UnknownNameError("scorer or adapter", name, known, note)
    return kinds[0]
