"""Prompts that a model continues: read from a table, split in three parts, and described."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparc3_bench import DatasetRecord, Sparc3Error
from sparc3_tasks.texts.begin import Beginning
from sparc3_tasks.texts.items import digest, recorded
from sparc3_tasks.texts.tables import open_table

PARTS = ("reference", "selection", "test")
"""What prompts are for: attribution, choosing how much to remove, measuring."""

FIXED_SEED = 0
"""Draws the test and the selection part, whatever the seed of the run."""

_KIND = "prompt"
"""The kind of a prompt of which none is given."""

_COLUMNS = ("prompt", "text")
"""Where a table has its prompts unless a column is named."""


@dataclass(frozen=True)
class Prompt:
    """A prompt, and what is known of it; its repr leaves out the text, which may be toxic."""

    text: str = field(repr=False)
    """What the model has to go on with."""
    kind: str
    """Its category; every part has the same mix of kinds."""
    scores: Mapping[str, float] = field(hash=False)
    """Published Perspective scores in [0, 1] by attribute, often none. Nothing is chosen by
    them."""
    cluster: int
    """Prompts of one number belong together, such as copies of a template; numbers are of one
    source. They are not independent and never in different parts."""


def split(
    prompts: Sequence[Prompt], seed: int, counts: Mapping[str, int]
) -> dict[str, list[Prompt]]:
    """Draw three parts without a prompt or a cluster in common, each with the same mix of kinds.

    The test part is drawn first, then the selection part, both with a seed of their own: they are
    the same for every `seed` and every number of reference prompts. Each is in the given order. As
    the rest of a cluster of which a part has taken some is left out, a few more are needed than the
    counts add up to.
    """
    kinds: dict[str, list[int]] = {}
    for index, prompt in enumerate(prompts):
        kinds.setdefault(prompt.kind, []).append(index)
    owned: set[int] = set()
    taken: dict[str, list[int]] = {}
    for part in ("test", "selection", "reference"):
        generator = random.Random(f"{part}/{seed if part == 'reference' else FIXED_SEED}")
        free = {
            kind: [index for index in members if prompts[index].cluster not in owned]
            for kind, members in kinds.items()
        }
        if (left := sum(map(len, free.values()))) < counts[part]:
            raise Sparc3Error(
                f"There are {len(prompts):,} prompts, of which {left:,} are left for part "
                f"'{part}' once the other parts have theirs, and {counts[part]:,} are asked for; "
                "ask for fewer or give more prompts."
            )
        quotas = _quotas(kinds, free, counts[part])
        chosen = [
            index
            for kind in sorted(free)
            for index in _drawn(prompts, free[kind], quotas[kind], generator)
        ]
        owned |= {prompts[index].cluster for index in chosen}
        taken[part] = sorted(chosen)
    return {part: [prompts[index] for index in taken[part]] for part in PARTS}


def of_table(source: str) -> tuple[list[Prompt], int]:
    """Return the prompts of a table, see `open_table`, and how many of its rows have none.

    By default they are of split ``train``, column ``prompt`` or else ``text``. A cell is a text, or
    holds one under `text` with its scores beside it; a file may have columns `kind` and `scores`.
    """
    table, asked = open_table(source, "train")
    column = table.choose(asked, _COLUMNS)
    texts = table.texts(column)
    cells = table.cells(column, texts.indices)
    # A data set may have columns of these names that are about something else.
    kinds, scores = (
        table.cells(name if table.is_file else "", texts.indices) for name in ("kind", "scores")
    )
    prompts = []
    for index, text, cell, kind, given in zip(
        texts.indices, texts.rows, cells, kinds, scores, strict=True
    ):
        where = table.where(index)
        if not text.strip():
            raise Sparc3Error(f"{where} has an empty `{column}`; every {table.unit} needs a text.")
        kind = _KIND if kind is None else kind
        if not (isinstance(kind, str) and kind.strip()):
            raise Sparc3Error(f"{where} has a `kind` that is no text; give a text or leave it out.")
        given = {} if given is None else given
        if not isinstance(given, dict) or not all(map(_is_score, given.values())):
            raise Sparc3Error(f"{where} has `scores` that are not all numbers from 0 to 1 by name.")
        beside = cell if isinstance(cell, dict) else {}
        own = {name: value for name, value in beside.items() if _is_score(value)}
        # Of a stranger's templates nothing is known: each prompt stands for itself.
        prompts.append(Prompt(text, kind, {**own, **given}, table.number(index)))
    return distinct(prompts), texts.left_out


def record(
    prompts: Sequence[Prompt], ids: Sequence[Sequence[int]], begin: Beginning, **said: str
) -> DatasetRecord:
    """Describe the prompts that were used; `ids` are their token ids, with `begin` first."""
    return recorded(
        [len(one) for one in ids],
        begin,
        digest=digest([[prompt.text, prompt.kind] for prompt in prompts]),
        token_digest=digest([list(tokens) for tokens in ids]),
        item="prompt",
        **said,
    )


def records(
    source: str,
    parts: Mapping[str, Sequence[Prompt]],
    ids: Mapping[str, Sequence[Sequence[int]]],
    seed: int,
    begin: Beginning,
) -> tuple[DatasetRecord, ...]:
    """Describe the three parts of a `split` with `seed`, the reference part first."""
    found = []
    for part in PARTS:
        kinds = sorted(Counter(prompt.kind for prompt in parts[part]).items())
        choice = (
            f"drawn with seed {seed if part == 'reference' else FIXED_SEED}, not by score, "
            f"stratified by kind ({', '.join(f'{kind} {number}' for kind, number in kinds)})"
        )
        purpose = "evaluation" if part == "test" else part
        said = {"purpose": purpose, "source": source, "choice": choice}
        found.append(record(parts[part], ids[part], begin, **said))
    return tuple(found)


def distinct(prompts: Iterable[Prompt]) -> list[Prompt]:
    """Leave out prompts whose text was there before, but for white space."""
    found: dict[str, Prompt] = {}
    for prompt in prompts:
        found.setdefault(" ".join(prompt.text.split()), prompt)
    return list(found.values())


def _quotas(
    kinds: Mapping[str, Sequence[int]], free: Mapping[str, Sequence[int]], count: int
) -> dict[str, int]:
    """Share out `count` in proportion to all `kinds`, by largest remainder, within what is free."""
    total = sum(map(len, kinds.values()))
    quotas = {kind: min(len(free[kind]), count * len(kinds[kind]) // total) for kind in kinds}
    order = sorted(kinds, key=lambda kind: (-(count * len(kinds[kind]) % total), kind))
    left = count - sum(quotas.values())
    while left:
        for kind in order:
            if left and quotas[kind] < len(free[kind]):
                quotas[kind], left = quotas[kind] + 1, left - 1
    return quotas


def _drawn(
    prompts: Sequence[Prompt], members: Sequence[int], count: int, generator: random.Random
) -> list[int]:
    """Draw whole clusters until there are `count` prompts; the last one may be cut short."""
    clusters: dict[int, list[int]] = {}
    for index in members:
        clusters.setdefault(prompts[index].cluster, []).append(index)
    order = sorted(clusters)
    generator.shuffle(order)
    return [index for cluster in order for index in clusters[cluster]][:count]


def _is_score(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
