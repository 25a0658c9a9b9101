"""Find a model by name, hub id or folder, choose its adapter, and load it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, ClassVar

import torch

from sparc3_bench.assets import known_digest
from sparc3_bench.errors import ModelError, UnknownNameError
from sparc3_bench.folder.seen import READS
from sparc3_bench.host import PluginHost
from sparc3_bench.model import checkpoint, gguf
from sparc3_bench.model.devices import ON_HOST, Devices
from sparc3_bench.model.names import stored_tensors
from sparc3_bench.model.opening import (
    empty_model,
    open_config,
    open_model,
    open_tokenizer,
)
from sparc3_bench.model.products import computes_in_bfloat16
from sparc3_bench.model.soundness import examine
from sparc3_bench.model.view import ModelView
from sparc3_bench.printable import printable
from sparc3_bench.record.spec import ModelRef, canonical_json
from sparc3_bench.types.architecture import ModelAdapter
from sparc3_bench.types.conventions import Scope

_WEIGHTS = ("*.safetensors", "*.bin")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class FoundModel:
    """A model that lies on this disk and that an adapter serves; its weights are not loaded yet."""

    ref: ModelRef  # what is recorded of it
    folder: Path  # where it is
    adapter: ModelAdapter  # the adapter that serves it
    tokenizer: Any
    empty: Any  # the model on torch's device `meta`, without numbers
    notes: tuple[str, ...] = ()  # what a reader of results must know of how its files were read
    origin: str = ""  # what transformers can load it from: a hub id, or a folder
    devices: Devices = ON_HOST  # where it runs

    def adapter_code(self, host: PluginHost) -> str:
        """Return a digest of the adapter's code and of all that it says of the model."""
        adapter = self.adapter
        told: dict[str, Any] = {
            "code": host.get("adapter", adapter.name).code,
            "blocks": adapter.blocks,
            "transposed": adapter.transposed,
            "roles": {n: repr(role) for n, role in adapter.roles(self.empty.config).items()},
            "outer": {n: repr(role) for n, role in adapter.outer_norms(self.empty.config).items()},
        }
        with contextlib.suppress(AttributeError):  # only unit `head` needs it
            told["heads"] = adapter.heads(self.empty.config)
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:16]

    streams: ClassVar[bool] = False
    """Whether it is read block by block, as it does not fit into the memory."""

    @property
    def opening(self) -> str:
        """What `load` does, for lines of progress."""
        return f"Loading {self.ref.id}"

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the model runs in."""
        return _DTYPES[self.ref.dtype]

    @property
    def stored_dtype(self) -> torch.dtype:
        """The number format of the weight files; of several, one that holds all their numbers."""
        found = checkpoint.stored_formats(self.folder, self.ref.id)
        return reduce(torch.promote_types, found or {self.dtype})

    def blank(self, scope: Scope) -> ModelView:
        """Return the model without numbers, for what depends on its shapes only."""
        if scope not in self._blanks:
            self._blanks[scope] = ModelView(self.empty, self.adapter, None, scope)
        return self._blanks[scope]

    @cached_property
    def _blanks(self) -> dict[Scope, ModelView]:
        return {}

    def load(self, scope: Scope, dtype: torch.dtype | None = None) -> ModelView:
        """Load the weights, in the format that the model runs in or in another one.

        Raises ModelError when they cannot be read, or a number is not finite.
        """
        model, _ = open_model(self.folder, self.ref.id, dtype=dtype or self.dtype)
        view = ModelView(model, self.adapter, self.tokenizer, scope)
        examine(model.state_dict().items(), view, self.ref.id)
        self.devices.take(view.model, view.blocks)
        return view

    @cached_property
    def place(self) -> Callable[[str], str]:
        """What tells by the name of a tensor on which device it is."""
        count = len(self.blank("all").blocks)
        return self.devices.placing(self.adapter.blocks, count)


def find_model(model_id: str, host: PluginHost, cache: Path, dtype: str, device: str) -> FoundModel:
    """Find a named model, a local folder or GGUF file, or one of a hub by its id, and its adapter.

    The format is ``"float32"``, ``"bfloat16"`` or ``"auto"``: bfloat16 where the processor computes
    in it. Raises ModelError or UnknownNameError when there is no such model, it is not whole, or no
    adapter serves it.
    """
    devices = Devices.typed(device)
    folder, label = _find_folder(model_id, host, cache, checkpoint.PATTERNS)
    READS.note(folder)
    config = open_config(folder, model_id)
    checkpoint.weight_files(folder, model_id)
    adapter = choose_adapter(config, model_id, host)
    tokenizer = open_tokenizer(folder, model_id)
    empty, notes = open_model(folder, model_id, device_map="meta")
    name = printable(_name(model_id))
    ref = ModelRef(
        id=name,
        slug=slug_of(name),
        label=label,
        model_type=config.model_type,
        adapter=adapter.name,
        weight_digest=_digest(sorted(path for end in _WEIGHTS for path in folder.glob(end))),
        tokenizer_digest=_digest(sorted(folder.glob("token*")) + sorted(folder.glob("vocab*"))),
        dtype=resolve_dtype(dtype),
        device=torch.device(devices.first).type,
    )
    is_local = model_id in host.all("model") or Path(model_id).exists()
    origin = str(folder.resolve()) if is_local else model_id
    return FoundModel(ref, folder, adapter, tokenizer, empty, notes, origin, devices)


def outline_model(model_id: str, host: PluginHost, cache: Path) -> tuple[ModelView, str]:
    """Return a model without its weights, on torch's device `meta`, and what its label says.

    Of a hub's models only the configuration is read or downloaded. What else lies in a local
    folder must be as `find_model` wants it.

    Raises ModelError when there is no such model, it is not whole, or no adapter serves it.
    """
    folder, label = _find_folder(model_id, host, cache, checkpoint.CONFIG_PATTERNS)
    config = open_config(folder, model_id)
    adapter = choose_adapter(config, model_id, host)
    view = ModelView(empty_model(config, model_id), adapter)
    here = {path.name for path in folder.iterdir()} - set(checkpoint.CONFIG_PATTERNS)
    if here and (Path(model_id).exists() or label):
        open_tokenizer(folder, model_id)
        _, view.notes = open_model(folder, model_id, device_map="meta")
        examine(stored_tensors(folder, model_id, view.model), view, model_id)
    return view, label


def resolve_dtype(dtype: str) -> str:
    """Return `dtype`, with ``auto`` resolved for this processor."""
    if dtype == "auto":
        return "bfloat16" if computes_in_bfloat16() else "float32"
    if dtype not in _DTYPES:
        raise UnknownNameError("dtype", dtype, [*_DTYPES, "auto"])
    return dtype


def _find_folder(
    model_id: str, host: PluginHost, cache: Path, patterns: tuple[str, ...]
) -> tuple[Path, str]:
    """Return the folder of a model, with those of a hub's files that match, and its label."""
    path = Path(model_id)
    if model_id in host.all("model"):
        source = host.get("model", model_id).cls()
        return source.fetch(cache), source.label
    if gguf.is_gguf(path):
        folder = gguf.folder_of(path, cache)
        return folder, gguf.label_of(folder)
    if path.is_file():
        raise ModelError(
            f"The file {model_id} is no GGUF file; give the folder of the model that it is part of."
        )
    return (path if path.is_dir() else _download(model_id, host, patterns)), ""


def slug_of(name: str) -> str:
    """Return the name of a model as a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "--", name).strip("-._") or "model"


def _name(model_id: str) -> str:
    """Return what a model is called: a folder by its name, a hub's snapshot by its repository."""
    if not Path(model_id).exists():
        return model_id
    path = Path(model_id).resolve()
    snapshot = re.search(r"(?:^|/)models--([^/]+)/snapshots/[^/]+$", path.as_posix())
    return snapshot[1].replace("--", "/") if snapshot else path.name


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


def choose_adapter(config: Any, model_id: str, host: PluginHost) -> ModelAdapter:
    """Return the adapter that names the model's type, or else one that serves any type.

    Raises ModelError when no adapter serves the model.
    """
    classes: list[type[ModelAdapter]] = [one.cls for one in host.all("adapter").values()]
    named = [cls for cls in classes if config.model_type in cls.model_types]
    if named:
        return named[0].for_config(config)
    refusals = ""
    for cls in classes:
        if not cls.model_types:
            try:
                return cls.for_config(config)
            except ModelError as error:
                refusals += f", and adapter '{cls.name}' cannot infer it, as {error}"
    types = ", ".join(sorted({name for cls in classes for name in cls.model_types}))
    raise ModelError(
        f"Model '{model_id}' is of type '{config.model_type}', which no adapter names{refusals}; "
        f"choose a decoder-only language model, e.g. of the types {types}, or write an adapter."
    )


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {known_digest(path)}\n".encode())
    return digest.hexdigest()
