"""A pruned model as a folder that plain transformers loads: mask, report, card and record in it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from sparc3_bench.circuit.card import model_card
from sparc3_bench.circuit.changed import ChangedModel
from sparc3_bench.circuit.folder import Kind
from sparc3_bench.circuit.report import beside_random, report_facts, write_report
from sparc3_bench.circuit.shrink import shrunk
from sparc3_bench.circuit.shrunk import ShrunkPair, compared
from sparc3_bench.circuit.writer import MASK, weight_bytes
from sparc3_bench.comparison.phrasing import (
    clause_text,
    drawn_in,
    markdown_table,
    percent,
    precise,
    units,
)
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.files import write_result
from sparc3_bench.record.result import Result
from sparc3_bench.types.groups import pattern_of


@dataclass(frozen=True)
class Pruned(ChangedModel):
    """A model without what a scorer finds least important."""

    place: str | None = "."
    search: Result | None = None  # the run that found the amount, where there was a budget
    shrinks: bool = False  # whether what is removed is cut out of the matrices
    repo: str = ""  # where it will lie on a hub; empty for nowhere

    kind: ClassVar[Kind] = Kind("sparc3-pruned", "a pruned model", "pruning.json")
    packs: ClassVar[bool] = True

    @property
    def cost(self) -> str:
        """What it costs, in a sentence: the change of the main metric with its interval."""
        retained, ends = self.point.read(self.result.metrics[-1].name)
        rise = 100 * (1 / retained - 1)
        if ends is None:
            return f"Perplexity changes by {rise:+.1f} %."
        low, high = (100 * (1 / end - 1) for end in reversed(ends))
        told = [precise(one, (low, high)) for one in (rise, low, high)]
        return "Perplexity changes by {}{} % [{}, {}].".format("+" if rise > 0 else "", *told)

    @property
    def budget(self) -> str:
        """What was looked for, in a sentence; empty where the amount was given."""
        if self.search is None or self.search.found is None:
            return ""
        found = self.search.found
        kept = found.point.metrics[found.metric] >= found.at_least  # type: ignore[operator]
        held = "keeps to it" if kept else "goes beyond it"
        return (
            f"{found.title}: the amount was found by bisection on windows of their own, and {held} "
            "on those of the table."
        )

    def add(self, part: Path) -> Mapping[str, Any]:
        """Write record, report and card."""
        if self.search is not None:
            write_result(part / "search.json", self.search)
        view, main = self.made.view, self.result.metrics[0].name
        masked = view.masked(self.circuit.mask, self.circuit.values)
        beside = compared(view, masked, part) if self.shrinks else None
        said = self._said(beside)
        sizes = self._sizes(part, beside)
        about = write_report(self, part, "pruning.md.j2", main, **said, sizes=sizes)
        found = self.made.cell.model
        card = model_card(self.result, found, self.repo, report_facts(self) | said)
        (part / "README.md").write_text(card, encoding="utf-8")
        about = {**about, "shrunk": asdict(beside)} if beside else about
        return about | {"found": None if self.search is None else self.search.key}

    def cut(self, view: ModelView) -> AbstractContextManager[None]:
        """Make a model as small as it is written, for a while."""
        return shrunk(view, self.circuit.mask) if self.shrinks else super().cut(view)

    def _said(self, beside: ShrunkPair | None) -> dict[str, Any]:
        """Return what report and card tell alike."""
        point, spec = self.point, self.result.spec
        main = self.result.metrics[0].name
        versus = point.versus.get(main)
        told = ["scope", *(["group"] if pattern_of(spec.group) else []), "allocation"]
        clauses = [clause_text(spec, name) for name in told]
        return {
            "share": percent(round(point.amount.requested, 4)),
            "what": f"{units(spec)} {', '.join(filter(None, clauses))}",
            "repaired": clause_text(spec, "repair"),
            "cost": self.cost,
            "budget": self.budget,
            "drawn_in": drawn_in(spec),
            "versus": beside_random(self.result, point, main, versus, "windows") if versus else "",
            "shrinks": self.shrinks,
            "speed": self._speed() if beside is None else beside.told,
            "corrects": False,
            "place": self.repo or ".",
        }

    def _sizes(self, part: Path, beside: ShrunkPair | None) -> str:
        """Return the table of sizes on disk; of a shrunk model, also of what it gains in speed."""
        before, after = weight_bytes(self.made.cell.model.folder), weight_bytes(part)
        mask = (part / MASK).stat().st_size
        if beside is not None:
            return beside.table((before, after))
        # Of what is removed nothing need be stored but the bit that says so.
        least = round(after * (1 - self.point.amount.in_model)) + mask
        rows = {
            "weights of the model as it is": before,
            "weights of the pruned model: a zero takes as much room as any number": after,
            "mask": mask,
            "what would do: the weights that are kept, and the mask": least,
        }
        table = [[what, f"{size / 1e6:,.1f}"] for what, size in rows.items()]
        return markdown_table(["", "MB"], table)

    def _speed(self) -> str:
        """Return what becomes of the speed, in one honest line."""
        unit, group = self.result.spec.unit, self.result.spec.group
        if pattern_of(group) is not None:
            return (
                f"This model is no faster as it is saved: its zeros lie in the pattern {group}, "
                "which some devices have kernels for, and plain dense products take no notice of "
                "it."
            )
        if unit == "weight":
            return (
                "This model is no faster than the one it was made of: zeros that lie anywhere do "
                "not make dense matrix products cheaper. Whole neurons or heads (`--unit neuron "
                "--shrink`) can be cut out of the matrices, and some devices have kernels for "
                "patterns such as 2:4."
            )
        share = percent(self.point.amount.in_model, 1)
        return (
            "This model is no faster as it is saved: the matrices have the shapes they had. The "
            f"rows and columns of removed {unit}s can be cut out of them with `--shrink`, which "
            f"saves {share} of the parameters and about as much of the arithmetic of the blocks."
        )
