"""A device that is not there: the processor computes what is on it, and nothing mixes unasked.

Tensors stay where they are; what is kept is on which device each would be. So numbers are those of
the processor bit for bit, and code that would fail on an accelerator, or wait for it, is seen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_BETWEEN = {"torch", __name__}
HOST = torch.device("cpu")

_WAITS = {
    *("_local_scalar_dense", "equal", "nonzero", "masked_select", "bincount"),
    *("_unique2", "unique_dim", "unique_consecutive", "is_nonzero"),
}
"""Operations whose result, or its size, the host must know."""
_INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}
_OTHERS = {"copy_", "_to_copy"}
"""Operations that may read one device and write to another."""


class WrongDeviceError(AssertionError):
    """An operation got tensors of two devices, or one that its device does not have."""


class Pretended:
    """Knows on which device each tensor would be.

    Attributes
    ----------
    waits
        How often this project's code made the host wait for a device: to read a tensor, or the
        size of one. What transformers does within a model's own forward is not counted.
    moved
        How often something came to a device from the host.
    """

    def __init__(self) -> None:
        self.waits = self.moved = 0
        self.told: list[str] = []
        self._places: dict[int, tuple[StorageWeakRef, torch.device]] = {}

    def where(self, values: Tensor) -> torch.device:
        """Return the device on which a tensor would be."""
        if values.is_meta:
            return torch.device("meta")
        if values.device.type != "cpu":  # which this is not told inside of `_Names`
            return values.device
        known = self._places.get(values.untyped_storage()._cdata)
        return HOST if known is None else known[1]

    def put(self, values: Any, place: torch.device) -> Any:
        """Say on which device the tensors of a result are, where that is not known."""
        for one in tree_leaves(values):
            if isinstance(one, Tensor) and place.type != "cpu" and not one.is_meta:
                storage = one.untyped_storage()
                # The reference keeps the address from being used again.
                self._places.setdefault(storage._cdata, (StorageWeakRef(storage), place))
        return values

    def wait(self, what: str) -> None:
        """Count that the host waits, where it is not transformers that lets it."""
        frame = sys._getframe(1)
        while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in _BETWEEN:
            frame = frame.f_back
        if not frame.f_globals["__name__"].startswith("transformers."):
            self.waits += 1
            self.told.append(f"{what} in {frame.f_globals['__name__']}:{frame.f_lineno}")


class _Crossing(torch.autograd.Function):
    """Takes a tensor from one device to another, and its gradient back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kind: torch.dtype, at: Pretended, place: Any) -> Tensor:
        ctx.at, ctx.before, ctx.kind = at, at.where(values), values.dtype
        return _put(at, values.to(kind, copy=True), place)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        found = gradients[0].to(ctx.kind, copy=True)
        return _put(ctx.at, found, ctx.before), None, None, None


def _put(at: Pretended, made: Tensor, place: torch.device) -> Tensor:
    at._places.pop(made.untyped_storage()._cdata, None)
    at.put(made, place)
    return made


class _Names(TorchFunctionMode):
    """Answers where tensors are, and takes requests to make or move them."""

    def __init__(self, pretended: Pretended) -> None:
        super().__init__()
        self._pretended = pretended

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        at, kwargs = self._pretended, dict(kwargs or {})
        name = getattr(func, "__name__", "")
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if func == Tensor.device.__get__:
            return at.where(args[0])
        if func == Tensor.is_cuda.__get__:
            return at.where(args[0]).type == "cuda"
        if first is not None and name in ("to", "cpu"):
            return self._moved(name, first, args[1:], kwargs)
        if first is not None and name in ("numpy", "__array__") and at.where(first) != HOST:
            raise WrongDeviceError(f"`{name}` of a tensor on {at.where(first)}")
        if name == "tolist" and first is not None and at.where(first) != HOST:
            at.wait("tolist")
        place = kwargs.get("device")
        if place is not None and (place := torch.device(place)).type not in ("cpu", "meta"):
            del kwargs["device"]
            self._check(kwargs.get("dtype"), place)
            return at.put(func(*args, **kwargs), _indexed(place))
        if first is not None and name == "new_tensor":
            return at.put(func(*args, **kwargs), at.where(first))
        return func(*args, **kwargs)

    def _moved(self, name: str, values: Tensor, given: Any, options: Any) -> Any:
        at, before = self._pretended, self._pretended.where(values)
        place, kind, flags = before, options.get("dtype", values.dtype), []
        for one in (options.get("device"), *given, *([HOST] if name == "cpu" else [])):
            if isinstance(one, Tensor):
                place, kind = at.where(one), one.dtype
            elif isinstance(one, torch.dtype):
                kind = one
            elif isinstance(one, bool):
                flags.append(one)
            elif one is not None:
                place = _indexed(torch.device(one))
        self._check(kind, place)
        if place.type == "meta":
            return values.to("meta", kind)
        copy = options.get("copy", len(flags) > 1 and flags[1])
        if place == before:
            return at.put(values.to(kind, copy=copy), place)
        at.moved += place != HOST
        if place == HOST:
            at.wait("to the host")
        return _Crossing.apply(values, kind, at, place)

    def _check(self, dtype: Any, place: torch.device) -> None:
        if place.type == "mps" and dtype is torch.float64:
            raise WrongDeviceError("mps has no float64")


class _Operations(TorchDispatchMode):
    """Sees every operation, also those on the way back."""

    def __init__(self, pretended: Pretended) -> None:
        super().__init__()
        self._pretended = pretended

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        at, kwargs = self._pretended, kwargs or {}
        name = func.overloadpacket.__name__
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        if name in _INDEXED:
            indices = [one for one in args[1] if one is not None]
            if at.where(args[0]) != HOST and any(one.dtype == torch.bool for one in indices):
                at.wait("a mask as index")
            # Those on the host are taken to the device.
            given = [one for one in given if not any(one is index for index in indices)]
        places = [at.where(one) for one in given]
        whole = {p for one, p in zip(given, places, strict=True) if one.dim() or p != HOST}
        if name in _OTHERS:
            place = places[0] if places else HOST
            if place != HOST and HOST in places[1:]:
                at.moved += 1
            if place == HOST and any(one != HOST for one in places[1:]):
                at.wait(f"{name} to the host")
        elif len(whole) > 1:
            shapes = [(tuple(one.shape), str(p)) for one, p in zip(given, places, strict=True)]
            raise WrongDeviceError(f"{func} of tensors on two devices: {shapes}")
        else:
            place = next(iter(whole), HOST)
        repeats = name == "repeat_interleave" and kwargs.get("output_size") is None
        if place != HOST and (name in _WAITS or (repeats and len(given) > 1 - (len(args) == 1))):
            at.wait(name)
        found = func(*args, **kwargs)
        if place.type == "mps":
            for one in tree_leaves(found):
                if isinstance(one, Tensor) and one.dtype is torch.float64:
                    raise WrongDeviceError(f"mps has no float64, which {func} gives")
        return at.put(found, place)


def _indexed(place: torch.device) -> torch.device:
    if place.type in ("cpu", "meta") or place.index is not None:
        return place
    return torch.device(place.type, 0)


@contextmanager
def pretending() -> Iterator[Pretended]:
    """Pretend that there are accelerators, as many as anybody names."""
    pretended = Pretended()
    with _Operations(pretended), _Names(pretended):
        yield pretended


@contextmanager
def watching() -> Iterator[Pretended]:
    """Count how often the host waits for an accelerator that is there."""
    pretended = Pretended()
    with _Operations(pretended):
        yield pretended
