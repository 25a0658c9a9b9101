"""A corrected model as a folder: the model, the mask, the record, and a report for readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sparc3_bench.circuit.changed import ChangedModel
from sparc3_bench.circuit.folder import Kind
from sparc3_bench.circuit.report import beside_random, write_report
from sparc3_bench.comparison.phrasing import interval_text, markdown_table, number


@dataclass(frozen=True)
class Correction(ChangedModel):
    """A model without what its undesired responses need.

    Where nothing was better than the model as it is, nothing is removed and no model saved.
    """

    place: str | None = "model"

    kind: ClassVar[Kind] = Kind("sparc3-correction", "a correction", "correction.json")

    @property
    def outcome(self) -> str:
        """The number that was to change, and the limits, in a line."""
        titles = self._titles
        return "; ".join(
            f"{title} {interval_text(*self.point.read(name))}" for name, title in titles.items()
        )

    def save(self, part: Path) -> None:
        """Write mask and model, where there are any."""
        if self.amount:
            super().save(part)

    def add(self, part: Path) -> Mapping[str, Any]:
        """Write record and report."""
        result, found = self.result, self.result.found
        assert found is not None
        versus = found.versus and beside_random(
            result, found.point, found.metric, found.versus, "prompts"
        )
        titles = self._titles
        limits = ", ".join(f"{titles[name]} {most:g}" for name, most in found.limits.items())
        about = write_report(
            *(self, part, "correction.md.j2", found.metric),
            outcome=self,
            found=found,
            corrects=True,
            versus=versus or "",
            tried=self._tried(),
            limits=limits,
        )
        return about | {"candidate": result.candidate, "is_choice": self.is_choice}

    @property
    def _titles(self) -> dict[str, str]:
        found, metrics = self.result.found, self.result.metrics
        assert found is not None
        titles = {metric.name: metric.title for metric in metrics}
        return {name: titles[name] for name in (found.metric, *found.limits)}

    def _tried(self) -> str:
        """Return the table of what was tried on the selection part."""
        titles = self._titles
        rows = []
        for one in self.result.tried:
            if one.requested == 0:
                continue
            ours = one.candidate == self.result.candidate and one.requested == self.amount
            numbers = (number(one.metrics[name]) for name in titles)
            passes = "yes" if one.passes else "no"
            cells = [one.candidate or "–", f"{one.requested:,g}", *numbers, passes]
            rows.append([f"**{cell}**" if ours else cell for cell in cells])
        return markdown_table(["ranking", "removed", *titles.values(), "within the limits"], rows)
