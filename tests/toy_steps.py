"""Toy steps: a graph without a model, a task or a scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparc3_bench.graph.codec import AsJson, AsTensors
from sparc3_bench.graph.cost import Passed
from sparc3_bench.graph.drive import Recipe
from sparc3_bench.graph.local import Local
from sparc3_bench.graph.step import Hold, Step
from sparc3_bench.graph.store import Store
from sparc3_bench.record.parts import Phase

TENSORS = AsTensors(lambda value: {"values": value}, lambda tensors: tensors["values"])
COST = Phase(seconds=1.5, peak_bytes=7, tokens=3)


class Toy(Local):
    """Makes toy steps, and notes which it made."""

    def __init__(self, folder: Path, limit: float = float("inf")) -> None:
        self.made: list[str] = []
        self.said: list[str] = []
        super().__init__(Store(folder, limit, self.said.append))
        self.count = 0

    def passed(self) -> Passed:
        return Passed(self.count)


@dataclass(frozen=True, eq=False)
class Number(Step[int]):
    """A number, which takes as many tokens."""

    value: int
    about: str = ""
    codec, phase = AsJson(int), "counting"

    def make(self, at: Toy, got: Mapping[str, Any]) -> int:
        at.made.append(f"{self.value}{self.about}")
        at.count += self.value
        return self.value


@dataclass(frozen=True, eq=False)
class Halved(Step[int]):
    """Half of a number, rounded down; not kept."""

    of: Step[int]

    def make(self, at: Toy, got: Mapping[str, Any]) -> int:
        at.made.append("halved")
        return got["of"] // 2


@dataclass(frozen=True, eq=False)
class Spread(Step[Tensor]):
    """So many ones, dear enough to have a name by what its input turned out to be."""

    count: Step[int]
    codec, phase = TENSORS, "spreading"
    hold = Hold.BATCH

    def also(self, at: Toy) -> str:
        return self.named({"count": at.get(self.count)})

    def make(self, at: Toy, got: Mapping[str, Any]) -> Tensor:
        at.made.append(f"spread {got['count']}")
        return torch.ones(got["count"])


@dataclass(frozen=True, eq=False)
class Sum(Step[float]):
    """All of several."""

    of: Sequence[Step[Any]]
    codec = AsJson(float)

    def make(self, at: Toy, got: Mapping[str, Any]) -> float:
        at.made.append("sum")
        return float(sum(float(torch.as_tensor(one).sum()) for one in got["of"]))


@dataclass(frozen=True, eq=False)
class Above(Step[bool]):
    """A decision."""

    of: Step[Any]
    bar: float
    codec = AsJson(bool)

    def make(self, at: Toy, got: Mapping[str, Any]) -> bool:
        return float(torch.as_tensor(got["of"]).sum()) > self.bar

    def guess(self) -> bool:
        return True


def halves(start: int, bar: float = 1) -> Recipe[Sum]:
    """Halve for as long as it stays above a bar, and add up all on the way."""
    steps: list[Step[Any]] = [Spread(Number(start))]
    while True:
        (above,) = yield [Above(steps[-1], bar)]
        if not above or len(steps) == 9:
            return Sum(steps)
        steps.append(Spread(Halved(Number(start // 2 ** (len(steps) - 1)))))
        yield steps[-1:]


def files(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.rglob(f"*{suffix}"))
