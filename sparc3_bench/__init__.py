"""sparc3-bench: how good is a way to score the weights of a language model, at what cost.

All that a plugin needs loads on first use, so that importing the package imports no torch. What
there is, and where it is from, stands in the stub beside this file, for type checkers, too.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
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
