"""Checks: what is changed between two scorings of one model, and how to read what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Metric

if TYPE_CHECKING:
    from sparc3_bench import Direction


@dataclass(frozen=True)
class Check:
    """One thing that is changed while all else stays."""

    name: str
    """Also the purpose of the reference that is scored."""
    title: str
    """What is changed, for readers."""
    direction: Direction
    """Which end of the similarity is better."""
    unused: str
    """What a scorer does not use whose scores stay the same to the last bit."""
    is_partial: bool = False
    """Whether only the first half of the blocks is compared, as the change is behind it."""

    @property
    def metrics(self) -> tuple[Metric, Metric]:
        """The two similarities: of the order, and of what is kept."""
        return (
            Metric(f"{self.name}_spearman", self.direction, "1", f"Spearman, {self.title}"),
            Metric(f"{self.name}_overlap", self.direction, "1", f"Overlap, {self.title}"),
        )


CHECKS = (
    Check("later", "later blocks re-initialised", "lower", "later blocks", is_partial=True),
    Check("model", "model re-initialised", "lower", "the model"),
    Check("labels", "labels permuted", "lower", "labels"),
    Check("references", "other reference samples", "higher", "reference samples"),
    Check("objective", "other objective", "neither", "the objective"),
)
"""In the order in which they are reported; the rows of a table are ordered by the first."""
