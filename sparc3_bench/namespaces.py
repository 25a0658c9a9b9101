"""What everybody calls and nobody may replace: functions of Python, of numpy and of torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from operator import is_
from types import ModuleType
from typing import Any

_SHARED = (
    "builtins",
    "hashlib",
    "io",
    "json",
    "json.decoder:JSONDecoder",
    "json.encoder:JSONEncoder",
    "math",
    "os",
    "pathlib:Path",
    "random",
    "threading:Thread",
    "time",
    "numpy",
    "numpy.linalg",
    "safetensors.torch",
    "torch",
    "torch:Tensor",
    "torch.autograd",
    "torch.fft",
    "torch.linalg",
    "torch.nn",
    "torch.nn:Module",
    "torch.nn:Parameter",
    "torch.nn.functional",
    "torch.nn.modules.module",
    "torch.special",
)
"""Modules, and classes of them, whose members this suite and every model call."""

_GENERATED = (
    *("__annotations__", "__annotate", "__abstractmethods__", "_abc_impl", "__weakref__"),
    "__warningregistry__",
)
"""What Python adds by itself."""

_loaded: dict[str, Any] = {}
"""What was found once, as it may be put out of sight later."""


def shared() -> list[Any]:
    """Return what is watched and loaded, modules and classes."""
    for text in _SHARED:
        module, _, name = text.partition(":")
        if text not in _loaded and (owner := sys.modules.get(module)) is not None:
            _loaded[text] = getattr(owner, name) if name else owner
    return list(_loaded.values())


def members(owners: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Return by the names of modules and classes what their members are.

    Those that a class has from one in C are among them: there nothing can be replaced, but in the
    class in front of it.
    """
    found: dict[str, dict[str, Any]] = {}
    for owner in owners:
        name = owner.__qualname__ if isinstance(owner, type) else owner.__name__
        own = found.setdefault(name, {})
        for part in (*_in_c(owner), owner):
            own.update(vars(part))
    return found


def replaced(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the full names of members that are new, gone or others than before."""
    return [
        f"{owner}.{name}"
        for owner, old in before.items()
        for name in changed(old, after.get(owner, {}))
        if not name.startswith(_GENERATED)
    ]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names whose values are gone or others than before, and then those that are new.

    A module that is new does not count: libraries import their parts when these are first used.
    """
    if before.keys() == after.keys() and all(map(is_, before.values(), after.values())):
        return []
    new = (name for name in after if name not in before)
    return [
        *(name for name, old in before.items() if not _same(old, after.get(name, changed))),
        *(name for name in new if not isinstance(after[name], ModuleType)),
    ]


def put_back(owner: Any, before: Mapping[str, Any]) -> None:
    """Give a module or class the members that it had."""
    if not changed(before, vars(owner)):
        return
    for name, value in dict(vars(owner)).items():
        if name.startswith(_GENERATED):
            continue
        if name in before:
            if value is not before[name]:
                setattr(owner, name, before[name])
        elif not isinstance(value, ModuleType):
            delattr(owner, name)
    for name in before.keys() - vars(owner).keys():
        setattr(owner, name, before[name])


def _in_c(owner: Any) -> list[type]:
    bases = owner.__mro__[:0:-1] if isinstance(owner, type) else ()
    return [one for one in bases if one.__module__ == "torch._C"]


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # a stranger's object may compare by raising
        return False
