"""Texts for the compression task: find them, clean them, cut them into windows of tokens."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import Asset, DatasetRecord, Sparc3Error, fetch

if TYPE_CHECKING:
    from sparc3_tasks.windows import Draw

_FOLDER = "exllamav3/conversion/standard_cal_data"

_NAMED = {
    "c4": (
        Asset(
            "exllamav3",
            "1.6.5",
            f"{_FOLDER}/c4.utf8",
            "2daf1ef16e02dbd337f86296acd4c3f2eb703800ad21fd1f48b40280c699cd41",
        ),
        "C4 excerpt (c4.utf8 of exllamav3 1.6.5)",
    ),
    "wikipedia": (
        Asset(
            "exllamav3",
            "1.6.5",
            f"{_FOLDER}/wiki.utf8",
            "d53fe0aeadf3355eb5d32b48bf8691575244c31caccae88ed46be8e1b40209c7",
        ),
        "Wikipedia articles, not WikiText-2 (wiki.utf8 of exllamav3 1.6.5)",
    ),
}
"""Texts known by name. Any other name is a local file, or ``hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]``,
where in place of a configuration a file of the data set may stand, such as ``en/part-1.json.gz``.
"""

Window = list[int]


@dataclass(frozen=True)
class Text:
    """A text with where it comes from."""

    source: str
    content: str

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class Documents:
    """A text in parts that do not belong together, with where it comes from."""

    source: str
    rows: Sequence[str]

    @property
    def digest(self) -> str:
        """SHA-256 of all rows, each behind its length."""
        digest = hashlib.sha256()
        for row in self.rows:
            content = row.encode()
            digest.update(f"{len(content)} ".encode() + content)
        return digest.hexdigest()


def read_text(name: str, cache: Path) -> Text:
    """Return the text called `name`: a known one, a data set of the hub, or a local file.

    Raises
    ------
    Sparc3Error
        When it cannot be found or is empty.
    """
    if name in _NAMED:
        asset, source = _NAMED[name]
        content = _without_tags(fetch(asset, cache).read_text(encoding="utf-8"))
    elif name.startswith("hf:"):
        source, content = name.removeprefix("hf:"), _from_hub(name)
    else:
        source, content = Path(name).name, _from_file(name)
    if not content.strip():
        raise Sparc3Error(f"The text {name} is empty; give a text with at least one window.")
    return Text(source, content)


def read_documents(name: str, cache: Path) -> Documents:
    """Return the rows of a data set of the hub, or the lines of any other text.

    Raises
    ------
    Sparc3Error
        When it cannot be found.
    """
    if name.startswith("hf:"):
        return Documents(name.removeprefix("hf:"), _rows(name))
    text = read_text(name, cache)
    return Documents(text.source, text.content.splitlines())


def cut(text: Text, tokenizer: Any, length: int, count: int) -> list[Window]:
    """Cut a text into non-overlapping windows of `length` tokens; the last, short one is dropped.

    No token is added: neither a beginning-of-text token nor a padding one.

    Raises
    ------
    Sparc3Error
        When there are fewer than `count` windows.
    """
    tokens = tokenizer(text.content, add_special_tokens=False, verbose=False)["input_ids"]
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


def drawn(windows: Sequence[Window], count: int, seed: int) -> list[Window]:
    """Draw `count` windows without replacement; fewer are not always the first of more."""
    return random.Random(seed).sample(list(windows), count)


def cropped(
    documents: Documents, tokenizer: Any, length: int, count: int, seed: int
) -> list[Window]:
    """Draw documents of more than `length` tokens, and of each a part at random [sun2024wanda].

    No document comes again before all have come.

    Raises
    ------
    Sparc3Error
        When no document is long enough.
    """
    generator = random.Random(seed)
    found: list[Window] = []
    while len(found) < count:
        before = len(found)
        for index in generator.sample(range(len(documents.rows)), len(documents.rows)):
            ids = tokenizer(documents.rows[index], add_special_tokens=False, verbose=False)
            tokens = ids["input_ids"]
            if len(tokens) > length:
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


def draw_reference(
    name: str, draw: Draw, tokenizer: Any, length: int, count: int, seed: int, cache: Path
) -> tuple[list[Window], DatasetRecord]:
    """Draw `count` reference windows of `length` tokens, and describe them.

    Parameters
    ----------
    name
        Of the text.
    draw
        From windows of the text cut end to end (``windows``; ``nested``: the first of all in one
        random order), or parts of its ``documents``.
    tokenizer
        The model's.
    length, count
        Tokens of a window, and how many windows.
    seed
        Of the draw.
    cache
        The cache folder.

    Raises
    ------
    Sparc3Error
        When the text cannot be found or is too short.
    """
    if draw == "documents":
        documents = read_documents(name, cache)
        windows = cropped(documents, tokenizer, length, count, seed)
        how = f"parts of documents, drawn at random, seed {seed}"
        return windows, record("reference", documents, windows, how)
    text = read_text(name, cache)
    windows = cut(text, tokenizer, length, count)
    if draw == "nested":
        chosen = drawn(windows, len(windows), seed)[:count]
        how = f"the first of all windows in random order, seed {seed}"
    else:
        chosen, how = drawn(windows, count, seed), f"drawn at random, seed {seed}"
    return chosen, record("reference", text, chosen, how)


def spread(windows: Sequence[Window], count: int) -> list[Window]:
    """Take `count` windows at even distances over the whole text."""
    return [windows[index * len(windows) // count] for index in range(count)]


def record(
    purpose: str, text: Text | Documents, windows: Sequence[Window], choice: str
) -> DatasetRecord:
    """Describe the windows that were used."""
    ids = ";".join(",".join(map(str, window)) for window in windows)
    return DatasetRecord(
        purpose=purpose,
        source=text.source,
        digest=text.digest,
        token_digest=hashlib.sha256(ids.encode()).hexdigest(),
        windows=len(windows),
        window_length=len(windows[0]),
        tokens=sum(len(window) for window in windows),
        choice=choice,
    )


def overlap(reference: Sequence[Window], evaluation: Sequence[Window], size: int = 13) -> float:
    """Return the fraction of the evaluation's n-grams of tokens that the reference has too."""

    def grams(windows: Sequence[Window]) -> Iterator[tuple[int, ...]]:
        for window in windows:
            yield from (tuple(window[i : i + size]) for i in range(len(window) - size + 1))

    asked = list(grams(evaluation))
    # Of a large reference only what is asked for is kept.
    shared = set(asked).intersection(grams(reference))
    return sum(gram in shared for gram in asked) / len(asked) if asked else 0.0


def _without_tags(text: str) -> str:
    return re.sub(r"</?doc\b[^>]*>\n?", "", text)


def _from_file(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        raise Sparc3Error(
            f"The text '{name}' is not one of {', '.join(_NAMED)}, no local file, and does not "
            "start with 'hf:'; give one of these."
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Sparc3Error(f"The text {name} cannot be read as UTF-8: {error}.") from None


def _from_hub(name: str) -> str:
    return "\n\n".join(_rows(name))


def _rows(name: str) -> Sequence[str]:
    parts = [*name.removeprefix("hf:").split(":"), "", "", "", ""]
    path, config, split, column = parts[:4]
    split = split or "test"
    # A configuration has no folders, so this is a file; without naming one, C4 would come whole.
    chosen = {"data_files": {split: config}} if "/" in config else {"name": config or None}
    try:
        from datasets import load_dataset

        rows: Sequence[str] = load_dataset(path, split=split, **chosen)[column or "text"]
        return rows
    except Exception as error:  # the hub's client raises a dozen kinds
        first = (str(error).splitlines() or [""])[0].rstrip(".")
        raise Sparc3Error(
            f"The data set '{name}' cannot be loaded ({type(error).__name__}: {first}); the form "
            "is hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]], by default split 'test', column 'text'."
        ) from None
