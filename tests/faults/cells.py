"""Forty cells on a tiny model, run by real `sparc3 run` processes, and what is there afterwards."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.correcting import save_prompts

from sparc3_bench.folder.local import PARTS
from sparc3_bench.testing.tiny import VOCABULARY, save_model, save_text

COUNT = 40
"""Cells of the suite."""
MOST_S = 400
"""Seconds that a command may take, on a machine that is busy."""
NOT_COMPARED = ("created", "environment", "cost", "content_hash")
"""Of a result: what tells of the machine and the clock, or follows from it."""
COMMAND = ["-c", "from sparc3_bench.cli import main; main()"]

SUITE = """
model = "{folder}/llama"
dtype = "float32"

[[run]]
task = "compression"
scorers = ["magnitude", "wanda@0,1", "gradient@0,1", "lrp@0,1", "random@0,1,2"]
group = ["row", "layer"]
amounts = [0, 0.5]
task_options = {texts}

[[run]]
task = "compression"
scorers = ["magnitude", "wanda", "gradient", "lrp", "random"]
schedule = "blockwise"
amounts = [0.5]
task_options = {texts}

[[run]]
task = "compression"
scorers = ["magnitude", "wanda", "gradient", "lrp", "random"]
unit = ["neuron", "head"]
amounts = [0, 0.5]
task_options = {texts}

[[run]]
task = "toxicity-correction"
scorers = ["magnitude", "wanda", "gradient", "lrp", "random"]
unit = "neuron"
amounts = [0, 6]
amount_kind = "count"
scorer_options = {{ aggregation = "signed-mean", by_sample = true }}
judge = "word-list"
judge_options = {{ path = "{folder}/words.txt" }}
task_options = {written}
"""
HOSTILE = """
[[run]]
task = "compression"
scorers = {names}
group = "row"
amounts = [0, 0.5]
task_options = {texts}
"""


def save_suite(folder: Path) -> Path:
    """Fill a folder with a model, texts, prompts, a word list and the suite."""
    save_model("llama", folder / "llama")
    for number, name in enumerate(("reference", "evaluation", "held-out")):
        save_text(folder / f"{name}.txt", 400, number)
    save_prompts(folder / "prompts.jsonl", 40, 3)
    save_prompts(folder / "neutral.jsonl", 5, 4)
    words = (f"w{number}" for number in range(4, VOCABULARY, 2))
    (folder / "words.txt").write_text("\n".join(words))
    written = {
        **{"prompts": f"{folder}/prompts.jsonl", "neutral_prompts": f"{folder}/neutral.jsonl"},
        **{"reference_count": 16, "selection_count": 6, "test_count": 9, "control_count": 4},
        **{"new_tokens": 8, "threshold": 0.3, "undesired_count": 6, "undesired_least": 2},
        **{"neutral_count": 3},
        **{"general_text": f"{folder}/reference.txt", "general_windows": 3, "general_length": 12},
        **{"held_out_text": f"{folder}/held-out.txt", "held_out_windows": 3},
        **{"held_out_length": 10, "last_words": 0},
    }
    path = folder / "forty.toml"
    path.write_text(
        SUITE.format(folder=folder, texts=_table(_texts(folder)), written=_table(written))
    )
    return path


def save_hostile(folder: Path, name: str, scorers: list[str]) -> Path:
    """Save a suite of these scorers, in this order, on the same model and texts."""
    path = folder / f"{name}.toml"
    head = f'model = "{folder}/llama"\ndtype = "float32"\n'
    path.write_text(head + HOSTILE.format(names=json.dumps(scorers), texts=_table(_texts(folder))))
    return path


def _texts(folder: Path) -> dict[str, object]:
    sizes = {"reference_length": 32, "evaluation_length": 32}
    sizes |= {"reference_windows": 3, "evaluation_windows": 4}
    texts = {f"{name}_text": f"{folder}/{name}.txt" for name in ("reference", "evaluation")}
    return {**texts, **sizes}


def _table(options: Mapping[str, object]) -> str:
    return f"{{ {', '.join(f'{name} = {json.dumps(one)}' for name, one in options.items())} }}"


@dataclass
class Commands:
    """Runs a suite in a folder of its own."""

    suite: Path  # what is run
    folder: Path  # where results and cache are
    # variables of the processes, beside those of this one
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def start(self, *more: str, jobs: int = 2, environment: Mapping[str, str] = {}) -> Running:
        """Start `sparc3 run`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        asked = ["run", "--suite", self.suite, "--on", "local", "--jobs", jobs]
        asked += ["--results", self.results, "--cache", self.cache, *more]
        return Running.of(asked, {**self.environment, **environment}, self.suite.parent)

    def run(self, *more: str, **how: Any) -> Done:
        """Do `sparc3 run` to its end."""
        return self.start(*more, **how).end()

    def found(self) -> dict[str, Any]:
        """Return by name what results say, but for what tells of the machine and the clock."""
        return {
            path.relative_to(self.results).as_posix(): content(path)
            for path in sorted(self.results.rglob("*.json"))
            if ".sparc3" not in path.parts
        }

    def made(self) -> Counter[str]:
        """Return how often each step was made, by all runners so far."""
        return Counter(one["key"] for one in self.events() if "made" in one)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the logs tell, but for lines that a kill cut off."""
        for log in (self.results / ".sparc3/logs").rglob("*.jsonl"):
            for line in log.read_bytes().splitlines():
                with suppress(ValueError):
                    yield json.loads(line)

    def forget_results(self) -> None:
        """Remove the results, and what runners wrote down."""
        for path in sorted(self.results.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    def left_over(self) -> list[str]:
        """Return the temporary files and the leases that are there.

        Where many files are written the empty folder of the temporary ones may stay.
        """
        found = [path for root in (self.results, self.cache) for path in root.rglob("*")]
        return [
            str(path)
            for path in found
            if path.parent.name == PARTS
            or path == self.results / PARTS
            or (path.is_file() and "leases" in path.relative_to(self.folder).parts)
        ]

    def validate(self) -> Done:
        """Do `sparc3 validate` of the results."""
        return Running.of(["validate", self.results], self.environment, self.suite.parent).end()


def content(path: Path) -> tuple[Any, ...]:
    """Return what a result and the files beside it say, but for `NOT_COMPARED`."""
    record = json.loads(path.read_bytes())
    for name in NOT_COMPARED:
        record.pop(name, None)
    beside = [path.with_suffix(f".{kind}.json.gz") for kind in ("samples", "responses")]
    return record, *(gzip.decompress(one.read_bytes()) if one.is_file() else None for one in beside)


@dataclass
class Done:
    """How a command ended, and what it said."""

    code: int
    said: str


@dataclass
class Running:
    """A command at work."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def of(cls, asked: list[Any], environment: Mapping[str, str], folder: Path) -> Running:
        """Start a command."""
        whole = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        whole.pop("SPARC3_ON", None)
        path = whole.pop("SPARC3_PRELOAD", ""), whole.get("PYTHONPATH", "")
        whole["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        log = folder / f"said-{time.monotonic_ns()}.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *COMMAND, *map(str, asked)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=whole,
            )
        return cls(process, log)

    def end(self, seconds: float = MOST_S) -> Done:
        """Wait until it has ended."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"It goes on; it said {self.said()[-4000:]}") from None
        return Done(code, self.said())

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def workers(self) -> list[int]:
        """Return the processes that it began and that run."""
        return [pid for pid, parent in _parents().items() if parent == self.process.pid]

    def wait_until_it_works(self, seconds: float = MOST_S) -> bool:
        """Wait for the first step that it makes; return whether it is still running."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if re.search(r"  \d+/\d+  \d+ s", self.said()) or " → " in self.said():
                return True
            time.sleep(0.02)
        return self.process.poll() is None


def _parents() -> dict[int, int]:
    """Return of every process that runs that of its parent."""
    found = {}
    for about in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, _, rest = about.read_text(errors="replace").partition(" (")
            state, parent = rest.rpartition(") ")[2].split()[:2]
            if state not in "ZX":
                found[int(number)] = int(parent)
    return found


@contextmanager
def nothing_orphaned(mark: str) -> Iterator[None]:
    """Assert on leaving that no process runs any more whose environment has the mark."""
    yield
    end = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "processes are left"


def _marked(mark: str) -> list[int]:
    found = []
    for about in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in about.read_bytes() and int(about.parent.name) != os.getpid():
                found.append(int(about.parent.name))
    return found


def assert_whole(commands: Commands, undisturbed: Any) -> None:
    """Assert that all is there as an undisturbed run leaves it, and nothing else; in store, too."""
    assert commands.found() == undisturbed.found
    assert not commands.left_over()
    assert commands.validate().code == 0
    commands.forget_results()
    done = commands.run(jobs=1)
    assert done.code == 0, done.said[-2000:]
    assert not commands.made(), "a sound store was not used"
    assert "damaged" not in done.said
    assert commands.found() == undisturbed.found
