"""Runs and exports of circuits on tiny models, and a reader that knows nothing of the suite."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sparc3_bench.circuit.rebuild import Rebuilt, rebuilt
from sparc3_bench.cli import main
from sparc3_bench.record.files import read_result
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.testing.tiny import ARCHITECTURES, save_model, save_text

REFUSING = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("sparc3"):
            raise ImportError(name)

sys.meta_path.insert(0, Refusing())
"""
"""Begins a script to which the suite is not there."""

READER = (
    REFUSING
    + """
import os, pathlib, re
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
import transformers
transformers.utils.logging.disable_progress_bar()

text, ids = pathlib.Path(sys.argv[1]).read_text(), torch.load(sys.argv[2])
for folder in sys.argv[3:]:
    os.chdir(folder)
    (code,) = re.findall("```python\\n(.*?)```", pathlib.Path("README.md").read_text(), re.DOTALL)
    space = {}
    exec(code, space)
    (call,) = re.findall("`(AutoModel.*)`", pathlib.Path("README.md").read_text())
    pruned = eval(call, space)
    words = AutoTokenizer.from_pretrained("pruned")(text, return_tensors="pt").input_ids
    with torch.no_grad():
        found = {"masked": space["model"](ids).logits, "pruned": pruned(ids).logits}
        found["losses"] = torch.stack([pruned(row[None], labels=row[None]).loss for row in ids])
    found["words"] = words
    torch.save(found, "logits.pt")
assert not [name for name in sys.modules if name.startswith("sparc3")]
"""
)


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def save_inputs(folder: Path) -> None:
    """Save every tiny model and two texts below `folder`."""
    for architecture in ARCHITECTURES:
        save_model(architecture, folder / "in" / architecture)
    save_text(folder / "in/reference.txt", 400, 1)
    save_text(folder / "in/evaluation.txt", 400, 2)


def call(*arguments: object) -> int:
    """Do `sparc3` in this process and return its exit code."""
    before = sys.argv
    sys.argv = ["sparc3", *map(str, arguments)]
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    finally:
        sys.argv = before
    return 0


def told(capture: Any, *arguments: object) -> Outcome:
    """Do `sparc3` in this process, and return what it left behind."""
    capture.readouterr()
    code = call(*arguments)
    return Outcome(code, *capture.readouterr())


def run(folder: Path, scorer: str = "gradient", model: str = "llama", **options: object) -> Path:
    """Do `sparc3 run` and return the path of the result."""
    given: dict[str, Any] = {"dtype": "float32", "amounts": "0,0.3,0.6", **options}
    given |= {"scorer": scorer, "model": folder / "in" / model, "cache": folder / "cache"}
    texts = {
        "reference_text": folder / "in/reference.txt",
        "evaluation_text": folder / "in/evaluation.txt",
        "reference_length": 32,
        "evaluation_length": 32,
        "reference_windows": 3,
        "evaluation_windows": 4,
    }
    before = set((folder / "results").rglob("*.json"))
    arguments = [part for n, v in given.items() for part in (f"--{n}", v) if part != ""]
    arguments += [part for n, v in texts.items() for part in ("--task-option", f"{n}={v}")]
    code = call("run", *arguments, "--results", folder / "results")
    assert code == 0
    (made,) = set((folder / "results").rglob("*.json")) - before
    return made


def windows(folder: Path) -> torch.Tensor:
    """Return the four evaluation windows, of words that are numbered like their tokens."""
    tokens = [int(word[1:]) for word in (folder / "in/evaluation.txt").read_text().split()]
    return torch.tensor([tokens[start : start + 32] for start in range(0, 12 * 32, 32)][::3])


def options(folder: Path) -> list[object]:
    return ["--files", folder / "in", "--cache", folder / "cache"]


def made_again(folder: Path, path: Path) -> Rebuilt:
    """Return the scores of a result, from the cache of `folder`."""
    cache = folder / "cache"
    return rebuilt(read_result(path), "it", [folder / "in"], cache, Place(cache, Reporter()))


def sentence(outcome: Outcome) -> str:
    """Return the one line of a refusal after checking that it is one."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    lines = [line for line in outcome.err.splitlines() if not line.endswith(" …")]
    assert len(lines) == 1, lines
    assert lines[0].endswith(".")
    return lines[0]
