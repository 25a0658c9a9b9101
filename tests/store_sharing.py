"""A process that makes slow steps in a folder that others share."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench.graph import lease
from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.drive import Recipe
from sparc3_bench.graph.local import Local
from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import Store


class Sharing(Local):
    """Notes in a file which steps it makes."""

    def __init__(self, store: Path, log: Path, seconds: float = 0.0) -> None:
        super().__init__(Store(store))
        self.seconds, self._log = seconds, log
        self.label = f"cell of {os.getpid()}"

    def note(self, text: str) -> None:
        handle = os.open(self._log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(handle, f"{text}\n".encode())
        os.close(handle)


@dataclass(frozen=True, eq=False)
class Slow(Step[int]):
    """A number that takes a while."""

    value: int
    of: Sequence[Step[int]] = ()
    codec = AsJson(int)

    def make(self, at: Sharing, got: Mapping[str, Any]) -> int:
        at.note(f"{self.value}")
        time.sleep(at.seconds)
        return self.value + sum(got.get("of", ()))


def recipe() -> Recipe[Slow]:
    """Yield two batches; what the second is made from takes its time, too."""
    first = [Slow(value) for value in range(6)]
    yield first
    second = [Slow(10 + value, [Slow(20 + value), *first[:2]]) for value in range(4)]
    yield second
    return Slow(30, second)


EACH = sorted(map(str, [*range(6), *range(10, 14), *range(20, 24), 30]))
SUM = 30 + sum(10 + value + 20 + value + 1 for value in range(4))


def main() -> None:
    """Wait for the file `go` beside the log, make all, and print what it comes to as JSON."""
    lease._BEAT = 0.1
    store, log = Path(sys.argv[1]), Path(sys.argv[2])
    at = Sharing(store, log, float(sys.argv[3]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not log.with_name("go").exists():
        time.sleep(0.01)
    sys.stdout.write(json.dumps(at.run(recipe())))
