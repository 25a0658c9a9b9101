"""Find a model by name, hub id or folder, choose its adapter, and load it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from sparc3_bench.assets import file_digest
from sparc3_bench.contracts import Fused, ModelAdapter, Role, Scope
from sparc3_bench.errors import ModelError, UnknownNameError
from sparc3_bench.host import PluginHost
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.spec import ModelRef, canonical_json

_WEIGHTS = ("*.safetensors", "*.bin")
_FILES = ("*.json", "*.txt", "*.model", "*.jinja", *_WEIGHTS)
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_STORED = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


@dataclass(frozen=True)
class FoundModel:
    """A model that lies on this disk and that an adapter serves; its weights are not loaded yet."""

    ref: ModelRef
    folder: Path
    adapter: ModelAdapter
    tokenizer: Any
    config: Any = None

    def adapter_code(self, host: PluginHost) -> str:
        """Return a digest of the adapter's code and of all that it says of the model."""
        adapter = self.adapter
        told: dict[str, Any] = {
            "code": host.get("adapter", adapter.name).code,
            "blocks": adapter.blocks,
            "transposed": adapter.transposed,
            "roles": _named(adapter.roles(self.config)),
            "outer": _named(adapter.outer_norms(self.config)),
        }
        with contextlib.suppress(AttributeError):  # only unit `head` needs it
            told["heads"] = adapter.heads(self.config)
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:16]

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the model runs in."""
        return _DTYPES[self.ref.dtype]

    @property
    def stored_dtype(self) -> torch.dtype:
        """The number format of the weight files; of several, one that holds all their numbers."""
        return reduce(torch.promote_types, _stored(self.folder) or {self.dtype})

    def load(self, scope: Scope, dtype: torch.dtype | None = None) -> ModelView:
        """Load the weights, in the format that the model runs in or in another one."""
        disable_progress_bar()  # it prints hundreds of lines into a log, for a second of work
        model = AutoModelForCausalLM.from_pretrained(
            self.folder, dtype=dtype or self.dtype, local_files_only=True
        )
        return ModelView(model.to(self.ref.device), self.adapter, self.tokenizer, scope)


def find_model(model_id: str, host: PluginHost, cache: Path, dtype: str, device: str) -> FoundModel:
    """Find the model `model_id` and the adapter that serves it.

    Parameters
    ----------
    model_id
        A named model, a local folder, or the id of a model on the Hugging Face hub.
    host
        The plugins.
    cache
        Where named models keep their files.
    dtype
        ``"float32"``, ``"bfloat16"`` or ``"auto"``: bfloat16 where the processor computes in it.
    device
        A torch device.

    Raises
    ------
    ModelError, UnknownNameError
        When there is no such model, it has no weights, or no adapter serves it.
    """
    _check_device(device)
    folder, label = _find_folder(model_id, host, cache, _FILES)
    files = sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern))
    if not files:
        raise ModelError(
            f"The folder {model_id} has no weights (*.safetensors or *.bin); give a folder that "
            "transformers' `save_pretrained` wrote."
        )
    config = _read_config(folder, model_id)
    adapter = choose_adapter(config, model_id, host)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError):
        raise ModelError(
            f"The folder {model_id} has no tokenizer; save it there with `save_pretrained`."
        ) from None
    name = folder.resolve().name if Path(model_id).is_dir() else model_id
    ref = ModelRef(
        id=name,
        slug=re.sub(r"[^A-Za-z0-9._-]+", "--", name).strip("-._") or "model",
        label=label,
        model_type=config.model_type,
        adapter=adapter.name,
        weight_digest=_digest(files),
        tokenizer_digest=_digest(sorted(folder.glob("token*")) + sorted(folder.glob("vocab*"))),
        dtype=resolve_dtype(dtype),
        device=torch.device(device).type,
    )
    return FoundModel(ref, folder, adapter, tokenizer, config)


def outline_model(model_id: str, host: PluginHost, cache: Path) -> tuple[ModelView, str]:
    """Return a model without its weights, on torch's device `meta`, and what its label says.

    Only the configuration is read or downloaded, but for named models.

    Raises
    ------
    ModelError
        When there is no such model, or no adapter serves it.
    """
    folder, label = _find_folder(model_id, host, cache, ("config.json",))
    config = _read_config(folder, model_id)
    adapter = choose_adapter(config, model_id, host)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return ModelView(model, adapter), label


def resolve_dtype(dtype: str) -> str:
    """Return `dtype`, with ``auto`` resolved for this processor."""
    if dtype == "auto":
        return "bfloat16" if computes_in_bfloat16() else "float32"
    if dtype not in _DTYPES:
        raise UnknownNameError("dtype", dtype, [*_DTYPES, "auto"])
    return dtype


def computes_in_bfloat16() -> bool:
    """Return whether this processor has instructions for bfloat16, or an accelerator is there."""
    if torch.accelerator.is_available():
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and (
        torch.cpu._is_avx512_bf16_supported() or not torch.cpu._is_avx512_supported()
    )


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except Exception:  # torch raises several kinds, with many lines each
        raise ModelError(
            f"The device '{device}' is not available to torch here; 'cpu' always is."
        ) from None


def _find_folder(
    model_id: str, host: PluginHost, cache: Path, patterns: tuple[str, ...]
) -> tuple[Path, str]:
    """Return the folder of a model, with those of a hub's files that match, and its label."""
    label = ""
    if model_id in host.all("model"):
        source = host.get("model", model_id).cls()
        folder, label = source.fetch(cache), source.label
    elif Path(model_id).is_dir():
        folder = Path(model_id)
    else:
        folder = _download(model_id, host, patterns)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"The folder {model_id} has no config.json; give a folder that "
            "transformers' `save_pretrained` wrote."
        )
    return folder, label


def _download(model_id: str, host: PluginHost, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    named = ", ".join(host.all("model")) or "none"
    try:
        return Path(snapshot_download(model_id, allow_patterns=list(patterns)))
    except Exception as error:  # the hub's client raises a dozen kinds
        raise ModelError(
            f"Model '{model_id}' is neither a named model ({named}) nor a local folder, and the "
            f"hub cannot give it ({type(error).__name__}); check the name or the connection."
        ) from None


def _read_config(folder: Path, model_id: str) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or ["no reason given"])[0]
        raise ModelError(f"The config.json of {model_id} cannot be read: {first}") from None


def choose_adapter(config: Any, model_id: str, host: PluginHost) -> ModelAdapter:
    """Return the adapter that names the model's type, or else one that serves any type.

    Raises
    ------
    ModelError
        When no adapter serves the model.
    """
    classes = [entry.cls for entry in host.all("adapter").values()]
    named = [cls for cls in classes if config.model_type in cls.model_types]
    if named:
        adapter: ModelAdapter = named[0].for_config(config)
        return adapter
    refusals = ""
    for cls in classes:
        if not cls.model_types:
            try:
                adapter = cls.for_config(config)
                return adapter
            except ModelError as error:
                refusals += f", and adapter '{cls.name}' cannot infer it, as {error}"
    types = ", ".join(sorted({name for cls in classes for name in cls.model_types}))
    raise ModelError(
        f"Model '{model_id}' is of type '{config.model_type}', which no adapter names{refusals}; "
        f"choose a decoder-only language model, e.g. of the types {types}, or write an adapter."
    )


def _named(roles: Mapping[str, Role | Fused]) -> dict[str, str]:
    return {path: repr(role) for path, role in roles.items()}


def _stored(folder: Path) -> set[torch.dtype]:
    """Return the formats of the floating-point numbers in the files that transformers reads."""
    found: set[torch.dtype] = set()
    for path in folder.glob("model*.safetensors"):
        with safe_open(path, "pt") as file:
            names = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        found |= {_STORED[name] for name in names if name in _STORED}
    if found:
        return found
    for path in folder.glob("pytorch_model*.bin"):
        tensors = torch.load(path, map_location="meta", weights_only=True).values()
        found |= {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return found


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {file_digest(path)}\n".encode())
    return digest.hexdigest()
