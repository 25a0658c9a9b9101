"""A circuit as a folder for others: mask, pruned model, node scores, and how to load them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor
from transformers import GenerationConfig

from sparc3_bench.circuit import mib
from sparc3_bench.circuit.folder import Kind, replacing
from sparc3_bench.circuit.rebuild import Rebuilt, SizedCircuit
from sparc3_bench.circuit.sizes import measured_circuits, option, size_text
from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.result import Result
from sparc3_bench.types.masks import KeepMask

_KIND = Kind(
    format="sparc3-circuit",
    title="an exported circuit",
    about="circuit.json",
    parts=frozenset({"README.md", "mask.safetensors", "mib", "pruned"}),
)


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


def parameter_masks(view: ModelView, keep: KeepMask) -> dict[str, Tensor]:
    """Return what is kept of every parameter that loses something.

    Parameters
    ----------
    view, keep
        The model, and what is kept of it.

    Returns
    -------
    dict
        Name in ``model.named_parameters()`` to bool, in the shape the parameter is stored in.
    """
    # A shared parameter has the name of its first module, which need not be ours.
    names = {id(parameter): name for name, parameter in view.model.named_parameters()}
    weights = view.weights()
    masks = {}
    for name, mask in keep.weights.items():
        weight = weights[name]
        masks[names[id(weight.parameter)]] = mask.T if weight.transposed else mask
    for name, mask in keep.biases.items():
        masks[names[id(weights[name].module.bias)]] = mask
    return {name: mask.contiguous().cpu() for name, mask in masks.items() if not mask.all()}


def save_mask(view: ModelView, keep: KeepMask, path: Path) -> None:
    """Save what is kept of every parameter that loses something."""
    save_file(parameter_masks(view, keep), path, metadata={"format": "pt"})


def stored_view(rebuilt: Rebuilt) -> ModelView:
    """Return the dense model in the number format of its files, in which it may not have run."""
    model = rebuilt.cell.model
    if model.stored_dtype == model.dtype:
        return rebuilt.view
    return model.load(rebuilt.result.spec.scope, model.stored_dtype)


def save_pruned(view: ModelView, keep: KeepMask, folder: Path, source: Path | None = None) -> None:
    """Save the model without what `keep` does not keep, with its tokenizer.

    Parameters
    ----------
    view, keep
        The model, and what is kept of it.
    folder
        Where to.
    source
        Where the model is from; how it generates is copied from there as it is.
    """
    model: Any = view.model
    generation = model.generation_config
    # transformers saves no settings that it finds at odds, and pruning changes none.
    model.generation_config = GenerationConfig()
    try:
        with view.masked(keep):
            model.save_pretrained(folder, state_dict=_untied(model))
    finally:
        model.generation_config = generation
    settings = folder / "generation_config.json"
    if source is not None and (source / settings.name).is_file():
        shutil.copyfile(source / settings.name, settings)
    else:
        generation.to_json_file(settings)
    if view.tokenizer is not None:
        view.tokenizer.save_pretrained(folder)


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
    result, view = rebuilt.result, rebuilt.view
    with replacing(folder) as part:
        save_mask(view, circuit.keep, part / "mask.safetensors")
        notes = []
        if model:
            source = rebuilt.cell.model.folder
            save_pruned(stored_view(rebuilt), circuit.keep, part / "pruned", source)
        if mib_name is not None:
            found = mib.nodes(view, rebuilt.scores, circuit.keep)
            notes = mib.write_mib(found, result.spec.unit, part / "mib", mib_name)
        origin = rebuilt.cell.model.origin
        readme = markdown_text(
            "circuit.md.j2",
            spec=result.spec,
            size=size_text(circuit.amount.requested, result.spec.amount_kind),
            origin=origin,
            has_model=model,
        )
        (part / "README.md").write_text(readme, encoding="utf-8")
        _KIND.write(part, {**_about(rebuilt, circuit, notes), "model_from": origin})


def _untied(model: Any) -> dict[str, Tensor]:
    """Return the state with a copy of each tensor that is shared without the model's saying so.

    Tensors that the model itself ties are left to transformers, which saves them once; others it
    refuses to save.
    """
    declared = set(getattr(model, "all_tied_weights_keys", None) or ())
    state: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, values in model.state_dict().items():
        shared = values.data_ptr() in seen and values.numel() > 0
        state[name] = values.clone() if shared and name not in declared else values
        seen.add(values.data_ptr())
    return state


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
