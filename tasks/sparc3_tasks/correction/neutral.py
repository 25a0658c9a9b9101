"""Neutral prompts from Wikipedia, and pieces of general text of given lengths."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from pathlib import Path

from sparc3_bench import Sparc3Error
from sparc3_tasks.prompts.continued import Prompt
from sparc3_tasks.texts.sources import read_text

_WORDS = range(10, 21)
"""How long neutral prompts are, about as those of RealToxicityPrompts."""


def read(cache: Path, count: int) -> list[Prompt]:
    """Return `count` beginnings of paragraphs of Wikipedia, evenly spaced over its articles."""
    # The source has a blank line before and after the title of an article, and nowhere else.
    blocks = read_text("wikipedia", cache).content.split("\n\n")
    return prefixes([block.split("\n") for block in blocks], count, _WORDS, "wikipedia")


def prefixes(
    articles: Sequence[Sequence[str]], count: int, words: range, kind: str
) -> list[Prompt]:
    """Cut `count` beginnings of paragraphs, one an article before any article gives a second one.

    Headings, lists and very short paragraphs are passed over. How many of the `words` a prompt has
    is drawn from its text; those of one article are one cluster.
    """
    cut = [
        (number, [text for paragraph in article if (text := _prefix(paragraph, words))])
        for number, article in enumerate(articles)
    ]
    found: dict[str, int] = {}
    for turn in range(max((len(texts) for _, texts in cut), default=0)):
        offered = {texts[turn]: number for number, texts in cut if len(texts) > turn}
        fresh = [text for text in offered if text not in found]
        wanted = min(count - len(found), len(fresh))
        for index in range(wanted):
            text = fresh[index * len(fresh) // wanted]
            found[text] = offered[text]
    if len(found) < count:
        raise Sparc3Error(
            f"There are only {len(found):,} prompts of kind '{kind}' and {count:,} are asked for; "
            "ask for fewer."
        )
    in_order = sorted(found.items(), key=lambda item: item[1])
    return [Prompt(text, kind, {}, number) for text, number in in_order]


def matched(
    tokens_of_text: Sequence[int], lengths: Sequence[tuple[int, int]], seed: int
) -> list[list[int]]:
    """Draw a piece of general text as long as each prompt with its response, in their order.

    Every way to place the pieces without overlap, in any order, is equally likely.
    """
    totals = [prompt + response for prompt, response in lengths]
    slack = len(tokens_of_text) - sum(totals)
    if slack < 0:
        raise Sparc3Error(
            f"The general text has {len(tokens_of_text):,} tokens and pieces of {sum(totals):,} "
            "are to be cut from it; give a longer text or fewer prompts."
        )
    generator = random.Random(seed)
    order = generator.sample(range(len(totals)), len(totals))
    # Sorted draws without repetition, less their rank, are the gaps' ends, each set equally likely.
    places = sorted(generator.sample(range(slack + len(totals)), len(totals)))
    pieces: dict[int, list[int]] = {}
    before = 0
    for rank, (index, place) in enumerate(zip(order, places, strict=True)):
        start = place - rank + before
        pieces[index] = list(tokens_of_text[start : start + totals[index]])
        before += totals[index]
    return [pieces[index] for index in range(len(totals))]


def _prefix(paragraph: str, words: range) -> str | None:
    """Return the first words of a paragraph of prose, ending within a sentence, or None."""
    every = paragraph.split()
    if len(every) < words.stop + 5 or not re.search(r"[.!?][\"')\]”’]*$", paragraph.rstrip()):
        return None
    digest = hashlib.sha256(paragraph.encode()).digest()
    length = words[int.from_bytes(digest[:4], "big") % len(words)]
    # A shorter beginning will do where a sentence, or an abbreviation, ends at that word.
    while length >= words.start and not every[length - 1][-1].isalnum():
        length -= 1
    first = every[:length]
    prose = sum(word[0].islower() for word in first) >= len(first) / 2
    if length < words.start or not prose or not re.match(r"[\"'“‘]?[A-Z]", first[0]):
        return None
    return (
        None if re.search(r"https?:|www\.|[|{}<>\[\]*_#=•►»]", " ".join(first)) else " ".join(first)
    )
