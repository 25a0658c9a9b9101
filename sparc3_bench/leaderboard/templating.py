"""Templating: the templates of the pages, with what they may call."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import jinja2
from markupsafe import Markup

from sparc3_bench.leaderboard import agreement_text, answers, charts, phrasing, sentences
from sparc3_bench.leaderboard.entries import Entry
from sparc3_bench.leaderboard.maps import atlas
from sparc3_bench.leaderboard.overlap import overlap_matrices
from sparc3_bench.leaderboard.series import seeds
from sparc3_bench.printable import printable
from sparc3_bench.record.spec import canonical_json

SIGNATURE = '<meta name="generator" content="sparc3-bench">'
"""Tells a page that `publish` made from somebody's own."""

HERE = Path(__file__).parent
"""The folder that templates and scripts are in."""


def _shown(value: object) -> object:
    """Return what stands on a page for a value: of text, what a reader sees."""
    if isinstance(value, Markup):
        return Markup(printable(value))
    return printable(value) if isinstance(value, str) else value


def inline(data: object) -> Markup:
    """Return data as JSON that may stand inside a script of a page."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def templates() -> jinja2.Environment:
    """Return the templates, with the filters that they use."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        finalize=_shown,
    )
    words = {n: f for n, f in vars(phrasing).items() if inspect.getmodule(f) is phrasing}
    own = {"json": canonical_json, "seeds": seeds, "inline": inline}
    environment.filters.update(words, **own, stands=_stands)
    environment.globals.update(
        signature=SIGNATURE,
        page="",
        notices=(),
        has_guide=False,
        has_effects=False,
        tasks=(),
        commit="",
        version="",
        newest="",
        drawn_in=phrasing.drawn_in,
        subject=sentences.subject,
        told=sentences.choice_text,
        removed=sentences.removal_text,
        against_dense=sentences.against_dense,
        against_random=sentences.against_random,
        is_reference=phrasing.is_reference,
        units=phrasing.units,
        atlas=atlas,
        charts=charts,
        answers=answers,
        sentence_of=agreement_text.sentence,
        remarks_of=agreement_text.remarks,
        signed=agreement_text.coefficient_text,
        overlaps=overlap_matrices,
    )
    return environment


def _stands(entry: Entry) -> list[str]:
    """Return the scorers of an entry, best first."""
    rows = entry.scorers()
    return sorted(rows, key=lambda name: entry.place(rows[name]))
