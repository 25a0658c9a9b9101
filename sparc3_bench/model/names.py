"""Names: what the tensors of weight files are called in a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from sparc3_bench.model import checkpoint

_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Names that wrappers of torch put into paths, wherever they wrap."""


def stored_tensors(folder: Path, model_id: str, model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield what is in the weight files, one tensor in memory at a time, by its name in a model.

    Raises ModelError when a file cannot be read.
    """
    own_name = _own_names(folder, model_id, model)
    for name, values in checkpoint.tensors(folder, model_id):
        yield own_name(name), values


def stored_names(folder: Path, model_id: str, model: Any) -> dict[str, tuple[Path, str]]:
    """Return by name in a model in which weight file a tensor is, and under which name there."""
    own_name = _own_names(folder, model_id, model)
    return {
        own_name(name): (path, name)
        for path in checkpoint.weight_files(folder, model_id)
        for name in checkpoint.names_in(path, model_id)
    }


def _own_names(folder: Path, model_id: str, model: Any) -> Callable[[str], str]:
    """Return what gives the name in a model of a name in its weight files."""
    renamed = renaming(list(checkpoint.stored(folder, model_id)), model)
    own, base = set(model.state_dict()), f"{model.base_model_prefix}."
    renamings = [one for one in get_model_conversion_mapping(model) if type(one) is WeightRenaming]

    def own_name(name: str) -> str:
        for pattern in renamed:
            name = re.sub(pattern, "", name)
        for one in renamings:  # what transformers called it before, or calls it in files
            name = one.rename_source_key(name)[0]
        return name if name in own else base + name

    return own_name


def renaming(names: Iterable[str], model: Any) -> dict[str, str]:
    """Return what must be left out of the names of stored tensors, as regular expressions.

    Wrappers such as `torch.compile` and `DataParallel` prefix names. A prefix is left out only if
    every name has it and more names are the model's own then.
    """
    found, names = {}, list(names)
    for wrapper in _WRAPPERS:
        pattern = rf"(?:(?<=\.)|^){wrapper}\."
        without = [re.sub(pattern, "", name) for name in names]
        if without != names:
            found[pattern] = f"{wrapper}."
            names = without
    own = set(model.state_dict())
    base = f"{model.base_model_prefix}."
    own |= {name.removeprefix(base) for name in own}
    best, most = "", sum(name in own for name in names)
    parts = min(names, key=len, default="").split(".")
    for length in range(1, len(parts)):
        prefix = ".".join(parts[:length]) + "."
        if not all(name.startswith(prefix) for name in names):
            break
        if (count := sum(name.removeprefix(prefix) in own for name in names)) > most:
            best, most = prefix, count
    return found | ({f"^{re.escape(best)}": best} if best else {})
