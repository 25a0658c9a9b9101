"""Windows: a text in tokens, cut, drawn and described, with what stands before every window."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sparc3_bench import DatasetRecord, Sparc3Error
from sparc3_tasks.texts.begin import Begin, Beginning, beginning, plain
from sparc3_tasks.texts.sources import Documents, Text, left_out, read_documents, read_text
from sparc3_tasks.texts.tokens import tokens_of

if TYPE_CHECKING:
    from sparc3_bench import Objective, ReferenceSamples

_MOST_OVERLAP = 0.01

T = TypeVar("T")

Window = list[int]

Draw = Literal["windows", "nested", "documents"]
"""Windows of the text cut from end to end, drawn for each number anew or so that fewer are the
first of more; or random parts of documents that are longer."""


@dataclass(frozen=True)
class Windows:
    """Windows of one text as a run uses them."""

    rows: Sequence[Window]
    """Tokens of the text, without what stands before them."""
    begin: Beginning
    """What stands before each."""
    record: DatasetRecord
    """What is recorded of them."""
    warnings: tuple[str, ...] = ()
    """What a reader must know of them."""

    @property
    def samples(self) -> list[Window]:
        """The tokens that a model reads, one list a window."""
        return [self.begin.before(row) for row in self.rows]

    def reference(self, objective: Objective) -> ReferenceSamples:
        """Return them as reference samples; the same labels count with a beginning or without."""
        from sparc3_bench import ReferenceSamples

        return ReferenceSamples(
            self.samples,
            objective,
            starts=[self.begin.start] * len(self.rows) if self.begin.ids else None,
        )

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return them as the one reference of a task; any objective over text will do."""
        from sparc3_bench import find_objective

        return {"task": self.reference(find_objective(objective))}


@dataclass(frozen=True)
class Cutter:
    """Cuts texts into windows for one tokenizer; what is short or cannot be found is refused."""

    tokenizer: Any
    cache: Path
    begin: Begin = "auto"

    @cached_property
    def first(self) -> Beginning:
        """What stands before every window."""
        return beginning(self.tokenizer, self.begin)

    def cut(self, text: Text, length: int, count: int) -> list[Window]:
        """Cut a text into `count` windows or more, of `length` tokens; a short rest is dropped.

        Nothing stands before a text that is not in it, and nothing is padded; see `Beginning`.
        """
        tokens = tokens_of(text, self.tokenizer, self.cache)
        unknown = getattr(self.tokenizer, "unk_token_id", None)
        if tokens and unknown is not None and set(tokens) == {unknown}:
            raise Sparc3Error(
                f"The tokenizer knows no word of {text.source}, every token is "
                f"'{self.tokenizer.unk_token}'; give the tokenizer that belongs to the model, or a "
                "text in its language."
            )
        windows = [tokens[start : start + length] for start in range(0, len(tokens), length)]
        if windows and len(windows[-1]) < length:
            windows.pop()
        if len(windows) < count:
            raise Sparc3Error(
                f"The text {text.source} has {len(tokens):,} tokens, which make {len(windows)} "
                f"windows of {length}; {count} are needed. Give a longer text, shorter windows or "
                "fewer of them."
            )
        return windows

    def reference(self, name: str, draw: Draw, length: int, count: int, seed: int) -> Windows:
        """Draw `count` reference windows of `length` tokens of the text called `name`."""
        if draw == "documents":
            documents = read_documents(name, self.cache)
            windows = cropped(documents, self.tokenizer, length, count, seed)
            how = f"parts of documents, drawn at random, seed {seed}"
            return self.described("reference", documents, windows, how)
        text = read_text(name, self.cache)
        windows = self.cut(text, length, count)
        if draw == "nested":
            chosen = drawn(windows, len(windows), seed)[:count]
            how = f"the first of all windows in random order, seed {seed}"
        else:
            chosen, how = drawn(windows, count, seed), f"drawn at random, seed {seed}"
        return self.described("reference", text, chosen, how)

    def held_out(
        self, name: str, length: int, count: int, purpose: str = "evaluation", note: str = ""
    ) -> Windows:
        """Cut `count` windows at even distances over a text, or with 0 all."""
        text = read_text(name, self.cache)
        windows = self.cut(text, length, max(count, 1))
        chosen = spread(windows, count or len(windows))
        return self.described(purpose, text, chosen, f"evenly spaced over the text{note}")

    def described(
        self, purpose: str, text: Text | Documents, rows: Sequence[Window], choice: str
    ) -> Windows:
        """Return windows with what is recorded of them, and what a reader must know."""
        warnings = left_out(text.source, text.left_out)
        if purpose != "reference":
            warnings += repeated(rows, f"{purpose} windows")
        ids = ";".join(",".join(map(str, row)) for row in rows)
        record = DatasetRecord(
            purpose=purpose,
            source=text.source,
            digest=text.digest,
            token_digest=hashlib.sha256(ids.encode()).hexdigest(),
            windows=len(rows),
            window_length=len(rows[0]),
            tokens=sum(map(len, rows)),
            choice=choice,
            begin=self.first.tokens,
        )
        return Windows(rows, self.first, record, warnings)


def drawn(windows: Sequence[Window], count: int, seed: int) -> list[Window]:
    """Draw `count` windows without replacement; fewer are not always the first of more."""
    return random.Random(seed).sample(list(windows), count)


def cropped(
    documents: Documents, tokenizer: Any, length: int, count: int, seed: int
) -> list[Window]:
    """Draw documents of more than `length` tokens, and of each a part at random [sun2024wanda].

    No document comes again before all have come, and none is tokenised twice.
    """
    generator = random.Random(seed)
    found: list[Window] = []
    known: dict[int, list[int]] = {}
    while len(found) < count:
        before = len(found)
        for index in generator.sample(range(len(documents.rows)), len(documents.rows)):
            if index not in known:
                tokens = plain(tokenizer, documents.rows[index])
                known[index] = tokens if len(tokens) > length else []
            if tokens := known[index]:
                start = generator.randrange(len(tokens) - length)
                found.append(tokens[start : start + length])
            if len(found) == count:
                break
        if len(found) == before:
            raise Sparc3Error(
                f"No document of {documents.source} has more than {length} tokens; give longer "
                "documents (rows of a data set, lines of a file) or shorter windows, or draw "
                "windows of the whole text."
            )
    return found


def repeated(rows: Sequence[Sequence[int]], what: str) -> tuple[str, ...]:
    """Return a sentence if some are equal to another one: they are fewer samples than they seem."""
    counts = Counter(map(tuple, rows))
    equal = sum(count for count in counts.values() if count > 1)
    return (f"Of {len(rows):,} {what} {equal:,} are equal to another one.",) if equal else ()


def spread(items: Sequence[T], count: int) -> list[T]:
    """Take `count` at even distances over all there are."""
    return [items[index * len(items) // count] for index in range(count)]


def check_overlap(reference: Windows, evaluation: Windows, *, allowed: bool) -> tuple[str, ...]:
    """Refuse an evaluation text that is in the reference; return what a reader must know of it."""
    shared = overlap(reference.rows, evaluation.rows)
    if shared <= _MOST_OVERLAP:
        return ()
    finding = f"{shared:.1%} of the evaluation text's 13-grams are in the reference text"
    if not allowed:
        raise Sparc3Error(
            f"{finding}, at most {_MOST_OVERLAP:.0%} may be; choose other texts, or set "
            "`allow_overlap` and live with a number that flatters."
        )
    return (f"{finding}.",)


def overlap(reference: Sequence[Window], evaluation: Sequence[Window], size: int = 13) -> float:
    """Return the fraction of the evaluation's n-grams of tokens that the reference has too."""

    def grams(windows: Sequence[Window]) -> Iterator[tuple[int, ...]]:
        for window in windows:
            yield from (tuple(window[i : i + size]) for i in range(len(window) - size + 1))

    asked = list(grams(evaluation))
    # Of a large reference only what is asked for is kept.
    shared = set(asked).intersection(grams(reference))
    return sum(gram in shared for gram in asked) / len(asked) if asked else 0.0
