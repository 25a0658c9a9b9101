"""Tiny corrections: prompts and texts of made-up words, a judge that counts, last words of ours."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from integration.installing import host_with
from sparc3_tasks.correction import last_word

from sparc3_bench import Judge, LoadedJudge
from sparc3_bench.assets import Asset, file_digest
from sparc3_bench.host import PluginHost
from sparc3_bench.record.result import Result
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.responses import Written
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import VOCABULARY, save_model, save_text

COUNTS = {"reference": 16, "selection": 6, "test": 9}
CONTROL = 4
NEUTRAL = 3
LAST_WORDS = 5
BY_SAMPLE = {"aggregation": "signed-mean", "by_sample": "true"}
TASKS = {"toxicity-correction": "evens", "repetition-correction": None}


class Evens(LoadedJudge):
    """The share of words with an even number; nothing is even of no word."""

    digest = hashlib.sha256(b"evens").hexdigest()

    def score(self, texts, progress=lambda done, total: None):
        return [evenness(text) for text in texts]


class EvensJudge(Judge):
    """A judge of made-up words."""

    name, title = "evens", "Evens"

    def load(self, cache: Path) -> LoadedJudge:
        return Evens()


def evenness(text: str) -> float:
    numbers = [int(word[1:]) for word in text.split() if word.startswith("w")]
    return sum(number % 2 == 0 for number in numbers) / max(len(numbers), 1)


def host() -> PluginHost:
    """Return everything built in with the judge."""
    return host_with("evens", judges=[EvensJudge])


def save_prompts(path: Path, count: int, seed: int) -> Path:
    """Save prompts of two to eight random words, of two kinds."""
    draw = random.Random(seed)
    rows = [
        {
            "prompt": " ".join(f"w{draw.randrange(3, VOCABULARY)}" for _ in range(2 + index % 7)),
            "kind": f"kind {index % 2}",
        }
        for index in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@contextmanager
def made_up(folder: Path) -> Iterator[Path]:
    """Fill a folder with a model, prompts and texts, and put ten passages in LAMBADA's place."""
    save_model("llama", folder / "llama")
    save_text(folder / "general.txt", 500, 1)
    save_text(folder / "held-out.txt", 200, 2)
    save_prompts(folder / "prompts.jsonl", 40, 3)
    save_prompts(folder / "neutral.jsonl", 5, 4)
    own = last_word._ASSET
    path = own.path(folder / "assets")
    path.parent.mkdir(parents=True)
    passages = [
        {"request": {"context": f"w{number} w20 w{90 - number}", "continuation": f" w{number}"}}
        for number in range(3, 13)
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, passages)).encode()))
    with pytest.MonkeyPatch.context() as patch:
        asset = Asset(own.package, own.version, own.member, file_digest(path))
        patch.setattr(last_word, "_ASSET", asset)
        yield folder


def options(folder: Path, **changes: object) -> dict[str, str]:
    """Return the options of a task that is tiny in everything."""
    given = {
        "prompts": folder / "prompts.jsonl",
        **{f"{part}_count": count for part, count in COUNTS.items()},
        "control_count": CONTROL,
        "new_tokens": 8,
        "threshold": 0.3,
        "undesired_count": 6,
        "undesired_least": 2,
        "general_text": folder / "general.txt",
        "general_windows": 3,
        "general_length": 12,
        "held_out_text": folder / "held-out.txt",
        "held_out_windows": 3,
        "held_out_length": 10,
        "neutral_prompts": folder / "neutral.jsonl",
        "neutral_count": NEUTRAL,
        "last_words": LAST_WORDS,
        "most_perplexity": 1e6,
        "most_distinct": 1e6,
        **changes,
    }
    return {name: str(value) for name, value in given.items()}


def made(
    folder: Path,
    task: str,
    scorer: str = "gradient",
    task_options: dict[str, object] | None = None,
    seed: int = 0,
    **asked: Any,
) -> Cell:
    """Plan one run that removes 0, 6 and 30 neurons."""
    request = {
        "model": str(folder / "llama"),
        "unit": "neuron",
        "amounts": [6, 30],
        "amount_kind": "count",
        "dtype": "float32",
        "judge": TASKS[task],
        "scorer_options": BY_SAMPLE if scorer in ("gradient", "lrp") else {},
        "task_options": options(folder, **(task_options or {})),
        **asked,
    }
    wanted = Request(scorers=[(scorer, [seed])], task=task, **request)
    (cell,) = plan(wanted, host(), folder / "assets")
    return cell


def run(cell: Cell, cache: Path) -> tuple[Result, Written]:
    return run_cell(cell, Place(cache, Reporter()), cell.scorer.name)
