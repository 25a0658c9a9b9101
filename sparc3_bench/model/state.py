"""All of a model and of the process that a plugin might change: taken, compared, put back."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sparc3_bench import namespaces
from sparc3_bench.model.fingerprint import fingerprint
from sparc3_bench.model.process import PROCESS, REGISTERS, SEEDS
from sparc3_bench.model.view import ModelView

State = Mapping[str, Mapping[str, Any]]
"""By section (`weights`, `gradients`, `hooks`, `flags`, `attributes`, `functions`, `process`,
`registers`, `seeds`), what has a name there, and its value."""

_CONFIGURED = ("config", "generation_config")
_LEFT = {"weights": "other bits in", "gradients": "a gradient on", "hooks": "a hook on"}
"""What is left behind, by section of the state; of others another value."""


def taken(view: ModelView, *, trusting: bool = False) -> State:
    """Return the state of a model and of the process, to compare with another one.

    For `trusting` see `fingerprint`.
    """
    model = view.model
    tensors, parameters, found = _of_modules(model)
    read = {id(value): fingerprint(value, trusting=trusting) for value in tensors.values()}
    return {
        "weights": {
            **{name: read[id(value)] for name, value in tensors.items()},
            **{f"{name} (the object)": id(value) for name, value in parameters.items()},
        },
        "gradients": {n: True for n, value in parameters.items() if value.grad is not None},
        "hooks": {**found["hooks"], **_other_hooks(parameters)},
        "flags": {
            **found["flags"],
            **{f"{name}.requires_grad": value.requires_grad for name, value in parameters.items()},
        },
        "attributes": {
            **found["attributes"],
            **{
                f"{owner}.{name}": repr(value)
                for owner in _CONFIGURED
                if (held := getattr(model, owner, None)) is not None
                for name, value in vars(held).items()
            },
        },
        "functions": {
            **namespaces.members(_owners(model)),
            "ALL_ATTENTION_FUNCTIONS": dict(ALL_ATTENTION_FUNCTIONS.items()),
        },
        "process": {name: one.read() for name, one in PROCESS.items()},
        "registers": {name: one.read() for name, one in REGISTERS.items()},
        "seeds": {name: one.read() for name, one in SEEDS.items()},
    }


def differences(before: State, after: State) -> dict[str, list[str]]:
    """Return by section the names whose values are new, gone or others than before."""
    found = {section: namespaces.changed(old, after[section]) for section, old in before.items()}
    found["functions"] = namespaces.replaced(before["functions"], after["functions"])
    found["registers"] = [
        f"{register}[{name!r}]"
        for register, old in before["registers"].items()
        for name in namespaces.changed(old, after["registers"][register])
        if name in old
    ]
    return found


def described(section: str, name: str) -> str:
    """Return in words what is left behind under a name of a section."""
    return f"{_LEFT.get(section, 'another value in')} `{name}`"


@contextmanager
def undoing(view: ModelView) -> Iterator[None]:
    """Put back on leaving what a plugin changed outside its own model.

    Otherwise one broken promise would spoil what comes after it.
    """
    owners = [(owner, dict(vars(owner))) for owner in _owners(view.model)]
    attention = dict(ALL_ATTENTION_FUNCTIONS.items())
    watched = [*PROCESS.values(), *REGISTERS.values(), *SEEDS.values()]
    process = [(one, one.read()) for one in watched]
    try:
        yield
    finally:
        for owner, members in owners:
            namespaces.put_back(owner, members)
        for name, function in attention.items():
            if ALL_ATTENTION_FUNCTIONS[name] is not function:
                ALL_ATTENTION_FUNCTIONS[name] = function
        for one, value in process:
            # What cannot be put back spoils nothing else.
            with suppress(Exception):
                if one.put is not None and one.read() != value:
                    one.put(value)


def _of_modules(
    model: nn.Module,
) -> tuple[dict[str, Tensor], dict[str, nn.Parameter], dict[str, dict[str, Any]]]:
    """Return all tensors, the parameters among them, and hooks, flags and attributes of modules."""
    tensors: dict[str, Tensor] = {}
    parameters: dict[str, nn.Parameter] = {}
    hooks: dict[str, Any] = {}
    flags: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, module in model.named_modules():
        within = f"{name}." if name else ""
        attributes[f"{name} (the module)"] = id(module)
        for key, value in vars(module).items():
            if key in ("_parameters", "_buffers"):
                held = {within + inner: one for inner, one in value.items() if one is not None}
                tensors |= held
                parameters |= held if key == "_parameters" else {}
            elif key == "training":
                flags[within + key] = value
            elif key.endswith("_hooks"):
                if value:
                    hooks[f"{name or 'the model'} ({_kind(key)})"] = tuple(value.values())
            elif not (key == "_modules" or key.endswith(("_with_kwargs", "_always_called"))):
                attributes[within + key] = _shallow(value)
                if isinstance(value, Tensor):
                    tensors[within + key] = value
    return tensors, parameters, {"hooks": hooks, "flags": flags, "attributes": attributes}


def _other_hooks(parameters: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    """Return the hooks of all modules at once, and of parameters."""
    return {
        **{
            f"all modules ({_kind(kind.removeprefix('_global'))})": tuple(held.values())
            for kind, held in vars(nn.modules.module).items()
            if kind.startswith("_global_") and isinstance(held, dict) and held
        },
        **{
            f"{name} (the parameter)": tuple(held.values())
            for name, value in parameters.items()
            for held in (value._backward_hooks, value._post_accumulate_grad_hooks)
            if held
        },
    }


def _kind(attribute: str) -> str:
    return attribute.strip("_").removesuffix("s").replace("_", " ")


def _owners(model: nn.Module) -> list[Any]:
    """Return the classes of a model's modules, their files, and what everybody calls."""
    kinds = {kind for module in model.modules() for kind in type(module).__mro__} - {object}
    named = {kind.__module__ for kind in kinds} - {"typing", "abc"}
    files = (sys.modules[name] for name in sorted(named) if name in sys.modules)
    found = [*kinds, *files, *namespaces.shared()]
    return list({id(owner): owner for owner in found}.values())


def _shallow(value: Any) -> Any:
    """Return a value so that it is seen when something is put into it, or taken out."""
    return value.copy() if type(value) in (dict, list, set) else value
