"""Prompts of indirect object identification: templates, names, and their seeded generation.

"When Mary and John went to the store, John gave a drink to" asks for " Mary", the indirect object
(IO), and not for " John", the subject (S) [wang2023ioi]. Templates, places and objects are ours.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from sparc3_bench import Sparc3Error
from sparc3_tasks.prompts.names import NamePrompt

_FOLDER = Path(__file__).parent

TEMPLATES = {
    lines[0]: tuple(lines[1:])
    for part in (_FOLDER / "templates.txt").read_text(encoding="utf-8").split("== ")[1:]
    for lines in [part.strip().split("\n")]
}
"""By part; no template is in two."""

PLACES = (
    *("store", "park", "school", "station", "library", "market"),
    *("museum", "garden", "hotel", "beach", "restaurant", "hospital"),
)
THINGS = (
    *("book", "ring", "letter", "drink", "ball", "key"),
    *("camera", "ticket", "card", "cake", "map", "hat"),
)
NAMES = tuple((_FOLDER / "names.txt").read_text(encoding="utf-8").split())
"""Given names common in English."""

_FEWEST_NAMES = 20

_MOST_TRIES = 10_000
"""So many draws without a new prompt mean that there is none."""


def generate(part: str, count: int, seed: int, names: Sequence[str]) -> list[NamePrompt]:
    """Return `count` different prompts, templates and name orders in turn, half of them ABBA.

    Parts share no template and no pair of names. All `names` are one token each.
    """
    if len(names) < _FEWEST_NAMES:
        raise Sparc3Error(
            f"Only {len(names)} of the names are one token for this tokenizer, at least "
            f"{_FEWEST_NAMES} must be; give prompts of your own with the options "
            "`reference_prompts`, `selection_prompts` and `test_prompts`."
        )
    generator = random.Random(f"{part}/{seed}")
    templates = TEMPLATES[part]
    first = sum(len(TEMPLATES[other]) for other in TEMPLATES if other < part)
    found: dict[str, NamePrompt] = {}
    tries = 0
    while len(found) < count and tries < _MOST_TRIES:
        number, tries = len(found), tries + 1
        io, s, *others = generator.sample(names, 5)
        if part_of(io, s) != part:
            continue
        which, is_baba = number % len(templates), number // len(templates) % 2 == 1
        words = {"place": generator.choice(PLACES), "thing": generator.choice(THINGS)}
        a, b = (s, io) if is_baba else (io, s)
        text = templates[which].format(a=a, b=b, s=s, **words)
        corrupted = templates[which].format(a=others[0], b=others[1], s=others[2], **words)
        if text not in found:
            found[text], tries = NamePrompt(text, io, s, corrupted, first + which), 0
    if len(found) < count:
        raise Sparc3Error(
            f"There are no {count:,} different prompts of part '{part}'; ask for fewer."
        )
    return list(found.values())


def part_of(io: str, s: str) -> str:
    """Return the part that a pair of names belongs to, whatever their order."""
    pair = "/".join(sorted((io, s)))
    tenth = int.from_bytes(hashlib.sha256(pair.encode()).digest()[:4], "big") % 10
    return "reference" if tenth < 4 else "selection" if tenth < 6 else "test"
