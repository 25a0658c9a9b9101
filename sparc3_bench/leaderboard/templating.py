"""Templating: the templates of the pages, with what they may call."""

from __future__ import annotations

from pathlib import Path

import jinja2

from sparc3_bench.leaderboard import agreed, sentences, words
from sparc3_bench.leaderboard.controls import drawn_label
from sparc3_bench.leaderboard.maps import atlas
from sparc3_bench.leaderboard.overlap import overlaps
from sparc3_bench.leaderboard.series import seeds

SIGNATURE = '<meta name="generator" content="sparc3-bench">'
"""Tells a page that `publish` made from somebody's own."""

HERE = Path(__file__).parent
"""The folder that templates and scripts are in."""


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
    )
    environment.filters.update(
        number=words.number,
        counted=words.count,
        precise=words.precise,
        percent=words.percent,
        titled=words.titled,
        convention=words.convention,
        described=words.described,
        judged=words.judged,
        least=words.least,
        measured=words.measured,
        named=words.named,
        plain=words.plain,
        probability=words.probability,
        within=words.within,
        seeds=seeds,
    )
    environment.globals.update(
        signature=SIGNATURE,
        page="",
        notices=(),
        drawn_label=drawn_label,
        drawn_in=words.drawn_in,
        subject=sentences.subject,
        told=sentences.told,
        removed=sentences.removed,
        against_dense=sentences.against_dense,
        against_random=sentences.against_random,
        is_reference=words.is_reference,
        units=words.units,
        atlas=atlas,
        question_of=agreed.question,
        sentence_of=agreed.sentence,
        remarks_of=agreed.remarks,
        scale_of=agreed.scale,
        signed=agreed.signed,
        overlaps=overlaps,
    )
    return environment
