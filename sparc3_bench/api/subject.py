"""Subject: the model that a call is about, by name or in memory, where plans find it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sparc3_bench.assets import default_cache
from sparc3_bench.errors import ModelError, Sparc3Error
from sparc3_bench.run.plan import Shared

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.model.load import FoundModel

AnyModel: TypeAlias = Any
"""A named model, a folder or GGUF file, an id of a hub; or a transformers model in memory."""


@dataclass(frozen=True)
class Subject:
    """The model of a call."""

    name: str
    dtype: str
    device: str
    memory: int | str | None = None
    """As a request has them."""
    shared: Shared = field(default_factory=Shared)
    """What plans have in common; a model in memory is in it."""
    live: Any = None
    """The model, where it is in memory."""

    @property
    def asked(self) -> dict[str, Any]:
        """What of a request it says."""
        return {name: getattr(self, name) for name in ("dtype", "device", "memory")} | {
            "model": self.name
        }


@contextmanager
def subject_of(
    model: AnyModel,
    tokenizer: Any,
    host: PluginHost,
    cache: Path,
    *,
    dtype: str = "auto",
    device: str = "cpu",
    memory: int | str | None = None,
) -> Iterator[Subject]:
    """Give the model of a call; one in memory is in the modes that it was in before, afterwards.

    Number format, device and memory are those of a model that is loaded.
    """
    if isinstance(model, str | PathLike):
        chosen = Subject(str(model), dtype, device, memory)
        if tokenizer is not None:
            from sparc3_bench.model.live import with_tokenizer
            from sparc3_bench.model.load import find_model

            found = find_model(chosen.name, host, cache, dtype, device)
            _hold(chosen, with_tokenizer(found, tokenizer))
        yield chosen
        return
    if not hasattr(model, "parameters"):
        raise ModelError(
            f"A model must be a name, a folder or a transformers model, got {type(model).__name__}."
        )
    if (dtype, device, memory) != ("auto", "cpu", None):
        raise Sparc3Error(
            "A model in memory is used in its own number format, on its own device, and whole; "
            "leave `dtype`, `device` and `memory` out."
        )
    from sparc3_bench.model.live import live_model, modes_kept

    with modes_kept(model):
        live = live_model(model, tokenizer, host)
        place = str(next(model.parameters()).device)
        chosen = Subject(live.ref.id, "auto", place, live=model)
        _hold(chosen, live)
        yield chosen


def cache_of(folder: str | PathLike[str] | None) -> Path:
    """Return the folder that models, texts and finished steps are kept in."""
    return default_cache() if folder is None else Path(folder)


def _hold(chosen: Subject, found: FoundModel) -> None:
    chosen.shared.models[chosen.name, chosen.dtype, chosen.device] = found
