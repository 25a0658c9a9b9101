"""A small task with all that a task of circuits has: counterparts, parts, a bar and a truth."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from integration.installing import host_with

from sparc3_bench import (
    Assessment,
    Bar,
    Batch,
    DatasetRecord,
    Estimate,
    Evaluation,
    Metric,
    PreparedTask,
    ReferenceSamples,
    Summary,
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

PARTS = {"test": 1, "selection": 2, "control": 3}


@dataclass
class Diary:
    """What was evaluated, and when to stop."""

    begun: list[tuple[str, str]] = field(default_factory=list)
    finished: list[tuple[str, str]] = field(default_factory=list)
    stop_at: int | None = None
    """Index of the evaluation that is interrupted in its middle."""

    def pruned(self, part: str | None = None) -> int:
        """Return how many evaluations of a pruned model were finished."""
        return sum(what == "pruned" and part in (None, p) for p, what in self.finished)


DIARY = Diary()


def scored_units(prepared, model, scores, unit, group):
    """Return how many weights have a score."""
    first = next(iter(scores.values()))
    total = sum(values.numel() for values in first.weights.values())
    return {"units": Estimate(float(total), 0.0, 2.0 * total)}


class Answers(Task):
    """How well the model still gives the token that the dense model would give."""

    name, title, version = "answers", "Answers", 1
    metrics = (
        Metric("faithfulness", "higher", "1", "Faithfulness"),
        Metric("likelihood", "higher", "nats", "Log-likelihood of the answer"),
    )
    summary = Summary(
        (Metric("area", "higher", "1", "Area"),),
        lambda amounts, points, removal: {
            "area": sum(point["faithfulness"] for point in points) / len(points)
        },
    )
    assessment = Assessment(
        (Metric("units", "higher", "1", "Units that are scored"),), scored_units
    )
    amounts = (0.0, 0.3, 0.7)
    needs_empty = True
    bar = Bar("faithfulness", 0.8, "Smallest faithful circuit")
    default_objective = "label-log-probability"

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedAnswers:
        return PreparedAnswers(seed)

    def point_metrics(self, means, dense, empty):
        way = (means["x"] - empty["x"]) / (dense["x"] - empty["x"])
        return {"faithfulness": way, "likelihood": means["x"]}

    def metrics_for(self, removal):
        direction = "higher" if removal == "lowest" else "lower"
        return tuple(Metric(m.name, direction, m.unit, m.title) for m in self.metrics)


@dataclass(frozen=True)
class PreparedAnswers(PreparedTask):
    """The prompts of one part."""

    seed: int
    name: str = "test"
    has_counterparts = True

    @property
    def datasets(self) -> tuple[DatasetRecord, ...]:
        return tuple(
            DatasetRecord(
                purpose=purpose,
                source="made up",
                digest="d" * 64,
                token_digest=hashlib.sha256(f"{purpose}{seed}".encode()).hexdigest(),
                item="prompt",
                windows=count,
                window_length=6,
                tokens=6 * count,
                choice="random",
            )
            for purpose, seed, count in (("reference", self.seed, 3), ("test", 0, 4))
        )

    @property
    def clusters(self):
        return {"x": (0, 1, 1, 1)}

    def part(self, name):
        return type(self)(self.seed, name)

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        draw = random.Random(self.seed)
        samples = [[draw.randrange(3, VOCABULARY) for _ in range(8)] for _ in range(3)]
        return {"task": ReferenceSamples(samples, find_objective(objective))}

    def batches(self) -> list[Batch]:
        """Return two batches of two prompts; the first has padding."""
        generator = torch.Generator().manual_seed(PARTS[self.name])
        made = []
        for lengths in ((6, 4), (6, 6)):
            ids, other = (torch.randint(3, VOCABULARY, (2, 6), generator=generator) for _ in "ab")
            mask = (torch.arange(6)[None] < torch.tensor(lengths)[:, None]).long()
            made.append(Batch(ids, mask, counterpart=other if self.has_counterparts else None))
        return made

    def evaluate(self, model, dense, progress: Callable[[int, int], None]) -> Evaluation:
        what = (self.name, "dense" if dense is None else "pruned")
        DIARY.begun.append(what)
        values, answers = [], []
        for index, batch in enumerate(self.batches()):
            if index == 1 and len(DIARY.begun) - 1 == DIARY.stop_at:
                raise KeyboardInterrupt
            with torch.no_grad():
                logits = model.last_logits(batch)
            best = logits.argmax(-1) if dense is None else dense.memory[index]
            answers.append(best)
            values += logits.log_softmax(-1).gather(1, best[:, None]).flatten().tolist()
            progress(index + 1, 2)
        DIARY.finished.append(what)
        return Evaluation({"x": values}, answers)

    def remarks(self, metrics):
        return (f"The dense model is at {metrics['faithfulness']:g}.",)


class Plain(Answers):
    """The same without what only circuits have."""

    name, title = "plain", "Plain"
    metrics = (Metric("likelihood", "higher", "nats", "Log-likelihood of the answer"),)
    summary = assessment = bar = None
    needs_empty = False

    def prepare(self, tokenizer, model_id, cache, seed):
        return PreparedPlain(seed)

    def point_metrics(self, means, dense, empty):
        assert empty is None
        return {"likelihood": means["x"]}


class PreparedPlain(PreparedAnswers):
    """Prompts without counterparts, in one part."""

    has_counterparts = False

    def part(self, name):
        return self

    def remarks(self, metrics):
        return ()


def host() -> PluginHost:
    """Return everything built in with the two tasks."""
    return host_with("answers", tasks=[Answers, Plain])


def made(model: Path, *scorers: str | tuple[str, list[int]], **asked: Any) -> tuple[Cell, ...]:
    """Plan runs of the task on a saved model; a name alone has seed 0."""
    named = [(name, [0]) if isinstance(name, str) else name for name in scorers]
    request = {"task": "answers", "dtype": "float32", "model": str(model), **asked}
    return plan(Request(scorers=named, **request), host(), model.parent / "assets")


def run(model: Path, cache: Path, *scorers: Any, **asked: Any) -> list[Result]:
    """Run the cells of a plan in one place."""
    place = Place(cache, Reporter())
    cells = made(model, *scorers, **asked)
    return [run_cell(cell, place, cell.scorer.name)[0] for cell in cells]


def whole(results: list[Result]) -> list[Result]:
    assert [(result.status, result.error) for result in results] == [("ok", None)] * len(results)
    return results


def numbers(result: Result) -> dict[str, Any]:
    """Return what was measured."""
    fields = ("points", "curve", "found", "metrics", "warnings")
    return result.model_dump(mode="json", include=set(fields))
