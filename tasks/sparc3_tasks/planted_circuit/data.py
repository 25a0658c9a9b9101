"""The two languages of the planted model: IOI prompts, sums modulo ten, and a word a token."""

from __future__ import annotations

import random
from typing import Any

from sparc3_tasks.prompts.names import NamePrompt

NAMES = (
    *("Anna", "Ben", "Carla", "David", "Emma", "Frank", "Grace"),
    *("Henry", "Iris", "Jack", "Kate", "Leo", "Mary", "Noah"),
)
PLACES = ("park", "store", "school", "station", "garden", "beach")
THINGS = ("book", "ring", "letter", "drink", "ball", "key")
TEMPLATES = (
    "when {a} and {b} went to the {place} , {s} gave a {thing} to",
    "after {a} met {b} at the {place} , {s} handed the {thing} to",
    "{a} and {b} worked in the {place} , so {s} gave the {thing} to",
    "then {a} saw {b} , and at the {place} {s} sold a {thing} to",
    "while {b} waited for {a} in the {place} , {s} brought a {thing} to",
    "at the {place} {a} met {b} , and then {s} handed a {thing} to",
)
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPECIAL = ("<unk>", "<pad>")

IOI_WORDS = tuple(
    dict.fromkeys(
        word
        for template in TEMPLATES
        for word in (*template.split(), *NAMES, *PLACES, *THINGS)
        if "{" not in word
    )
)
SUM_WORDS = (*DIGITS, "plus", "equals")


def vocabulary() -> dict[str, int]:
    """Return every word with its token id."""
    return {word: index for index, word in enumerate((*SPECIAL, *IOI_WORDS, *SUM_WORDS))}


def make_tokenizer() -> Any:
    """Return the tokenizer: words are separated by spaces, nothing is added."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel(vocabulary(), unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", pad_token="<pad>", eos_token="<pad>"
    )


def ioi_prompts(part: str, count: int, seed: int) -> list[NamePrompt]:
    """Return `count` different prompts, templates and the two orders of names in turn.

    The model was trained on part ``reference``; that and ``test`` share no pair of a place and a
    thing.
    """
    generator = random.Random(f"{part}/{seed}")
    pairs = [
        (place, thing)
        for row, place in enumerate(PLACES)
        for column, thing in enumerate(THINGS)
        if ((row + column) % 3 == 0) == (part == "test")
    ]
    found: dict[str, NamePrompt] = {}
    while len(found) < count:
        number = len(found)
        io, s, *others = generator.sample(NAMES, 5)
        place, thing = generator.choice(pairs)
        template = number % len(TEMPLATES)
        a, b = (io, s) if number // len(TEMPLATES) % 2 == 0 else (s, io)
        text = TEMPLATES[template].format(a=a, b=b, s=s, place=place, thing=thing)
        corrupted = TEMPLATES[template].format(
            a=others[0], b=others[1], s=others[2], place=place, thing=thing
        )
        found.setdefault(text, NamePrompt(text, io, s, corrupted, template))
    return list(found.values())


def sums() -> list[tuple[str, str]]:
    """Return all hundred sums modulo ten, each with its answer."""
    return [
        (f"{left} plus {right} equals", DIGITS[(row + column) % 10])
        for row, left in enumerate(DIGITS)
        for column, right in enumerate(DIGITS)
    ]
