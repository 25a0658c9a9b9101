"""What tasks have in common whose data are windows of two running texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sparc3_bench import PreparedTask, Task
from sparc3_tasks.texts.begin import Begin
from sparc3_tasks.texts.ranges import Count, Length
from sparc3_tasks.texts.windows import Cutter, Draw, Windows

if TYPE_CHECKING:
    from sparc3_bench import DatasetRecord, ReferenceSamples


@dataclass(frozen=True)
class WindowTask(Task):
    """A task with a reference text and a held-out one, both cut into windows of tokens."""

    file_options: ClassVar[tuple[str, ...]] = ("reference_text", "evaluation_text")
    sample_counts: ClassVar[tuple[str, ...]] = ("reference_windows", "evaluation_windows")
    default_objective: ClassVar[str] = "label-log-probability"
    tiny_options: ClassVar[Mapping[str, Any]] = {
        **{"reference_windows": 4, "evaluation_windows": 4},
        **{"reference_length": 24, "evaluation_length": 24},
    }

    reference_text: str = "c4"
    evaluation_text: str = "wikipedia"
    reference_windows: Count = 16
    evaluation_windows: Count = 16
    reference_length: Length = 512
    evaluation_length: Length = 512
    begin: Begin = "auto"

    def reference(self, cutter: Cutter, seed: int, draw: Draw = "windows") -> Windows:
        """Return the windows that steer the scores."""
        name, length, count = self.reference_text, self.reference_length, self.reference_windows
        return cutter.reference(name, draw, length, count, seed)

    def held_out(self, cutter: Cutter) -> Windows:
        """Return the windows that are measured on."""
        name, length, count = self.evaluation_text, self.evaluation_length, self.evaluation_windows
        return cutter.held_out(name, length, count)


@dataclass(frozen=True)
class PreparedWindows(PreparedTask):
    """The windows of both texts in memory."""

    reference: Windows
    evaluation: Windows
    datasets: tuple[DatasetRecord, ...]
    warnings: tuple[str, ...]

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference windows."""
        return self.reference.references(objective)

    def sequences(self) -> Sequence[Sequence[int]]:
        """Return the evaluation windows."""
        return self.evaluation.samples
