"""A sound task: which word goes with others, learned by heart; the ground for faulty ones."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from sparc3_bench import (
    Bar,
    Batch,
    DatasetRecord,
    Evaluation,
    Metric,
    PreparedTask,
    ReferenceSamples,
    Summary,
    Task,
    find_objective,
)

WORDS = {
    "reference": ("ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine"),
    "selection": ("crow", "dove", "eagle", "finch", "gull", "heron", "ibis", "jay", "kite", "owl"),
    "test": ("amber", "beryl", "coral", "flint", "garnet", "jade", "onyx", "opal", "pearl", "ruby"),
}
COUNTS = {"reference": 10, "selection": 4, "test": 6}


@dataclass(frozen=True)
class Prompt:
    ids: tuple[int, ...]
    counterpart: tuple[int, ...]
    right: int
    wrong: int


@dataclass(frozen=True)
class Sound(Task):
    """Logit of the right word over that of a wrong one."""

    name = "sound-task"
    title = "Sound"
    version = 1
    metrics = (
        Metric("difference", "higher", "logits", "Difference of logits"),
        Metric("loss", "lower", "nats", "Loss"),
        Metric("odds", "higher", "1", "Odds of the right word"),
    )
    amounts = (0.0, 0.3, 0.6)
    default_objective = "label-log-probability"

    count: int = 10

    @property
    def bar(self):
        return Bar("difference", 0.5, "Largest amount with a difference of half a logit")

    def prepare(self, tokenizer, model_id, cache, seed) -> PreparedTask:
        parts = {
            part: self.prompts(tokenizer, part, seed if part == "reference" else 0)
            for part in WORDS
        }
        records = tuple(self.record(part, prompts) for part, prompts in parts.items())
        return self.prepared(parts["reference"], parts["selection"], parts["test"], records)

    def prompts(self, tokenizer, part, seed):
        draw = random.Random(f"{part}/{seed}")
        found = []
        # Of the reference some are longer, so that a batch needs padding.
        for index in range(COUNTS[part]):
            words = draw.sample(WORDS[part], 6 + (index % 2 if part == "reference" else 0))
            told, other, (right, wrong) = words[:-3], words[1:-2], words[-2:]
            text, counterpart = (
                f"the one that goes with {' '.join(some)} is" for some in (told, other)
            )
            tokens = [tuple(tokenizer(each)["input_ids"]) for each in (text, counterpart)]
            answers = [tokenizer(word)["input_ids"][0] for word in (right, wrong)]
            found.append(Prompt(*tokens, *answers))
        return found

    @staticmethod
    def record(part, prompts):
        digest = hashlib.sha256(repr(prompts).encode()).hexdigest()
        return DatasetRecord(
            purpose="evaluation" if part == "test" else part,
            source="made up",
            digest=digest,
            token_digest=digest,
            item="prompt",
            windows=len(prompts),
            window_length=max(len(prompt.ids) for prompt in prompts),
            tokens=sum(len(prompt.ids) for prompt in prompts),
            choice="drawn",
        )

    @staticmethod
    def prepared(*fields):
        return PreparedSound(*fields)

    def point_metrics(self, means, dense, empty):
        return {**means, "odds": np.exp(-means["loss"])}

    @property
    def summary(self):
        metric = Metric("mean_loss", "lower", "nats", "Mean of the curve")
        return Summary((metric,), self.whole)

    @staticmethod
    def whole(amounts, points, removal):
        return {"mean_loss": sum(point["loss"] for point in points) / len(points)}


@dataclass(frozen=True)
class PreparedSound(PreparedTask):
    """The prompts in memory."""

    reference: list[Prompt]
    selection: list[Prompt]
    test: list[Prompt]
    datasets: tuple[DatasetRecord, ...]
    calls: list[int] = dataclasses.field(default_factory=list)
    has_counterparts: ClassVar[bool] = True

    @property
    def clusters(self):
        return {"loss": [index // 2 for index in range(len(self.test))]}

    def part(self, name):
        return dataclasses.replace(self, test=self.selection) if name == "selection" else self

    def references(self, objective):
        samples = [(*prompt.ids, prompt.right) for prompt in self.reference]
        return {"task": ReferenceSamples(samples, find_objective(objective))}

    def evaluate(self, model, dense, progress):
        rows = []
        for index, prompt in enumerate(self.test):
            rows.append(self.measure(model, prompt))
            progress(index + 1, len(self.test))
        names = ("difference", "loss")
        return Evaluation({name: [row[name] for row in rows] for name in names})

    def measure(self, model, prompt) -> dict[str, Any]:
        with torch.no_grad():
            logits = model.last_logits(self.batch(prompt))[0].double()
        chances = logits.log_softmax(-1)
        return {
            "difference": float(logits[prompt.right] - logits[prompt.wrong]),
            "loss": -float(chances[prompt.right]),
        }

    def batch(self, prompt):
        ids, counterpart = torch.tensor([prompt.ids]), torch.tensor([prompt.counterpart])
        targets = torch.tensor([[prompt.right, prompt.wrong]])
        return Batch(ids, torch.ones_like(ids), targets, counterpart)
