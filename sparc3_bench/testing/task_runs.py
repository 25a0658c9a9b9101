"""Run a task on a small model for the checks: prepare, meet, measure, as a run does."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from sparc3_bench.assets import default_cache
from sparc3_bench.contracts import PreparedTask, Task
from sparc3_bench.model.state import undoing
from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import CheckSkipped, demand, once
from sparc3_bench.testing.task_ground import Ground, Row, Watched, model_by_name, tiny, trained
from sparc3_bench.types.conventions import Part
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import ReferenceSamples
from sparc3_bench.types.values import Evaluation, Progress, Texts, Verdicts

Plugin = Task | type[Task]

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class TaskMeasurement:
    """What a task measured on one model."""

    raw: Evaluation
    """As `evaluate` returned it."""
    samples: Samples
    """All per-sample numbers: also those that need the dense model, and what a judge said."""

    @property
    def means(self) -> dict[str, float]:
        """The mean of each kind of sample."""
        return {name: float(np.mean(values)) for name, values in self.samples.items()}


@dataclass(frozen=True)
class Trial:
    """A task on a model that has learned what it asks, measured dense, half pruned and emptied."""

    task: Task
    ground: Ground
    prepared: PreparedTask
    dense: TaskMeasurement
    half: TaskMeasurement
    empty: TaskMeasurement

    def __str__(self) -> str:
        return f"on the model '{self.ground.name}'"

    def again(self, seed: int) -> PreparedTask:
        """Prepare the task anew, and let it meet the model."""
        return meet_model(self.task, prepare(self.task, self.ground, seed), self.ground.view())


def ground(plugin: Plugin) -> Ground:
    """Return the model that a task is first run on: its own, or a tiny random one."""
    named = instance_of(plugin).tiny_model
    return once(plugin, "ground", lambda: model_by_name(named) if named else tiny("llama"))


def trial(plugin: Plugin) -> Trial:
    """Return the task on its trial, made once for all checks; skip where it does not run."""
    found = once(plugin, "trial", lambda: _try(plugin))
    if found is None:
        raise CheckSkipped("the task does not run; see check_measures_on_every_architecture")
    return found


of_trials = functools.partial(demand, of=lambda plugin: [trial(plugin)])
"""A demand on the trial of a task."""


def _try(plugin: Plugin) -> Trial | None:
    task = instance_of(plugin)
    try:
        start, plain = ground(plugin), prepared_once(plugin)
        with undoing(start.view()):
            if task.tiny_model is None:
                met = meet_model(task, plain, start.view())
                start = trained(start, sequences_of(start, met)[1])
            prepared = meet_model(task, plain, start.view())
            view = start.view()
            dense = measure(task, prepared, view)
            half = measure(task, prepared, view, dense, removing(view, 0.5))
            empty = measure(task, prepared, view, dense, removing(view, 1.0))
    except Exception:  # a stranger's code may raise anything
        return None
    return Trial(task, start, prepared, dense, half, empty)


def prepared_once(plugin: Plugin) -> PreparedTask:
    """Return the task prepared with seed 0; all tiny models have one tokenizer."""
    return once(plugin, "prepared", lambda: prepare(instance_of(plugin), ground(plugin), 0))


def prepare(task: Task, ground: Ground, seed: int) -> PreparedTask:
    """Prepare a task, with texts from the user's cache."""
    return task.prepare(ground.tokenizer, ground.name, default_cache(), seed)


def meet_model(task: Task, prepared: PreparedTask, view: ModelView) -> PreparedTask:
    """Let a task learn the facts of a model, as they come back from a file."""
    if (facts := task.facts) is None:
        return prepared
    known = json.loads(json.dumps(facts.ask(prepared, view, silent)))
    verdicts = hash_verdicts(facts.texts(prepared, known))
    learned: PreparedTask = facts.learned(prepared, known, verdicts)
    return learned


def measure(
    task: Task,
    prepared: PreparedTask,
    view: ModelView,
    dense: TaskMeasurement | None = None,
    keep: KeepMask | None = None,
    progress: Progress | None = None,
) -> TaskMeasurement:
    """Measure a model as a run does: without what `keep` does not keep, then dense again."""
    before = dense.raw if dense is not None and prepared.compares else None
    with view.masked(keep) if keep is not None else nullcontext():
        raw = prepared.evaluate(view, before, progress or silent)
    found = prepared.after(view, raw)
    samples = dict(found.samples)
    if found.texts and task.judging is not None:
        samples |= task.judging.samples(hash_verdicts(found.texts))
    return TaskMeasurement(raw, samples)


def sequences_of(ground: Ground, prepared: PreparedTask) -> tuple[list[Row], list[Row]]:
    """Return all sequences that are measured on, plain and with the right answers behind them."""
    view = Watched(ground)
    found = prepared.evaluate(view, None, silent)
    prepared.after(view, found)
    return view.rows, view.answered


def removing(view: ModelView, amount: float) -> KeepMask:
    """Return a mask that removes a random part of every matrix."""
    generator = torch.Generator().manual_seed(0)
    return KeepMask(
        {
            name: torch.rand(weight.matrix.shape, generator=generator) >= amount
            for name, weight in view.weights().items()
        }
    )


def references(trial: Trial, objective: str | None = None) -> Mapping[str, ReferenceSamples]:
    """Return the task's references under an objective; its default one, if none is named."""
    return trial.prepared.references(objective or trial.task.default_objective)


def part(prepared: PreparedTask, name: Part) -> PreparedTask:
    """Return a part that is not the whole; skip without one."""
    found = prepared.part(name)
    if found is prepared:
        raise CheckSkipped(f"the task has no part '{name}'")
    return found


def hash_verdicts(texts: Texts) -> Verdicts:
    """Judge texts by a hash: any score may come, the same for the same text."""
    return {
        kind: [[zlib.crc32(text.encode()) / 2**32 for text in some] for some in prompts]
        for kind, prompts in texts.items()
    }


def silent(done: int, total: int) -> None:
    """Hear of progress."""
