"""Writer: a pruned model as transformers loads it, and what is kept of it, as masks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import GenerationConfig

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model import checkpoint
from sparc3_bench.model.masking import check_mask, stored_value, without
from sparc3_bench.model.view import ModelView
from sparc3_bench.pruning import NewValues
from sparc3_bench.selection.bits import as_bits, from_bits
from sparc3_bench.types.masks import KeepMask

MASK = "mask.safetensors"
"""The file of a mask, wherever there is one."""
_SHAPES = "shapes"


def parameter_masks(view: ModelView, keep: KeepMask) -> dict[str, Tensor]:
    """Return what is kept of every parameter that loses something, in the shape it is stored in.

    By name in ``model.named_parameters()``; True is kept.
    """
    names, weights, masks = _names(view), view.weights(), dict[str, Tensor]()
    for name, mask in keep.weights.items():
        weight = weights[name]
        masks[names[id(weight.parameter)]] = mask.T if weight.transposed else mask
    for name, mask in keep.biases.items():
        masks[names[id(weights[name].module.bias)]] = mask
    return {name: mask.contiguous().cpu() for name, mask in masks.items() if not mask.all()}


def keep_mask(view: ModelView, masks: Mapping[str, Tensor]) -> KeepMask:
    """Return masks of parameters as they are kept by matrix: the reverse of `parameter_masks`.

    Raises Sparc3Error when a mask fits no parameter.
    """
    pruned_values(view.model, masks)
    names, weights, biases = _names(view), dict[str, Tensor](), dict[str, Tensor]()
    for name, weight in view.weights().items():
        if (mask := masks.get(names[id(weight.parameter)])) is not None:
            weights[name] = (mask.T if weight.transposed else mask).to(view.device)
        bias = weight.module.bias
        if bias is not None and (mask := masks.get(names[id(bias)])) is not None:
            biases[name] = mask.to(view.device)
    return KeepMask(weights, biases)


def parameter_values(view: ModelView, values: NewValues | None) -> dict[str, Tensor]:
    """Return what a repair sets anew: name in ``model.named_parameters()`` to what it stores."""
    names, new, weights = _names(view), values or NewValues(), view.weights()
    found = {names[id(weights[n].parameter)]: stored_value(weights[n], new) for n in new.weights}
    for name, bias in new.biases.items():
        stored = weights[name].module.bias
        found[names[id(stored)]] = bias.to(stored)  # type: ignore[arg-type]
    return found


def pruned_values(
    model: Any, masks: Mapping[str, Tensor], values: Mapping[str, Tensor] | None = None
) -> list[tuple[nn.Parameter, Tensor]]:
    """Return copies of parameters with zeros where a mask is False; what is kept keeps its bits.

    Masks are as `parameter_masks` returns them, new values as `parameter_values` does. Raises
    Sparc3Error when the model has no such parameter, or it has another shape or is quantised.
    """
    values = values or {}
    if not isinstance(model, nn.Module):
        raise Sparc3Error(
            f"What is pruned must be a transformers model in memory, got {type(model).__name__}; "
            "load it with `AutoModelForCausalLM.from_pretrained`."
        )
    check_masks(masks)
    known, found = dict(model.named_parameters()), []
    for name in {**masks, **values}:
        parameter, keep = known.get(name), masks.get(name)
        if parameter is None:
            raise Sparc3Error(
                f"The mask is of a parameter `{name}`, which a {type(model).__name__} does not "
                "have; give the model that was scored."
            )
        if not parameter.is_floating_point():
            kind = str(parameter.dtype).removeprefix("torch.")
            raise Sparc3Error(
                f"The parameter `{name}` is quantised ({kind}) and cannot be pruned; give the "
                "unquantised model."
            )
        value = values.get(name, parameter).to(parameter.device, parameter.dtype)
        if value.shape != parameter.shape:
            raise Sparc3Error(
                f"The new values of `{name}` are {list(value.shape)}; expected "
                f"{list(parameter.shape)}."
            )
        if keep is not None:
            check_mask(keep, parameter, f"`{name}`")
            value = without(value, keep.to(parameter.device))
        found.append((parameter, value))
    return found


def check_masks(masks: object) -> None:
    """Refuse what is no mask of parameters.

    Raises
    ------
    Sparc3Error
        Naming what it is.
    """
    if not isinstance(masks, Mapping):
        raise Sparc3Error(
            "A mask must hold bool tensors by name of the parameter, as `mask` and `load_mask` "
            f"return them, got {type(masks).__name__}."
        )
    for name, keep in masks.items():
        if not isinstance(keep, Tensor):
            raise Sparc3Error(
                f"The mask of `{name}` must be a bool tensor, got {type(keep).__name__}."
            )


def save_mask(masks: Mapping[str, Tensor], path: Path) -> None:
    """Save masks with a byte a weight: bool tensors by the name of the parameter."""
    save_file(dict(masks), path, metadata={"format": "pt"})


def save_bits(masks: Mapping[str, Tensor], path: Path) -> None:
    """Save masks with a bit a weight; `load_mask` reads them.

    The file is safetensors. By the name of the parameter it has its bits, uint8, 1 = kept, in order
    of rows, the first weight in the highest bit, with zeros behind the last; the shapes are in the
    header as JSON, under ``shapes``.
    """
    bits = {name: as_bits(keep) for name, keep in masks.items()}
    shapes = json.dumps({name: list(keep.shape) for name, keep in masks.items()})
    # One entry: of several the order is not the same every time, nor is the file then.
    save_file(bits, path, metadata={_SHAPES: shapes})


def load_mask(path: Path | str) -> dict[str, Tensor]:
    """Read the mask of a pruned model.

    Parameters
    ----------
    path
        The file ``mask.safetensors`` that `sparc3 prune`, `save_pruned`, `sparc3 correct` or
        `sparc3 circuit export` wrote, or the folder that it is in.

    Returns
    -------
    dict
        Name of the parameter to bool in the shape it is stored in, True = kept; parameters that
        lose nothing are left out.

    Raises
    ------
    Sparc3Error
        When there is no such file, or it is damaged.
    """
    file = Path(path) / MASK if Path(path).is_dir() else Path(path)
    try:
        with safe_open(file, framework="pt") as opened:
            told = (opened.metadata() or {}).get(_SHAPES)
            shapes = None if told is None else json.loads(told)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return {
            name: values if shapes is None else from_bits(values, shapes[name])
            for name, values in tensors.items()
        }
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise Sparc3Error(
            f"The mask {file} cannot be read ({str(error).splitlines()[0]}); give the file "
            f"{MASK} of a pruned model, or its folder."
        ) from None


def write_model(
    model: Any, folder: Path, tokenizer: Any = None, source: Path | None = None
) -> None:
    """Save a model as it is now, pruned perhaps.

    How it generates is copied from the folder `source` that it is from as it is, and the files are
    about as large as there.
    """
    # transformers saves no settings that it finds at odds, and pruning changes none.
    with patch.object(model, "generation_config", GenerationConfig()):
        model.save_pretrained(folder, state_dict=_untied(model), **_sizes(source))
    settings = folder / "generation_config.json"
    if source is not None and (source / settings.name).is_file():
        shutil.copyfile(source / settings.name, settings)
    else:
        (model.generation_config or GenerationConfig()).to_json_file(settings)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def _names(view: ModelView) -> dict[int, str]:
    """Return names by identity; a shared parameter has that of its first module."""
    return {id(parameter): name for name, parameter in view.model.named_parameters()}


def weight_bytes(folder: Path) -> int:
    """Return the size of the weight files of a model folder, in bytes."""
    return sum(path.stat().st_size for path in checkpoint.weight_files(folder, folder.name))


def _sizes(source: Path | None) -> dict[str, int]:
    """Return how large a file of weights may be: as large as the largest of the source."""
    if source is None:
        return {}
    largest = max(path.stat().st_size for path in checkpoint.weight_files(source, source.name))
    return {"max_shard_size": largest}


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
