"""LiveModel: a transformers model that is in memory already, as what is scored and pruned."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sparc3_bench.errors import ModelError
from sparc3_bench.host import PluginHost
from sparc3_bench.model.devices import Devices
from sparc3_bench.model.load import FoundModel, choose_adapter, slug_of
from sparc3_bench.model.soundness import examine
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.spec import ModelRef, canonical_json
from sparc3_bench.types.conventions import Scope

_FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
"""Number formats whose weights can be scored and pruned."""

_LABEL = "as it was in memory"

_OF_FILES = ("_name_or_path", "transformers_version", "torch_dtype", "dtype")
"""Fields of a configuration that change nothing of what a model in memory computes."""


@dataclass(frozen=True, eq=False)
class LiveModel(FoundModel):
    """A model that the caller has in memory; it is not copied, and never loaded again."""

    model: Any = None  # the transformers model

    @property
    def opening(self) -> str:
        """What `load` does, for lines of progress."""
        return f"Taking {self.ref.id}, which is in memory"

    @property
    def dtype(self) -> torch.dtype:
        """The number format of its weights."""
        return next(self.model.parameters()).dtype  # type: ignore[no-any-return]

    @property
    def stored_dtype(self) -> torch.dtype:
        """The same: there is no file."""
        return self.dtype

    def load(self, scope: Scope, dtype: torch.dtype | None = None) -> ModelView:
        """Return a view of the model itself, which runs in evaluation mode from then on.

        Raises ModelError when a number is not finite, or another number format is asked for.
        """
        if dtype not in (None, self.dtype):
            raise ModelError(
                f"The model {self.ref.id} is in memory in {self.ref.dtype} and is not converted; "
                "convert it with `.to(dtype)` first."
            )
        view = ModelView(self.model, self.adapter, self.tokenizer, scope)
        examine(self.model.state_dict().items(), view, self.ref.id)
        return view


def live_model(model: Any, tokenizer: Any, host: PluginHost) -> LiveModel:
    """Return what a plan needs to know of a model in memory, on any one device.

    It is named by its configuration, and known by a digest of every number in it, made anew each
    time: a model that was changed is another one, and nothing that is kept of it is used again. It
    needs no tokenizer where token ids are given. Raises ModelError saying what of it cannot be
    scored, with the name of the first such tensor.
    """
    told = str(getattr(getattr(model, "config", None), "_name_or_path", "") or "")
    name = Path(told).name if Path(told).is_absolute() or Path(told).exists() else told
    name = name or type(model).__name__
    _check(model, name)
    adapter = choose_adapter(model.config, name, host)
    first = next(model.parameters())
    ref = ModelRef(
        id=name,
        slug=slug_of(name),
        label=_LABEL,
        model_type=model.config.model_type,
        adapter=adapter.name,
        weight_digest=live_digest(model),
        tokenizer_digest=tokenizer_digest(tokenizer),
        dtype=str(first.dtype).removeprefix("torch."),
        device=first.device.type,
    )
    # Where shapes are all that is asked for, the model stands for itself.
    place = Devices((str(first.device),))
    return LiveModel(ref, Path(), adapter, tokenizer, model, (), told, place, model=model)


@contextmanager
def modes_kept(model: Any) -> Iterator[None]:
    """Put back on leaving which modules of a model are in training mode."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def live_digest(model: Any) -> str:
    """Return the SHA-256 of all that a model in memory computes with.

    That is its class, its configuration with the kind of attention, and every parameter and buffer
    with its name, number format and shape. What hooks or replaced methods do is not seen in it:
    with them a model is never known to be the same again.
    """
    config = {k: v for k, v in model.config.to_dict().items() if k not in _OF_FILES}
    attention = getattr(model.config, "_attn_implementation", None)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    digest = hashlib.sha256(
        json.dumps([kind, attention, config], sort_keys=True, default=str).encode()
    )
    for named in (model.named_parameters(), model.named_buffers()):
        for name, values in named:
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
            digest.update(_bytes(values))
    if any(_is_changed(module) for module in model.modules()):
        digest.update(secrets.token_bytes(16))
    return digest.hexdigest()


def with_tokenizer(found: FoundModel, tokenizer: Any) -> FoundModel:
    """Return a model with a tokenizer of the user's: the same model where it is its own.

    Raises
    ------
    ModelError
        When it is no tokenizer.
    """
    digest = tokenizer_digest(tokenizer)
    if digest == tokenizer_digest(found.tokenizer):
        return found
    ref = found.ref.model_copy(update={"tokenizer_digest": digest})
    return replace(found, ref=ref, tokenizer=tokenizer)


def tokenizer_digest(tokenizer: Any) -> str:
    """Return the SHA-256 of a tokenizer in memory: its rules and its vocabulary.

    Raises
    ------
    ModelError
        When it is no tokenizer.
    """
    if tokenizer is None:
        return ""
    if not (callable(tokenizer) and hasattr(tokenizer, "get_vocab")):
        raise ModelError(
            f"A tokenizer must be one of transformers in memory, got {type(tokenizer).__name__}; "
            "give what `AutoTokenizer.from_pretrained` returns."
        )
    inner = getattr(tokenizer, "backend_tokenizer", None)
    told = inner.to_str() if inner is not None else canonical_json(tokenizer.get_vocab())
    special = [str(one) for one in getattr(tokenizer, "all_special_tokens", ())]
    return hashlib.sha256(f"{type(tokenizer).__name__} {special} {told}".encode()).hexdigest()


def _check(model: Any, name: str) -> None:
    """Refuse what cannot be scored."""
    kind = type(model).__name__
    if hasattr(model, "merge_and_unload"):
        raise ModelError(
            f"The model {name} ({kind}) holds adapters such as LoRA's; merge them first with "
            "`model = model.merge_and_unload()`."
        )
    if not isinstance(model, PreTrainedModel) or model.get_output_embeddings() is None:
        raise ModelError(
            f"A model in memory must be a causal language model of transformers, got {kind}; give "
            "what `AutoModelForCausalLM.from_pretrained` returns, or a name or folder."
        )
    places = set()
    for parameter, values in model.named_parameters():
        places.add(values.device)
        held = type(values.data)
        if values.device.type == "meta":
            why, way = "has no numbers (it is offloaded, or was never loaded)", "load it whole"
        elif values.dtype not in _FORMATS:
            way = "load it without `quantization_config`"
            why = f"is stored as {str(values.dtype).removeprefix('torch.')}"
        elif held is not Tensor:
            why, way = f"is a {held.__name__}, not a plain tensor", "gather it on one device"
        elif len(places) > 1:
            why = f"is on {values.device} and others are on {min(map(str, places))}"
            way = "load it on one device"
        else:
            continue
        raise ModelError(
            f"The model {name} cannot be scored: its parameter `{parameter}` {why}; {way}."
        )
    if getattr(model, "is_quantized", False):
        method = getattr(model, "quantization_method", None) or "a quantizer"
        raise ModelError(
            f"The model {name} is quantised ({method}), and quantised weights cannot be pruned; "
            "load it without `quantization_config`."
        )


def _bytes(values: Tensor) -> Any:
    return values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _is_changed(module: torch.nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return any(hooks) or "forward" in vars(module)
