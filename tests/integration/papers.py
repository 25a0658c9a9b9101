"""The paper's suites on tiny models: random weights, prompts and texts of made-up words."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from circuits import Outcome, told
from integration.correcting import save_prompts
from transformers import OPTConfig

from sparc3_bench.testing.tiny import (
    VOCABULARY,
    make_config,
    make_model,
    make_tokenizer,
    save_text,
)


def sparc3(capsys: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    """Run `sparc3` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        return told(capsys, *arguments)


def made_up(folder: Path) -> Path:
    """Fill a folder with models of the paper's architectures, prompts, texts and a word list."""
    for name in ("tiny-1", "tiny-2", "tiny-3"):
        _save(make_config("llama"), 2, folder / name)
    config: OPTConfig = make_config("opt")
    _save(config, 1, folder / "opt")
    config.ffn_dim = 1024  # so that 500 neurons and 20,000 weights can go
    _save(config, 1, folder / "wide-opt")
    lines = save_text(folder / "documents.txt", 400, 1).read_text().split()
    rows = [" ".join(lines[start : start + 40]) for start in range(0, 400, 40)]
    (folder / "documents.txt").write_text("\n".join(rows))
    save_text(folder / "held-out.txt", 60, 2)
    save_prompts(folder / "prompts.jsonl", 40, 3)
    save_prompts(folder / "neutral.jsonl", 5, 4)
    for seed, part in enumerate(("reference", "test", "selection")):
        _save_ioi(folder / f"ioi-{part}.jsonl", 8, seed)
    words = (f"w{number}" for number in range(4, VOCABULARY, 2))
    (folder / "words.txt").write_text("\n".join(words))
    return folder


def _save(config: Any, layers: int, folder: Path) -> None:
    config.num_hidden_layers = layers
    model: Any = make_model(config.model_type, config=config)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def _save_ioi(path: Path, count: int, seed: int) -> None:
    draw = random.Random(f"ioi/{seed}")
    rows = []
    for _ in range(count):
        io, s, a, b, c = (f"w{number}" for number in draw.sample(range(3, VOCABULARY), 5))
        rows.append(
            {
                "prompt": f"w9 {io} w8 {s} w7 w6 {s} w5",
                "io": io,
                "s": s,
                "corrupted": f"w9 {a} w8 {b} w7 w6 {c} w5",
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def compression(folder: Path) -> list[object]:
    """Return the arguments that make `paper-compression` tiny."""
    options = {
        "reference_text": folder / "documents.txt",
        "reference_windows": 3,
        "reference_length": 12,
        "evaluation_text": folder / "held-out.txt",
        "evaluation_length": 12,
        "zero-shot.source": "local",
        "zero-shot.limit": 4,
    }
    models = {"TinyLlama": "tiny-1", "Llama-2-7B": "tiny-2", "Llama-3-8B": "tiny-3"}
    return _arguments(folder, "paper-compression", models, options)


def circuits(folder: Path) -> list[object]:
    """Return the same for `paper-circuits`."""
    options = {
        "reference_prompts": folder / "ioi-reference.jsonl",
        "selection_prompts": folder / "ioi-selection.jsonl",
        "test_prompts": folder / "ioi-test.jsonl",
        "reference_count": 8,
        "selection_count": 2,
        "test_count": 8,
        "control_count": 2,
        "general_text": folder / "held-out.txt",
        "general_windows": 2,
        "general_length": 10,
    }
    return _arguments(folder, "paper-circuits", {"OPT-125M": "opt"}, options)


def correction(folder: Path) -> list[object]:
    """Return the same for `paper-correction`."""
    options = {
        "prompts": folder / "prompts.jsonl",
        "reference_count": 16,
        "selection_count": 6,
        "test_count": 9,
        "control_count": 4,
        "new_tokens": 8,
        "undesired_least": 2,
        "repetition-correction.threshold": 0.1,
        "general_text": folder / "documents.txt",
        "general_windows": 3,
        "general_length": 12,
        "held_out_text": folder / "held-out.txt",
        "held_out_windows": 3,
        "held_out_length": 10,
        "neutral_prompts": folder / "neutral.jsonl",
        "neutral_count": 3,
    }
    judge = ["--judge", "word-list", "--judge-option", f"path={folder / 'words.txt'}"]
    return _arguments(folder, "paper-correction", {"OPT-125M": "wide-opt"}, options, *judge)


def _arguments(
    folder: Path, suite: str, models: dict[str, str], options: dict[str, object], *more: object
) -> list[object]:
    given = [part for name, own in models.items() for part in ("--model", f"{name}={folder / own}")]
    given += [part for name, v in options.items() for part in ("--task-option", f"{name}={v}")]
    kept = ("--results", folder / "results", "--cache", folder / "cache")
    return ["replicate", suite, *given, *kept, *more]
