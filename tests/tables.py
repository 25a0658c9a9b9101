"""Tables in documents, each between a mark that names it and one that ends it, made of results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

_WHOLE = re.DOTALL | re.MULTILINE


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
