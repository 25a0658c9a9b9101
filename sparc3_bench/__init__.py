"""sparc3-bench: how good is a way to score the weights of a language model, at what cost.

All that a plugin or a script needs loads on first use, so that importing the package imports no
torch. What there is, and where it is from, stands in the stub beside this file, for type checkers,
too.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_bytes())
_HOMES = {
    name.name: str(one.module)
    for one in _STUB.body
    if isinstance(one, ast.ImportFrom)
    for name in one.names
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sparc3_bench' has no attribute {name!r}")


class _Door(ModuleType):
    """The package itself: what it offers may have the name of one of its rooms."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a room puts it here, where the name may be that of a function, such as `run`.
        if name in _HOMES and type(value) is ModuleType:
            value.__class__ = _Room
        super().__setattr__(name, value)


class _Room(ModuleType):
    """A room that can be called like the function of its name."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return __getattr__(self.__name__.rpartition(".")[2])(*arguments, **named)

    @property
    def __wrapped__(self) -> Any:  # what signatures and documentation are read from
        return __getattr__(self.__name__.rpartition(".")[2])


sys.modules[__name__].__class__ = _Door
