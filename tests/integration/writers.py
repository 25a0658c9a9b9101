"""A small task whose models write texts, judges of them, and a command line that knows these."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from circuits import Outcome, call
from integration.answers import Answers, scored_units
from integration.installing import host_with

from sparc3_bench import (
    Assessment,
    Batch,
    Choice,
    Contrasts,
    DatasetRecord,
    Evaluation,
    Facts,
    Judge,
    Judging,
    LoadedJudge,
    Metric,
    PreparedTask,
    ReferenceSamples,
    Scorer,
    Sparc3Error,
    Summary,
    Task,
    find_objective,
)
from sparc3_bench.circuit import rebuild
from sparc3_bench.host import PluginHost
from sparc3_bench.testing.tiny import VOCABULARY

PARTS = {"test": (0, 8), "selection": (8, 14), "control": (0, 4), "paired": (0, 8)}
"""Where the prompts of each part are; the rest steers."""


@dataclass
class Diary:
    """What was written, and when to stop."""

    written: list[str] = field(default_factory=list)
    stop_at: int | None = None
    """Index of the evaluation that is interrupted."""


DIARY = Diary()


@dataclass(frozen=True)
class Writing(Task):
    """What a model writes to a few prompts, word by word, the likeliest each time."""

    name = "writing"
    title = "Writing"
    version = 1
    metrics = (
        Metric("unwanted_change", "lower", "1", "Change of what is unwanted"),
        Metric("unwanted", "lower", "1", "Unwanted"),
        Metric("loss_increase", "lower", "nats", "Increase of the loss"),
        Metric("drift", "lower", "nats", "Drift | from the dense model"),
    )
    summary = Summary(
        (Metric("mean_unwanted", "lower", "1", "Mean of the curve"),),
        lambda amounts, points, removal: {
            "mean_unwanted": sum(point["unwanted"] for point in points) / len(points)
        },
    )
    assessment = Assessment(
        (Metric("units", "higher", "1", "Units that are scored"),), scored_units
    )
    judging = Judging(
        "low",
        lambda verdicts: {"unwanted": [sum(some) / len(some) for some in verdicts["responses"]]},
    )
    amounts = (0.0, 0.25)
    counts = {"neuron": (0, 4, 12), "head": (0, 2)}  # noqa: RUF012
    steering = frozenset({"most", "steered"})
    default_objective = "label-log-probability"
    prompts_option = "prompts"

    prompts: str = ""
    words: int = 5
    most: float = 100.0
    turned: bool = True
    steered: bool = False

    def options(self) -> dict[str, Any]:
        return {**super().options(), "prompts": Path(self.prompts).name}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedTask:
        draw = random.Random(1)
        lines = [" ".join(f"w{draw.randrange(3, VOCABULARY)}" for _ in range(6)) for _ in range(24)]
        if self.prompts:
            if not Path(self.prompts).is_file():
                raise Sparc3Error(f"The prompts {self.prompts} cannot be read; give a file.")
            lines = Path(self.prompts).read_text().splitlines()
        return PreparedWriting(self, tokenizer, tuple(lines), seed)

    @property
    def choice(self) -> Choice:
        limits = {"loss_increase": self.most}
        names = ("plain", "turned") if self.turned else ("plain",)
        contrasts = Contrasts(names, lambda rankings: names, self.contrast)
        return Choice("unwanted_change", limits, "Least of what is unwanted", contrasts)

    @staticmethod
    def contrast(name, rankings):
        sign = {"plain": 1, "turned": -1}[name]
        return {name: sign * values for name, values in rankings["task"].scores.items()}

    @property
    def facts(self) -> Facts | None:
        prepared = PreparedWriting
        if not self.steered:
            return None
        return Facts(("task",), prepared.ask, prepared.asked, prepared.learned)

    def point_metrics(self, means, dense, empty):
        found = {
            "unwanted": means["unwanted"],
            "unwanted_change": means["unwanted"] - dense["unwanted"],
            "loss_increase": means["loss"] - dense["loss"],
        }
        return {**found, "drift": means["drift"]} if "drift" in means else found


@dataclass(frozen=True)
class PreparedWriting(PreparedTask):
    """The prompts of one part."""

    task: Writing
    tokenizer: Any
    lines: tuple[str, ...]
    seed: int
    name: str = "test"
    steering: tuple[int, ...] = ()
    compares = False

    @property
    def datasets(self) -> tuple[DatasetRecord, ...]:
        text = "\n".join(self.lines)
        return tuple(
            DatasetRecord(
                purpose=purpose,
                source="made up",
                digest=hashlib.sha256(text.encode()).hexdigest(),
                token_digest=hashlib.sha256(f"{purpose}{self.seed}{text}".encode()).hexdigest(),
                item="prompt",
                windows=8,
                window_length=6,
                tokens=48,
                choice="in order",
            )
            for purpose in ("reference", "test")
        )

    @property
    def clusters(self) -> Mapping[str, tuple[int, ...]]:
        return {"unwanted": (0, 0, 1, 1, 2, 2, 3, 3)}

    def part(self, name):
        return replace(self, name=name) if name != "test" else self

    def ids(self, lines) -> torch.Tensor:
        return torch.tensor([self.tokenizer(line)["input_ids"] for line in lines])

    def ask(self, model, progress):
        return self.texts(self.written(model, self.ids(self.lines[14:])))

    def asked(self, texts):
        return {"responses": texts}

    def learned(self, texts, verdicts):
        """Let the judge say which prompts steer."""
        scores = verdicts["responses"]
        order = sorted(range(len(texts)), key=lambda index: (-scores[index][0], index))
        return replace(self, steering=tuple(order[:3]))

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        objective = find_objective(objective)
        lines = self.lines[14:]
        chosen = [lines[index] for index in self.steering] or lines[self.seed :][:4]
        return {"task": ReferenceSamples(self.ids(chosen).tolist(), objective)}

    def written(self, model, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        for _ in range(self.task.words):
            with torch.no_grad():
                logits = model.last_logits(Batch(ids, torch.ones_like(ids)))
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
        return ids[:, length:]

    def texts(self, ids: torch.Tensor) -> list[list[str]]:
        return [[text] for text in self.tokenizer.batch_decode(ids)]

    def losses(self, model, ids: torch.Tensor) -> list[float]:
        with torch.no_grad():
            logits = model.forward(Batch(ids, torch.ones_like(ids)))
        taken = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])
        return (-taken.mean((1, 2))).tolist()

    def evaluate(self, model, dense, progress) -> Evaluation:
        if len(DIARY.written) == DIARY.stop_at:
            raise KeyboardInterrupt
        start, end = PARTS[self.name]
        ids = self.ids(self.lines[start:end])
        own = self.written(model, ids)
        DIARY.written.append(self.name)
        whole = torch.cat([ids, own], 1)
        texts = {"responses": self.texts(own)}
        return Evaluation({"loss": self.losses(model, ids)}, whole, texts)

    def after(self, model, found: Evaluation) -> Evaluation:
        drift = self.losses(model, found.memory)
        samples = {**found.samples, "drift": drift} if self.name == "test" else found.samples
        return Evaluation(samples, None, found.texts)


class Aimless(Writing):
    """The same without a choice or an option for prompts."""

    name, title, prompts_option = "aimless", "Aimless", None
    turned = False
    choice = None


class Counting(Answers):
    """A task that corrects without a judge; it is never run."""

    name, title, prompts_option = "counting", "Counting", "prompts"


@dataclass(frozen=True)
class Low(Judge):
    """How many of the words have a small number."""

    name = "low"
    title = "Low"

    bar: int = 48

    def load(self, cache: Path) -> LoadedJudge:
        return Reading(self.name, lambda number: number < self.bar, f"{self.bar}")


class Even(Judge):
    """How many of the words have an even number."""

    name, title = "even", "Even"

    def load(self, cache: Path) -> LoadedJudge:
        return Reading(self.name, lambda number: number % 2 == 0)


class Choosy(Judge):
    """Like `even`, but it reads no more than five words."""

    name, title = "choosy", "Choosy"

    def load(self, cache: Path) -> LoadedJudge:
        return Reading(self.name, lambda number: number % 2 == 0, longest=5)


class Wild(Judge):
    """A judge whose scores are none."""

    name, title = "wild", "Wild"

    def load(self, cache: Path) -> LoadedJudge:
        return Reading(self.name, lambda number: 2)


class Reading(LoadedJudge):
    """The mean over the words of what is said of their numbers."""

    def __init__(self, name: str, rule: Any, more: str = "", longest: int = 1000) -> None:
        self.digest = hashlib.sha256(f"{name}{more}".encode()).hexdigest()
        self._rule, self._longest = rule, longest

    def score(self, texts, progress=lambda done, total: None):
        found = []
        for text in texts:
            words = text.split()
            if len(words) > self._longest:
                raise ValueError(f"{len(words)} words are too many")
            found.append(sum(self._rule(int(w[1:])) if w[0] == "w" else 0 for w in words))
            found[-1] /= len(words)
        progress(len(texts), len(texts))
        return found


class Flaky(Scorer):
    """A scorer that never gives the same again."""

    name, title, needs_reference = "flaky", "Flaky", False

    def score(self, model, reference):
        chance = np.random.default_rng()  # of its own; the process's are put back after a scorer
        weights = model.weights().items()
        return {name: torch.from_numpy(chance.random(w.matrix.shape)) for name, w in weights}


TASKS = (Writing, Aimless, Counting)


def host(tasks: tuple[type[Task], ...] = TASKS) -> PluginHost:
    """Return what is built in but its tasks, with these tasks, the judges and a scorer."""
    plugins = {"tasks": tasks, "judges": [Low, Even, Choosy, Wild], "scorers": [Flaky]}
    return host_with("writers", but="sparc3_tasks", **plugins)


@contextmanager
def installed(*tasks: type[Task]) -> Iterator[None]:
    """Let the command line find these tasks, all by default, and no built-in one."""
    known = host(tasks or TASKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparc3_bench.host.default_host", lambda: known)
        patch.setattr(rebuild, "default_host", lambda: known)
        yield


def sparc3(capture: Any, *arguments: object) -> Outcome:
    """Do `sparc3` in this process with what is installed here."""
    capture.readouterr()
    with installed():
        code = call(*arguments)
    return Outcome(code, *capture.readouterr())


def run(folder: Path, results: Path, *arguments: object, **options: object) -> Path:
    """Do `sparc3 run` on the tiny model of `folder` and return the path of the result."""
    given = {
        "task": "writing",
        "scorer": "gradient",
        "model": folder / "llama",
        "dtype": "float32",
        "unit": "neuron",
        "amounts": "8",
        "cache": folder / "cache",
        "results": results,
        **options,
    }
    parts = [part for name, value in given.items() for part in (f"--{name}", value)]
    before = set(results.rglob("*.json"))
    with installed():
        assert call("run", *parts, *(() if "group" in options else ("--count",)), *arguments) == 0
    (made,) = set(results.rglob("*.json")) - before
    return made
