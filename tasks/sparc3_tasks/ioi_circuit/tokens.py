"""Prompts as tokens: one token a name, files of the user's, batches without padding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import DatasetRecord, Sparc3Error
from sparc3_tasks.ioi_circuit.prompts import Prompt

if TYPE_CHECKING:
    from sparc3_bench import Batch

_FIELDS = ("prompt", "io", "s", "corrupted")

_MOST_AT_ONCE = 128


@dataclass(frozen=True)
class Tokenized:
    """A prompt in tokens.

    Attributes
    ----------
    ids, corrupted
        Token ids, equally many.
    io, s
        The token of the right name and of the wrong one.
    template
        See `Prompt`.
    """

    ids: tuple[int, ...]
    corrupted: tuple[int, ...]
    io: int
    s: int
    template: int


def encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Return the ids of `text`, with what the tokenizer puts before it, and nothing after it."""
    ids = list(tokenizer(text, verbose=False)["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id and len(ids) > 1:
        ids.pop()
    return tuple(ids)


def name_token(tokenizer: Any, name: str) -> int | None:
    """Return the one token that `name` is after another word, or None if it is several."""
    before, after = encode(tokenizer, "to"), encode(tokenizer, f"to {name}")
    if len(after) != len(before) + 1 or after[:-1] != before:
        return None
    unknown = getattr(tokenizer, "unk_token_id", None)
    return None if after[-1] == unknown else after[-1]


def tokenize(
    tokenizer: Any, prompts: Sequence[Prompt], where: Callable[[int], str]
) -> list[Tokenized]:
    """Return the prompts in tokens.

    Parameters
    ----------
    tokenizer
        The model's.
    prompts
        What to tokenise.
    where
        Says of the prompt of an index where it comes from, for messages.

    Raises
    ------
    Sparc3Error
        When a name is several tokens, both are one, or a counterpart has another length.
    """
    found = []
    for index, prompt in enumerate(prompts):
        tokens = []
        for name in (prompt.io, prompt.s):
            token = name_token(tokenizer, name)
            if token is None:
                raise Sparc3Error(
                    f"{where(index)}: the name '{name}' is not one token for this model's "
                    "tokenizer; use a name that is."
                )
            tokens.append(token)
        if tokens[0] == tokens[1]:
            raise Sparc3Error(f"{where(index)}: `io` and `s` are the same name; use two.")
        ids, corrupted = encode(tokenizer, prompt.text), encode(tokenizer, prompt.corrupted)
        if len(ids) != len(corrupted):
            raise Sparc3Error(
                f"{where(index)}: the prompt has {len(ids)} tokens and its corrupted counterpart "
                f"{len(corrupted)}; give counterparts of equal length."
            )
        found.append(Tokenized(ids, corrupted, tokens[0], tokens[1], prompt.template))
    return found


def read_prompts(path: Path, count: int) -> list[Prompt]:
    """Return the first `count` prompts of a JSON Lines file with prompt, io, s and corrupted.

    Raises
    ------
    Sparc3Error
        Naming the first line that is wrong, or when there are fewer.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Sparc3Error(
            f"The prompts {path} cannot be read ({error}); give 'generated' or a JSON Lines file."
        ) from None
    prompts = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise Sparc3Error(f"{path.name}, line {number} is not JSON: {error}.") from None
        for name in _FIELDS:
            if not isinstance(row, dict) or not isinstance(row.get(name), str) or not row[name]:
                raise Sparc3Error(
                    f"{path.name}, line {number} has no text `{name}`; every line needs "
                    f"{', '.join(_FIELDS)}."
                )
        # Of a stranger's templates nothing is known: each prompt stands for itself.
        prompts.append(
            Prompt(row["prompt"], row["io"].strip(), row["s"].strip(), row["corrupted"], number)
        )
    if len(prompts) < count:
        raise Sparc3Error(
            f"{path.name} has {len(prompts)} prompts and {count} are asked for; ask for fewer or "
            "give more."
        )
    return prompts[:count]


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
            ids = torch.tensor([prompts[i].ids for i in chosen], device=device)
            yield (
                chosen,
                Batch(
                    ids,
                    torch.ones_like(ids),
                    torch.tensor([[prompts[i].io, prompts[i].s] for i in chosen], device=device),
                    torch.tensor([prompts[i].corrupted for i in chosen], device=device),
                ),
            )


def record(
    purpose: str, source: str, prompts: Sequence[Prompt], tokens: Sequence[Tokenized], choice: str
) -> DatasetRecord:
    """Describe the prompts that were used."""
    texts = [[p.text, p.io, p.s, p.corrupted] for p in prompts]
    ids = [[t.ids, t.corrupted, t.io, t.s] for t in tokens]
    return DatasetRecord(
        purpose=purpose,
        source=source,
        digest=_digest(texts),
        token_digest=_digest(ids),
        item="prompt",
        windows=len(tokens),
        window_length=max(len(token.ids) for token in tokens),
        tokens=sum(len(token.ids) for token in tokens),
        choice=choice,
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
