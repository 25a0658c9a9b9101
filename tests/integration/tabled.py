"""A task whose models write what was removed from them, and judges that look scores up by it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from integration.installing import host_with
from sparc3_scorers.magnitude import Magnitude

from sparc3_bench import (
    Choice,
    Contrasts,
    DatasetRecord,
    Evaluation,
    Facts,
    Judge,
    Judging,
    LoadedJudge,
    Metric,
    ModelView,
    PreparedTask,
    ReferenceSamples,
    Task,
    find_objective,
)
from sparc3_bench.host import PluginHost
from sparc3_bench.record.result import Result
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import VOCABULARY

PROMPTS = {"test": 6, "selection": 4, "control": 3, "paired": 6}
CLUSTERS = (0, 0, 1, 2, 2, 2)


class Case(NamedTuple):
    """What a text says: on which prompt of which part, and which neurons were gone."""

    part: str
    prompt: int
    removed: frozenset[str]

    @property
    def count(self) -> int:
        return len(self.removed)


@dataclass
class Table:
    """Says what is measured and what judges say; and what was asked, in order."""

    score: Callable[[Case], float] = lambda case: 0.5
    cost: Callable[[Case], float] = lambda case: 1.0
    said: Callable[[list[float]], Sequence[float]] = list
    """What the judge makes of its scores in the end."""
    written: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    """Every evaluation that was finished."""
    read: list[str] = field(default_factory=list)
    """Every text that was judged."""
    asked: list[int] = field(default_factory=list)
    """How much was gone whenever a task asked the model for facts."""
    learned: int = 0
    """How often a task learned them."""
    ranked: list[tuple[str, ...]] = field(default_factory=list)
    """Of which references there were rankings."""
    after: list[int] = field(default_factory=list)
    """How much was gone when what takes the dense model was asked."""


TABLE = Table()


def removed(view: ModelView) -> frozenset[str]:
    """Return the neurons whose rows are gone."""
    found = []
    for index, block in enumerate(view.blocks):
        gone = (block.mlp.up_proj.weight == 0).all(1).nonzero().flatten().tolist()
        found += [f"{index}.{neuron}" for neuron in gone]
    return frozenset(found)


def case(text: str) -> Case:
    part, prompt, gone = text.split("|")
    return Case(part, int(prompt), frozenset(gone.split()))


@dataclass(frozen=True)
class Tabled(Task):
    """Numbers from the table, and a choice between a ranking and its reverse."""

    name = "tabled"
    title = "Tabled"
    version = 1
    metrics = (
        Metric("change", "lower", "1", "Change"),
        Metric("score", "lower", "1", "Score"),
        Metric("strain", "lower", "1", "Strain"),
    )
    amounts = (0.0, 0.05, 0.1)
    counts = {"neuron": (0, 1, 2, 4), "head": (0, 1)}  # noqa: RUF012
    steering = frozenset({"most", "reverse", "steer"})
    default_objective = "label-log-probability"
    judging = Judging(
        "table",
        lambda verdicts: {"score": [sum(some) / len(some) for some in verdicts["responses"]]},
    )

    most: float = 0.1
    reverse: bool = True
    steer: int = 0
    style: str = "plain"

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedTask:
        return PreparedTabled(self, seed)

    @property
    def choice(self) -> Choice:
        names = ("first", "turned") if self.reverse else ("first",)

        def usable(rankings):
            TABLE.ranked.append(tuple(rankings))
            return names

        contrasts = Contrasts(names, usable, self.contrast)
        return Choice("change", {"strain": self.most}, "Least change", contrasts)

    @staticmethod
    def contrast(name, rankings):
        sign = {"first": 1, "turned": -1}[name]
        return {name: sign * values for name, values in rankings["task"].scores.items()}

    @property
    def facts(self) -> Facts:
        prepared = PreparedTabled
        return Facts(("task", "other"), prepared.ask, lambda *_: {}, prepared.learned)

    def point_metrics(self, means, dense, empty):
        return {
            # Not linear, so that a mean of metrics is not the metric of means.
            "change": means["score"] ** 2 - dense["score"] ** 2,
            "score": means["score"],
            "strain": means["cost"] / dense["cost"] - 1,
        }


class Best(Tabled):
    """The same, and higher is better."""

    name, title = "best", "Best"
    metrics = (Metric("change", "higher", "1", "Change"), *Tabled.metrics[1:])


@dataclass(frozen=True)
class PreparedTabled(PreparedTask):
    """The prompts of one part."""

    task: Tabled
    seed: int
    name: str = "test"
    steer: tuple[int, ...] = ()
    compares = False

    @property
    def datasets(self):
        return tuple(
            DatasetRecord(
                purpose=purpose,
                source="made up",
                digest="d" * 64,
                token_digest=hashlib.sha256(f"{purpose}{seed}".encode()).hexdigest(),
                windows=3,
                window_length=8,
                tokens=24,
                choice="random",
            )
            for purpose, seed in (("reference", self.seed), ("test", 0))
        )

    @property
    def clusters(self) -> Mapping[str, Sequence[int]]:
        return {"score": CLUSTERS}

    def part(self, name):
        return self if name == "test" else replace(self, name=name)

    def ask(self, model, progress) -> list[int]:
        progress(1, 1)
        TABLE.asked.append(len(removed(model)))
        draw = random.Random(self.seed)
        return [draw.randrange(3, VOCABULARY) for _ in range(8)]

    def learned(self, numbers, verdicts):
        TABLE.learned += 1
        start = self.task.steer
        return replace(self, steer=tuple(numbers[start:] + numbers[:start]))

    def references(self, objective):
        attributed = find_objective(objective)
        if not self.steer:
            return {}
        return {
            "task": ReferenceSamples([self.steer], attributed),
            "other": ReferenceSamples([self.steer], find_objective("loss")),
        }

    def evaluate(self, model, dense, progress):
        gone, texts, costs = removed(model), [], []
        for prompt in range(PROMPTS[self.name]):
            one = Case(self.name, prompt, gone)
            words = f"{one.part}|{prompt}|{' '.join(sorted(gone))}"
            texts.append([words, words])
            costs.append(TABLE.cost(one))
            progress(prompt + 1, PROMPTS[self.name])
        TABLE.written.append((self.name, gone))
        return Evaluation({"cost": costs}, None, {"responses": texts})

    def after(self, model, found):
        TABLE.after.append(len(removed(model)))
        return found


class Weighed(Magnitude):
    """Scores by magnitude that are made with a reference, for there to be contrasts."""

    name, title, needs_reference = "weighed", "Weighed", True


class LoadedTable(LoadedJudge):
    """Looks scores up."""

    def __init__(self, name: str, factor: float) -> None:
        self.digest = hashlib.sha256(name.encode()).hexdigest()
        self._factor = factor

    def score(self, texts, progress=lambda done, total: None):
        found = []
        for index, text in enumerate(texts):
            found.append(self._factor * TABLE.score(case(text)))
            progress(index + 1, len(texts))
        TABLE.read.extend(texts)
        return TABLE.said(found)


class TableJudge(Judge):
    """The table's own scores."""

    name, title = "table", "Table"

    def load(self, cache: Path) -> LoadedJudge:
        return LoadedTable(self.name, 1)


class Mild(Judge):
    """Half of them."""

    name, title = "mild", "Mild"

    def load(self, cache: Path) -> LoadedJudge:
        return LoadedTable(self.name, 0.5)


def host() -> PluginHost:
    """Return everything built in with this task and the two judges."""
    plugins = {"tasks": [Tabled, Best], "scorers": [Weighed], "judges": [TableJudge, Mild]}
    return host_with("tabled", **plugins)


def made(model: Path, scorer: str | Sequence[str] = "weighed", **asked: Any) -> tuple[Cell, ...]:
    """Plan runs that remove 0, 1, 2 and 4 neurons."""
    request = {"task": "tabled", "unit": "neuron", "dtype": "float32", **asked}
    seeds = [(name, [0]) for name in ([scorer] if isinstance(scorer, str) else scorer)]
    return plan(Request(scorers=seeds, model=str(model), **request), host(), model.parent / "a")


def run(model: Path, cache: Path, scorer: str = "weighed", **asked: Any) -> Result:
    (cell,) = made(model, scorer, **asked)
    return run_cell(cell, Place(cache, Reporter()), scorer)[0]


def whole(result: Result) -> Result:
    assert (result.status, result.error) == ("ok", None)
    return result
