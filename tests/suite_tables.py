"""Blocks of docs/suites.md: the suites that are built in, as their files have them."""

from __future__ import annotations

from pathlib import PurePosixPath

from rows import ROOT
from tables import table

from sparc3_bench.host import default_host
from sparc3_bench.run.suite import load_suite

DOCUMENT = ROOT / "docs/suites.md"


def suites() -> str:
    """Return what every suite asks, of which models, in how many runs."""
    host = default_host()
    lines = []
    for name, entry in sorted(host.all("suite").items()):
        requests = load_suite(name, host)
        runs = sum(len(seeds) for one in requests for _, seeds in one.scorers)
        models = dict.fromkeys(PurePosixPath(one.model).name for one in requests)
        asks = (entry.cls.__doc__ or "").splitlines()[0].rstrip(".")
        lines.append((f"`{name}`", asks, ", ".join(models), str(runs)))
    return table(("suite", "asks", "models", "runs"), lines)


MAKERS = {"suites": suites}
