"""A circuit as a folder for others: mask, pruned model, node scores, and how to load them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparc3_bench.circuit import mib
from sparc3_bench.circuit.folder import Kind, replacing
from sparc3_bench.circuit.rebuild import Rebuilt, SizedCircuit
from sparc3_bench.circuit.sizes import measured_circuits, option, size_text
from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.circuit.writer import MASK, as_stored, parameter_masks, save_mask, write_model
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.result import Result

_KIND = Kind(format="sparc3-circuit", title="an exported circuit", about="circuit.json")


def check_exportable(
    result: Result, folder: Path, *, model: bool = True, mib_name: str | None = None
) -> None:
    """Refuse what cannot be written, before anything is computed; for the names see `export`.

    Raises
    ------
    Sparc3Error
        For an occupied folder, for a pruned model where nothing is pruned, for a name that the MIB
        track cannot read, and for its scores where every size has its own.
    """
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
    _KIND.check_free(folder)


def export(
    rebuilt: Rebuilt, circuit: SizedCircuit, folder: Path, *, model: bool, mib_name: str | None
) -> None:
    """Write the folder; whatever interrupts it, none is left half written under its name.

    Parameters
    ----------
    rebuilt, circuit
        What to write.
    folder
        New, empty, or one that an earlier export wrote, which is replaced.
    model
        Whether to save the pruned model.
    mib_name
        Folder of the MIB circuit track, TASK_MODEL, to write scores for; None writes none.
    """
    result, view, found = rebuilt.result, rebuilt.view, rebuilt.cell.model
    masks = parameter_masks(view, circuit.keep)
    with replacing(folder) as part:
        save_mask(masks, part / MASK)
        notes = []
        if model:
            stored = as_stored(found, result.spec.scope, view)
            write_model(stored.model, masks, part / "pruned", stored.tokenizer, found.folder)
        if mib_name is not None:
            nodes = mib.nodes(view, rebuilt.scores, circuit.keep)
            notes = mib.write_mib(nodes, result.spec.unit, part / "mib", mib_name)
        origin = found.origin
        readme = markdown_text(
            "circuit.md.j2",
            spec=result.spec,
            size=size_text(circuit.amount.requested, result.spec.amount_kind),
            origin=origin,
            has_model=model,
        )
        (part / "README.md").write_text(readme, encoding="utf-8")
        _KIND.write(part, {**_about(rebuilt, circuit, notes), "model_from": origin})


def _about(rebuilt: Rebuilt, circuit: SizedCircuit, notes: list[str]) -> dict[str, Any]:
    result, amount = rebuilt.result, circuit.amount
    kind = result.spec.amount_kind
    point = next(
        (at.point for at in measured_circuits(result) if at.amount == amount.requested), None
    )
    return {
        "key": result.key,
        "spec": result.spec.model_dump(mode="json"),
        "size": {
            option(kind).removeprefix("--"): size_text(amount.requested, kind),
            "units": sum(mask.numel() for mask in circuit.kept.values()),
            "units_kept": sum(int(mask.sum()) for mask in circuit.kept.values()),
            "kept_in_scope": 1 - amount.in_scope,
            "kept_in_model": 1 - amount.in_model,
            "weights_removed": amount.weights_removed,
        },
        "kept": {role: list(row) for role, row in circuit.counts.items()},
        "whole": {role: list(row) for role, row in rebuilt.whole.items()},
        "measured": None
        if point is None
        else point.model_dump(mode="json", include={"metrics", "intervals"}),
        "agreement": circuit.agreement,
        "notes": notes,
    }
