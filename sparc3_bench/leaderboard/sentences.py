"""Sentences: what numbers mean, in words that `sentences.txt` makes of them by rule."""

from __future__ import annotations

import inspect
import math
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.environment import TemplateModule

from sparc3_bench.comparison import phrasing
from sparc3_bench.printable import printable

HERE = Path(__file__).parent
"""The folder that templates and scripts are in."""

WITHOUT_CONTROLS = "without controls"
"""What the pruned models are called that were ranked by something."""

WORTH = 100
"""Nobody measures on more times as many samples to tell two scorers apart."""

_NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)
_PARTS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 6: "a sixth", 7: "a seventh"}
_PARTS |= {8: "an eighth", 9: "a ninth", 10: "a tenth"}

WORDS = {name: made for name, made in vars(phrasing).items() if inspect.getmodule(made) is phrasing}
"""The filters of all templates."""


def said(name: str, *given: Any) -> str:
    """Return what a macro of `sentences.txt` says, as plain text."""
    text: str = getattr(_macros("sentences"), name)(*given)
    return text.replace("\n", "").strip()


def sentences(template: str, name: str, *given: Any) -> tuple[str, ...]:
    """Return what a macro of another template says, a sentence a line, as plain text."""
    lines = printable(getattr(_macros(template), name)(*given)).splitlines()
    return tuple(" ".join(line.split()) for line in lines if line.strip())


def rounded_up(value: float) -> int:
    """Return a count of at least so many, with two digits."""
    whole = math.ceil(value)
    unit: int = 10 ** max(0, len(str(whole)) - 2)
    return math.ceil(whole / unit) * unit


def environment_of(**settings: Any) -> jinja2.Environment:
    """Return what reads templates, by the rules that all of them are written by."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        **settings,
    )


@cache
def _macros(template: str) -> TemplateModule:
    environment = environment_of()
    environment.filters.update(WORDS, rounded_up=rounded_up)
    environment.tests["match"] = str.startswith
    environment.globals.update(
        nbsp="\N{NO-BREAK SPACE}",
        numbers=_NUMBERS,
        parts=_PARTS,
        without_controls=WITHOUT_CONTROLS,
        worth=WORTH,
    )
    return environment.get_template(f"{template}.txt").module
