"""Tiny benchmarks: made-up questions of made-up words in files that look like those fetched."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow
from sparc3_tasks.zero_shot import documents

from sparc3_bench import Asset
from sparc3_bench.assets import file_digest
from sparc3_bench.testing.tiny import VOCABULARY

COUNT = 12
"""Documents a benchmark."""


def words(draw: random.Random, count: int) -> str:
    return " ".join(f"w{draw.randrange(3, VOCABULARY)}" for _ in range(count))


def rows(name: str) -> list[dict]:
    """Return documents of a benchmark, as the files have them."""
    draw = random.Random(name)
    return [_row(name, place, draw) for place in range(COUNT)]


def _row(name: str, place: int, draw: random.Random) -> dict:
    def some(least: int, most: int) -> str:
        return words(draw, draw.randint(least, most))

    match name:
        case "rte":
            return {"sentence1": some(4, 12), "sentence2": some(2, 5), "label": place % 2}
        case "hellaswag":
            return {
                "activity_label": some(1, 2),
                "ctx_a": some(4, 9),
                "ctx_b": some(1, 3),
                "endings": [f"{some(2, 6)} [step] {some(1, 3)}" for _ in range(4)],
                "source_id": f"wikihow~{place // 2}",
                "label": str(place % 4),
            }
        case "winogrande":
            return {
                "sentence": f"{some(3, 6)} _ {some(2, 4)}",
                "option1": some(1, 1),
                "option2": some(1, 1),
                "answer": str(1 + place % 2),
            }
        case "piqa":
            return {
                "goal": some(3, 8),
                "sol1": some(2, 9),
                "sol2": some(2, 9),
                "label": place % 2,
            }
        case "boolq":
            query = f"{some(6, 12)} -- {some(6, 12)}\nQuestion: {some(3, 5)}?\nAnswer:"
            doc = {"query": query, "choices": ["yes", "no"], "gold": place % 2}
        case "lambada_openai":
            return {
                "doc_id": place,
                "doc": {},
                "request": {"context": some(6, 15), "continuation": f" {some(1, 1)}"},
            }
        case _:
            choices = [some(1, 4) for _ in range(4)]
            query = f"Question: {some(4, 9)}\nAnswer:"
            doc = {"id": f"q{place}", "query": query, "choices": choices, "gold": place % 4}
    return {"doc_id": place, "doc": doc, "request": {}}


def save_benchmarks(cache: Path) -> dict[str, Asset]:
    """Save the files of all benchmarks in a cache; return what `documents.ASSETS` must be."""
    found = {}
    for name, asset in documents.ASSETS.items():
        content = rows(name)
        path = asset.path(cache)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".gz":
            lines = [json.dumps(row) for row in content for _ in range(2)]
            path.write_bytes(gzip.compress("\n".join(lines).encode()))
        else:
            table = pyarrow.Table.from_pylist(content)
            with pyarrow.ipc.new_stream(path, table.schema) as stream:
                stream.write_table(table)
        found[name] = Asset(asset.package, asset.version, asset.member, file_digest(path))
    return found
