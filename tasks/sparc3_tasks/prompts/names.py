"""Prompts that ask for one of two names: from tables, as tokens, in unpadded batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sparc3_bench import DatasetRecord, Sparc3Error
from sparc3_tasks.texts.begin import Beginning, plain
from sparc3_tasks.texts.items import digest, recorded
from sparc3_tasks.texts.sources import left_out, source_name
from sparc3_tasks.texts.tables import open_table

if TYPE_CHECKING:
    from sparc3_bench import Batch

OBJECTIVES = (
    *("logit-difference", "io-logit", "io-log-probability", "label-log-probability", "loss"),
)
"""What of an answer may be attributed; the functions are in `answers`."""

_FIELDS = ("prompt", "io", "s", "corrupted")

_MOST_AT_ONCE = 128


@dataclass(frozen=True)
class NamePrompt:
    """A prompt and what is asked of it."""

    text: str
    """Ends right before the name that is asked for."""
    io: str
    s: str
    """The right name and the wrong one."""
    corrupted: str
    """The same text with three other names in place of the three, so that none repeats and neither
    answer is right (ABC)."""
    template: int
    """Number of its template; prompts of one template are not independent."""


@dataclass(frozen=True)
class Tokenized:
    """A prompt in tokens."""

    ids: tuple[int, ...]
    corrupted: tuple[int, ...]
    """Token ids, equally many."""
    io: int
    s: int
    """The token of the right name and of the wrong one."""
    template: int
    """See `NamePrompt`."""


def name_token(tokenizer: Any, name: str) -> int | None:
    """Return the one token that `name` is after another word, or None if it is several."""
    before, after = plain(tokenizer, "to"), plain(tokenizer, f"to {name}")
    if len(after) != len(before) + 1 or after[:-1] != before:
        return None
    unknown = getattr(tokenizer, "unk_token_id", None)
    return None if after[-1] == unknown else after[-1]


class Drawn(NamedTuple):
    """The prompts of a part, their tokens, what is recorded of them, and warnings."""

    prompts: Sequence[NamePrompt]
    tokens: Sequence[Tokenized]
    record: DatasetRecord
    warnings: tuple[str, ...]


def tokenize(
    tokenizer: Any,
    prompts: Sequence[NamePrompt],
    places: Sequence[str],
    begin: Beginning,
) -> list[Tokenized]:
    """Return the prompts in tokens; messages say by `places` where each comes from."""
    found = []
    for index, prompt in enumerate(prompts):
        tokens = []
        for name in (prompt.io, prompt.s):
            token = name_token(tokenizer, name)
            if token is None:
                raise Sparc3Error(
                    f"{places[index]}: the name '{name}' is not one token for this model's "
                    "tokenizer; use a name that is."
                )
            tokens.append(token)
        if tokens[0] == tokens[1]:
            raise Sparc3Error(f"{places[index]}: `io` and `s` are the same name; use two.")
        ids, corrupted = (begin.encode(tokenizer, text) for text in (prompt.text, prompt.corrupted))
        if len(ids) != len(corrupted):
            raise Sparc3Error(
                f"{places[index]}: the prompt has {len(ids)} tokens and its corrupted counterpart "
                f"{len(corrupted)}; give counterparts of equal length."
            )
        found.append(Tokenized(ids, corrupted, tokens[0], tokens[1], prompt.template))
    return found


def read_prompts(source: str, count: int) -> tuple[list[NamePrompt], list[str], tuple[str, ...]]:
    """Return the first `count` prompts of a table, the place of each in it, and warnings.

    It has columns prompt, io, s and corrupted; see `open_table`.
    """
    table, _ = open_table(source, "train")
    needs = f"every {table.unit} needs {', '.join(_FIELDS)}"
    for name in _FIELDS:
        if name not in table.names:
            raise Sparc3Error(f"{table.name} has no column `{name}`; {needs}.")
    columns = []
    for name in _FIELDS:
        texts = table.texts(name, needs)
        columns.append(dict(zip(texts.indices, texts.rows, strict=True)))
        for index, text in columns[-1].items():
            if not text.strip():
                raise Sparc3Error(f"{table.where(index)} has an empty `{name}`; {needs}.")
    kept = [index for index in columns[0] if all(index in column for column in columns)]
    if len(kept) < count:
        raise Sparc3Error(
            f"{table.name} has {len(kept)} prompts and {count} are asked for; ask for fewer or "
            "give more."
        )
    # Of a stranger's templates nothing is known: each prompt stands for itself.
    prompts = [
        NamePrompt(text, io.strip(), s.strip(), corrupted, table.number(index))
        for index in kept[:count]
        for text, io, s, corrupted in [[column[index] for column in columns]]
    ]
    warnings = left_out(source_name(source), table.count - len(kept))
    return prompts, [table.where(index) for index in kept[:count]], warnings


def batches(prompts: Sequence[Tokenized], device: Any) -> Iterator[tuple[list[int], Batch]]:
    """Yield batches of prompts of one length, with their indices: nothing is ever padded."""
    import torch

    from sparc3_bench import Batch

    by_length: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt.ids), []).append(index)
    for indices in by_length.values():
        for start in range(0, len(indices), _MOST_AT_ONCE):
            chosen = indices[start : start + _MOST_AT_ONCE]
            ids = torch.tensor([prompts[i].ids for i in chosen])
            yield (
                chosen,
                Batch(
                    ids,
                    torch.ones_like(ids),
                    torch.tensor([[prompts[i].io, prompts[i].s] for i in chosen]),
                    torch.tensor([prompts[i].corrupted for i in chosen]),
                ).to(device),
            )


def record(
    prompts: Sequence[NamePrompt], tokens: Sequence[Tokenized], begin: Beginning, **said: str
) -> DatasetRecord:
    """Describe the prompts that were used."""
    return recorded(
        [len(token.ids) for token in tokens],
        begin,
        digest=digest([[p.text, p.io, p.s, p.corrupted] for p in prompts]),
        token_digest=digest([[t.ids, t.corrupted, t.io, t.s] for t in tokens]),
        item="prompt",
        **said,
    )
