"""Templating: the templates of the pages, with what they may call."""

from __future__ import annotations

import json

import jinja2
from markupsafe import Markup

from sparc3_bench.comparison.overlap import overlap_matrices
from sparc3_bench.comparison.series import seeds
from sparc3_bench.leaderboard import answers, charts
from sparc3_bench.leaderboard.maps import atlas
from sparc3_bench.leaderboard.published import published
from sparc3_bench.leaderboard.sentences import WORDS, environment_of, said
from sparc3_bench.printable import prefixed, printable
from sparc3_bench.record.spec import canonical_json

SIGNATURE = '<meta name="generator" content="sparc3-bench">'
"""Tells a page that `publish` made from somebody's own."""


def _shown(value: object) -> object:
    """Return what stands on a page for a value: of text, what a reader sees."""
    if type(value) is str:
        return printable(value)
    if isinstance(value, Markup):
        return Markup(printable(value))
    return printable(value) if isinstance(value, str) else value


def inline(data: object) -> Markup:
    """Return data as JSON that may stand inside a script of a page."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def templates(*, is_page: bool = True) -> jinja2.Environment:
    """Return the templates, with the filters that they use; those of pages escape what they get."""
    environment = environment_of(autoescape=is_page, keep_trailing_newline=True, finalize=_shown)
    own = {"json": canonical_json, "seeds": seeds, "inline": inline, "prefixed": prefixed}
    environment.filters.update(WORDS, **own)
    environment.globals.update(
        signature=SIGNATURE,
        page="",
        notices=(),
        has_guide=False,
        tasks=(),
        commit="",
        version="",
        newest="",
        atlas=atlas,
        charts=charts,
        answers=answers,
        said=said,
        overlaps=overlap_matrices,
        published=published,
    )
    return environment
