"""Synthetic boards: result files by the thousand, of scorers whose true merits are known."""

from __future__ import annotations

import functools
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from unit.results import make_result, save

from sparc3_bench.contracts import Task
from sparc3_bench.host import default_host
from sparc3_bench.record.parts import EstimateRecord, MetricRecord
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.curve import Samples, curve_numbers
from sparc3_bench.types.conventions import Schedule, Unit
from sparc3_bench.types.groups import Group

TASKS = ("compression", "ioi-circuit", "planted-circuit")
AMOUNTS: Mapping[str, tuple[float, ...]] = {
    "compression": (0.0, 0.3, 0.5, 0.7),
    "ioi-circuit": (0.0, 0.5, 0.9, 1.0),
    "planted-circuit": (0.0, 0.5, 0.9),
}

NOISE = 0.1
"""Standard deviation by which a sample of one scorer strays from what is true of the scorer."""

LUCK = 0.05
"""How far at most a run that knows nothing strays as a whole: other weights go with every seed."""

DAMAGE = 2.0
"""What random pruning adds to every loss where everything is removed."""

TEMPLATES = 8
"""So many clusters the prompts of a task that has some are in."""


@dataclass(frozen=True)
class Scorer:
    """A made-up scorer.

    Attributes
    ----------
    lift
        The share of the damage of random pruning that it avoids, in [0, 1]: two of the same lift
        are truly equal, and one of lift 0 knows nothing.
    """

    name: str
    lift: float
    options: Mapping[str, Any] = field(default_factory=dict)
    is_control: bool = False


@dataclass(frozen=True)
class Convention:
    """What runs of one section share beside task and model."""

    unit: Unit
    group: Group
    schedule: Schedule = "one-shot"


SHARP = Scorer("sharp", 0.6)
TWINS = (Scorer("twin-a", 0.4), Scorer("twin-b", 0.4))
BLUNT = Scorer("blunt", 0.2)
COIN = Scorer("coin", 0.0)
RANDOM = Scorer("random", 0.0, is_control=True)
SCORERS = (SHARP, *TWINS, BLUNT, COIN, RANDOM)

# Of two aggregations, so that there is something to filter by.
VARIED = (
    *SCORERS,
    Scorer("mixed", 0.5, {"aggregation": "token-rms"}),
    Scorer("mixed", 0.3, {"aggregation": "signed-mean"}),
)
CONVENTIONS = (
    Convention("weight", "row"),
    Convention("weight", "layer"),
    Convention("weight", "model"),
    Convention("weight", "row", "blockwise"),
    Convention("neuron", "layer"),
    Convention("head", "model"),
)


def section(
    seed: int = 0,
    scorers: Sequence[Scorer] = SCORERS,
    *,
    task: str = "compression",
    model: str = "made-up",
    convention: Convention = CONVENTIONS[0],
    seeds: int = 1,
    control_seeds: int = 5,
    samples: int = 32,
    intervals: bool = True,
) -> Iterator[Result]:
    """Yield the runs of one section; the same seed gives the same numbers.

    Scorers have so many `seeds`, controls `control_seeds`, on so many windows or prompts. Intervals
    take most of the time.
    """
    kind = _task(task)
    hardness = _generator(seed, task, model).normal(size=samples)
    for scorer in scorers:
        for run in range(control_seeds if scorer.is_control else seeds):
            own = (task, model, str(convention), scorer.name, str(scorer.options), str(run))
            generator = _generator(seed, *own)
            # What knows nothing removes other weights with every seed.
            luck = generator.uniform(-LUCK, LUCK) if scorer.lift == 0 else 0.0
            points = [
                _measured(task, hardness, amount, _harm(scorer, amount, luck), generator)
                for amount in AMOUNTS[task]
            ]
            yield _result(kind, scorer, points, convention, model, run, intervals)


def board(seed: int = 0, count: int | None = None) -> Iterator[Result]:
    """Yield the runs of a whole leaderboard, model by model, without end or the first `count`."""
    return itertools.islice(_models(seed), count)


def write_board(folder: Path, count: int, seed: int = 0) -> int:
    """Write a leaderboard of so many result files below `folder`; return how many sections."""
    sections = set()
    for result in board(seed, count):
        save(folder, result)
        spec = result.spec
        if result.status == "ok":
            sections.add((spec.task.name, spec.model.id, spec.unit, spec.group, spec.schedule))
    return len(sections)


def _models(seed: int) -> Iterator[Result]:
    for number in itertools.count():
        model = f"made-up-{number:03}"
        for task in TASKS:
            for convention in CONVENTIONS:
                yield from section(
                    seed,
                    VARIED,
                    task=task,
                    model=model,
                    convention=convention,
                    seeds=2,
                    samples=16,
                )
            yield make_result(
                "brittle",
                task=task,
                model=model,
                status="failed",
                error=f"Ran out of memory in block {number}.",
                warnings=("Two windows hold the same text.",),
            )


@functools.cache
def _task(name: str) -> Task:
    return default_host().get("task", name).cls()


def _generator(seed: int, *parts: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(part.encode()) for part in parts)])


def _harm(scorer: Scorer, amount: float, luck: float) -> float:
    """Return by how much the true loss rises; nothing is left to choose where nothing is kept."""
    if amount in (0.0, 1.0):
        return DAMAGE * amount
    return DAMAGE * amount * (1 - scorer.lift) + luck


def _measured(
    task: str, hardness: np.ndarray, amount: float, harm: float, generator: np.random.Generator
) -> Samples:
    """Return per-sample measurements: of the dense and of the empty model the same for everyone."""
    count = len(hardness)
    noise = NOISE * generator.normal(size=(3, count)) * (0 < amount < 1)
    loss = 3 + 0.5 * hardness + harm + noise[0]
    divergence = np.maximum(harm + noise[1], 0) * (amount > 0)
    # The dense model is not always right, so that accuracy can fall at every amount.
    margin = 1 + hardness - harm + noise[2]
    found = {
        "compression": {"loss": loss, "kl": divergence},
        "planted-circuit": {"accuracy": margin > 0, "logit_difference": margin},
        "ioi-circuit": {
            "logit_difference": margin,
            "accuracy": margin > 0,
            "top1": margin > 1,
            "io_probability": 1 / (1 + np.exp(-margin)),
            "kl": divergence,
            "loss": loss,
        },
    }[task]
    return {name: tuple(map(float, values)) for name, values in found.items()}


def _result(
    task: Task,
    scorer: Scorer,
    samples: list[Samples],
    convention: Convention,
    model: str,
    seed: int,
    intervals: bool,
) -> Result:
    amounts, count = AMOUNTS[task.name], len(next(iter(samples[0].values())))
    prompts = task.name == "ioi-circuit"
    templates = [index % TEMPLATES for index in range(count)]
    clusters = {name: templates for name in samples[0] if name != "loss"} if prompts else {}
    curve = curve_numbers(task, amounts, samples, clusters, "lowest", with_intervals=intervals)
    metrics, of_curve = (
        [MetricRecord(name=m.name, direction=m.direction, unit=m.unit, title=m.title) for m in kind]
        for kind in (task.metrics, [m for m in task.curve_metrics if m.name in curve.whole])
    )
    columns = {m.name: [point[m.name] for point in curve.points] for m in metrics}
    speed = 1 + zlib.crc32(scorer.name.encode()) % 50
    result = make_result(
        scorer.name,
        columns[metrics[0].name],
        amounts=amounts,
        metrics=metrics,
        others=columns,
        windows=count,
        title=scorer.name.replace("-", " ").title(),
        options=scorer.options,
        objective=None if scorer.lift == 0 else task.default_objective,
        seed=seed,
        is_control=scorer.is_control,
        task=task.name,
        task_version=task.version,
        model=model,
        unit=convention.unit,
        group=convention.group,
        schedule=convention.schedule,
        seconds=speed / 4,
        peak_bytes=speed * 10**8,
        intervals={m.name: [p[m.name] for p in curve.intervals] for m in metrics if intervals},
        clusters=clusters,
        curve={
            name: EstimateRecord(value=found.value, low=found.low, high=found.high)
            for name, found in curve.whole.items()
        },
        curve_metrics=of_curve,
    )
    points = tuple(
        point.model_copy(update={"samples": own})
        for point, own in zip(result.points, samples, strict=True)
    )
    return result.model_copy(update={"points": points})
