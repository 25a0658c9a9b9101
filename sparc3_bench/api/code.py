"""code_at_hand: a digest of a function or class that was given in a call, wherever it was written.

Code of a plugin is known by the files that it rests on. What is typed into a notebook has no file,
and two functions of one file may hold different values. So what was given is known by what it is
made of: its instructions and constants, the values it holds on to, and those of the names that it
uses, functions and classes of no file included; and, where it has a file, by that file as well.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
import sys
import types
from typing import Any

from sparc3_bench.source import code_of, files_of, is_followed, versions

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_VALUES = (*_PLAIN, tuple, list, dict)
_BOOKKEEPING = {
    *("__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__"),
    *("__dict__", "__weakref__", "_abc_impl", "__abstractmethods__", "__annotations_cache__"),
    *("__dataclass_params__", "__dataclass_fields__", "__match_args__", "__annotate_func__"),
    *("__annotations__", "__annotate__"),
}
_MADE = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__"}
"""Of a class, what Python adds, and what dataclasses make of the rest."""


def code_at_hand(thing: Any) -> str:
    """Return a digest of a function or class and of all that it uses, 16 hex digits.

    What cannot be told, such as an object of unknown kind that it holds on to, makes it another one
    each time: nothing that was kept of it is used again, and nothing is wrong.
    """
    digest = hashlib.sha256()
    for word in _Words().of(thing):
        digest.update(f"{word}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]


class _Words:
    """Tells what things are made of, each once."""

    def __init__(self) -> None:
        self._met: dict[int, Any] = {}

    def of(self, thing: Any) -> list[str]:
        """Return what tells a thing from any other."""
        if isinstance(thing, _PLAIN):
            return [repr(thing)]
        if id(thing) in self._met:
            return ["again"]
        self._met[id(thing)] = thing  # held, so that no other takes its place
        match thing:
            case tuple() | list():
                return [type(thing).__name__, *self._all(thing), "end"]
            case dict():
                pairs = [one for pair in thing.items() for one in pair]
                return ["dict", *self._all(pairs), "end"]
            case types.ModuleType():
                return ["module", *(_known(thing.__name__) or [secrets.token_hex(8)])]
            case functools.partial():
                return ["partial", *self._all((thing.func, thing.args, thing.keywords))]
            case staticmethod() | classmethod():
                return [type(thing).__name__, *self.of(thing.__func__)]
            case property():
                return ["property", *self._all((thing.fget, thing.fset))]
            case types.MethodType():
                return ["method", *self._all((thing.__func__, thing.__self__))]
            case types.FunctionType():
                return self._function(thing)
            case type():
                return self._class(thing)
            case types.BuiltinFunctionType() | types.MethodDescriptorType():
                return [f"{thing.__module__} {thing.__qualname__}"]
        return self._other(thing)

    def _all(self, things: Any) -> list[str]:
        return [word for one in things for word in self.of(one)]

    def _function(self, function: types.FunctionType) -> list[str]:
        known = _known(function.__module__)
        if known and not is_followed(function.__module__.partition(".")[0]):
            return ["function", function.__qualname__, *known]
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        used = {
            name: function.__globals__[name]
            for name in sorted(_names(function.__code__))
            if name in function.__globals__
        }
        if known:  # by the file what the names are is known, but for values that may be others now
            used = {name: value for name, value in used.items() if isinstance(value, _VALUES)}
        held = (function.__defaults__, function.__kwdefaults__, cells, used)
        return ["function", *(known or ()), *self._code(function.__code__), *self._all(held)]

    def _code(self, code: types.CodeType) -> list[str]:
        inner = [
            word
            for one in code.co_consts
            for word in (self._code(one) if isinstance(one, types.CodeType) else [repr(one)])
        ]
        return [code.co_code.hex(), *map(str, (code.co_names, code.co_varnames)), *inner, "end"]

    def _class(self, cls: type) -> list[str]:
        known = _known(cls.__module__)
        if known and "<locals>" not in cls.__qualname__:
            return ["class", cls.__qualname__, *known]
        left_out = _BOOKKEEPING | (_MADE if "__dataclass_params__" in vars(cls) else set())
        own = {name: one for name, one in sorted(vars(cls).items()) if name not in left_out}
        return ["class", cls.__qualname__, *(known or ()), *self._all((cls.__bases__, own))]

    def _other(self, thing: Any) -> list[str]:
        if hasattr(thing, "detach") and hasattr(thing, "numpy"):  # a tensor
            thing = thing.detach().cpu().double().numpy()
        if hasattr(thing, "tobytes") and hasattr(thing, "shape"):
            content = hashlib.sha256(thing.tobytes()).hexdigest()
            return [f"array {thing.dtype} {thing.shape} {content}"]
        if (inner := getattr(thing, "__wrapped__", None)) is not None:
            return ["wrapped", type(thing).__qualname__, *self.of(inner)]
        name, known = getattr(thing, "__qualname__", None), _known(getattr(thing, "__module__", ""))
        return [f"{name}", *known] if callable(thing) and name and known else [secrets.token_hex(8)]


def _known(module: str | None) -> list[str] | None:
    """Return what tells the code of a module; None where it has no file."""
    top = (module or "").partition(".")[0]
    if not module or not top:
        return None
    if top == "builtins" or (top in sys.stdlib_module_names and top != "__main__"):
        return [module]
    if is_followed(top):
        return [code_of(module)] if files_of(module) else None
    is_library = getattr(sys.modules.get(top), "__file__", None) is not None
    return [module, *map(str, versions([top]).items())] if is_library else None


def _names(code: types.CodeType) -> set[str]:
    """Return every name that code, and the code within it, looks up."""
    inner = (one for one in code.co_consts if isinstance(one, types.CodeType))
    return {*code.co_names}.union(*map(_names, inner))


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # of a name that has no value yet
        return False
    return True
