"""What tasks have in common whose data are windows of two running texts."""

from __future__ import annotations

from typing import ClassVar

from sparc3_bench import Sparc3Error, Task


class WindowTask(Task):
    """A task with a reference text and a held-out one, both cut into windows of tokens."""

    file_options: ClassVar[tuple[str, ...]] = ("reference_text", "evaluation_text")

    def __post_init__(self) -> None:
        for name, least, words in (
            ("reference_windows", 1, ""),
            ("evaluation_windows", 1, ""),
            ("reference_length", 2, " tokens"),
            ("evaluation_length", 2, " tokens"),
        ):
            if (value := getattr(self, name)) < least:
                raise Sparc3Error(f"`{name}` must be at least {least}{words}, got {value}.")
