"""Prompts that may make a model repeat itself: our own ones of six kinds, and passages of C4."""

from __future__ import annotations

from pathlib import Path

from sparc3_tasks.correction.neutral import prefixes
from sparc3_tasks.prompts.continued import Prompt
from sparc3_tasks.texts.sources import read_text

_FILE = Path(__file__).with_name("repetition.txt")

_PASSAGES = 132
"""About a third of all prompts, so that not all of them are short."""

_PASSAGE_WORDS = range(40, 61)

_PASSAGE = "passage"


def read(cache: Path) -> list[Prompt]:
    """Return our own prompts, and after them beginnings of documents of C4, 40 to 60 words each.

    The passages are not from Wikipedia, on which perplexity is measured.
    """
    own = written()
    # The source has one document a line.
    documents = [[line] for line in read_text("c4", cache).content.split("\n")]
    passages = prefixes(documents, _PASSAGES, _PASSAGE_WORDS, _PASSAGE)
    first = own[-1].cluster + 1
    return own + [
        Prompt(prompt.text, prompt.kind, {}, first + number)
        for number, prompt in enumerate(passages)
    ]


def written() -> list[Prompt]:
    """Return our own prompts. A line that begins with ``+`` is of one template with that before."""
    prompts: list[Prompt] = []
    kind, cluster = "", -1
    for line in _FILE.read_text(encoding="utf-8").split("\n"):
        if line.startswith("== "):
            kind = line.removeprefix("== ")
        elif kind and line:
            cluster += not line.startswith("+ ")
            prompts.append(Prompt(line.removeprefix("+ "), kind, {}, cluster))
    return prompts
