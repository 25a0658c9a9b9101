"""A circuit as a folder for others: mask, pruned model, node scores, and how to load them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sparc3_bench.circuit import mib
from sparc3_bench.circuit.changed import ChangedModel
from sparc3_bench.circuit.folder import Kind
from sparc3_bench.circuit.sizes import measured_circuits, option, size_text
from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.result import Result


@dataclass(frozen=True)
class CircuitExport(ChangedModel):
    """What a result keeps at one size, whether that size was measured or not."""

    mib_name: str | None
    """Folder of the MIB circuit track, TASK_MODEL, to write scores for; None writes none."""

    kind: ClassVar[Kind] = Kind("sparc3-circuit", "an exported circuit", "circuit.json")

    def check(self) -> None:
        """Refuse nothing: how far it is the circuit that was measured is written beside it."""

    def add(self, part: Path) -> Mapping[str, Any]:
        """Write the README, and scores for the MIB track."""
        result, circuit, origin = self.result, self.circuit, self.made.cell.model.origin
        removed, kind = self.size, result.spec.amount_kind
        size = size_text(self.amount, kind)
        notes: list[str] = []
        if self.mib_name is not None:
            nodes = mib.nodes(self.made.view, self.made.scores, circuit.mask)
            notes = mib.write_mib(nodes, result.spec.unit, part / "mib", self.mib_name)
        readme = markdown_text(
            "circuit.md.j2",
            spec=result.spec,
            size=size,
            origin=origin,
            has_model=self.place is not None,
        )
        (part / "README.md").write_text(readme, encoding="utf-8")
        measured = (at.point for at in measured_circuits(result) if at.amount == self.amount)
        point = next(measured, None)
        return {
            "size": {
                option(kind).removeprefix("--"): size,
                "units": sum(mask.numel() for mask in circuit.kept.values()),
                "units_kept": sum(int(mask.sum()) for mask in circuit.kept.values()),
                "kept_in_scope": 1 - removed.in_scope,
                "kept_in_model": 1 - removed.in_model,
                "weights_removed": removed.weights_removed,
            },
            "kept": {role: list(row) for role, row in removed.kept.items()},
            "whole": {role: list(row) for role, row in self.made.whole.items()},
            "measured": point and point.model_dump(mode="json", include={"metrics", "intervals"}),
            "agreement": self.agreement,
            "notes": notes,
            "model_from": origin,
        }


def check_exportable(
    result: Result, folder: Path, *, model: bool = True, mib_name: str | None = None
) -> None:
    """Refuse what cannot be written, before anything is computed; for names see `CircuitExport`."""
    if mib_name is not None:
        mib.check_name(mib_name)
        if result.spec.schedule == "blockwise":
            raise Sparc3Error(
                "Schedule 'blockwise' scores every size anew, so there is no one score of a node "
                "for the MIB track; leave `--mib` out, or export a result of schedule 'one-shot'."
            )
    if model and result.spec.ablation != "zero":
        raise Sparc3Error(
            f"Ablation '{result.spec.ablation}' replaces inputs and prunes no weights, so there "
            "is no pruned model to save; add `--no-model` to export the mask alone."
        )
    CircuitExport.kind.check_free(folder)
