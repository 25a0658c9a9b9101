"""What tasks have in common whose data are windows of two running texts."""

from __future__ import annotations

from typing import ClassVar, Literal

from sparc3_bench import Sparc3Error, Task

Draw = Literal["windows", "nested", "documents"]
"""Windows of the text cut from end to end, drawn for each number anew or so that fewer are the
first of more; or random parts of documents that are longer."""


class WindowTask(Task):
    """A task with a reference text and a held-out one, both cut into windows of tokens."""

    file_options: ClassVar[tuple[str, ...]] = ("reference_text", "evaluation_text")
    fewest_evaluated: ClassVar[int] = 1
    """Of the evaluation windows; 0 where that stands for all."""

    def __post_init__(self) -> None:
        for name, least, words in (
            ("reference_windows", 1, ""),
            ("evaluation_windows", self.fewest_evaluated, ""),
            ("reference_length", 2, " tokens"),
            ("evaluation_length", 2, " tokens"),
        ):
            if (value := getattr(self, name)) < least:
                raise Sparc3Error(f"`{name}` must be at least {least}{words}, got {value}.")
