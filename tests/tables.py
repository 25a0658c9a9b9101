"""Tables in documents, each between a mark that names it and one that ends it, made of results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_results
from sparc3_bench.record.result import Result
from sparc3_bench.run.intervals import renewed as with_intervals

_WHOLE = re.DOTALL | re.MULTILINE


def results_below(folder: Path) -> list[tuple[Path, Result]]:
    """Return committed results with the intervals that the pages show."""
    host = default_host()
    return [(path, with_intervals(result, host)) for path, result in read_results(folder)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def renewed(text: str, makers: Mapping[str, Callable[[], str]]) -> str:
    """Return a document with its tables made anew; it must have each of them, and no others."""
    assert sorted(re.findall(r"^<!-- table: (.*) -->$", text, re.MULTILINE)) == sorted(makers)
    for name, make in makers.items():
        made = f"{make()}\n"
        between = rf"(?<=^<!-- table: {re.escape(name)} -->\n).*?(?=^<!-- end -->$)"
        text = re.sub(between, lambda _, made=made: made, text, count=1, flags=_WHOLE)
    return text
