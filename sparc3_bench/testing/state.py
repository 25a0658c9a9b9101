"""All of a model and of the process that scoring might change: taken, compared, put back."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sparc3_bench.model.view import ModelView

State = Mapping[str, Mapping[str, Any]]
"""By section (`weights`, `gradients`, `hooks`, `flags`, `attributes`, `classes`, `process`), what
has a name there, and its value."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# Told by other sections, or kept by torch for itself.
_OWN = {*_HOOKS, "training", "_parameters", "_buffers", "_modules"}
_PROCESS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "the random state of torch": (torch.get_rng_state, torch.set_rng_state),
    "the random state of Python": (random.getstate, random.setstate),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "whether gradients are recorded": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's deterministic mode": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
}
"""How the state of the process is read and put back."""
_GENERATED = ("__annotations__", "__annotate", "__abstractmethods__", "_abc_impl", "__weakref__")


def taken(view: ModelView) -> State:
    """Return the state of a model and of the process, to compare with another one."""
    model = view.model
    parameters = dict(model.named_parameters())
    modules = dict(model.named_modules())
    stored = {**model.state_dict(), **dict(model.named_buffers())}
    return {
        "weights": {
            **{name: _bytes(values) for name, values in stored.items()},
            **{f"{name} (the object)": id(value) for name, value in parameters.items()},
        },
        "gradients": {n: True for n, value in parameters.items() if value.grad is not None},
        "hooks": {
            f"{name or 'the model'} ({kind.strip('_').removesuffix('s').replace('_', ' ')})": hook
            for name, module in modules.items()
            for kind in _HOOKS
            for hook in getattr(module, kind).values()
        }
        | {
            f"{name} (the parameter)": hook
            for name, value in parameters.items()
            for hook in (value._backward_hooks or {}).values()
        },
        "flags": {
            **{f"{name}.requires_grad": value.requires_grad for name, value in parameters.items()},
            **{f"{name}.training".lstrip("."): m.training for name, m in modules.items()},
        },
        "attributes": {
            **{
                f"{name}.{attribute}".lstrip("."): value
                for name, module in modules.items()
                for attribute, value in vars(module).items()
                if attribute not in _OWN and not attribute.endswith(("_hooks", "_with_kwargs"))
            },
            **{f"{name} (the module)": id(module) for name, module in modules.items()},
            **{f"config.{name}": repr(value) for name, value in vars(view.config).items()},
        },
        "classes": {
            f"{getattr(owner, '__qualname__', owner.__name__)}.{name}": value
            for owner in _owners(model)
            for name, value in vars(owner).items()
            if not name.startswith(_GENERATED)
        },
        "process": {
            **{f"attention function '{n}'": f for n, f in ALL_ATTENTION_FUNCTIONS.items()},
            **{
                name: _bytes(value) if isinstance(value := read(), Tensor) else value
                for name, (read, _) in _PROCESS.items()
            },
        },
    }


def differences(before: State, after: State) -> dict[str, list[str]]:
    """Return by section the names whose values are new, gone or others than before."""
    found: dict[str, list[str]] = {}
    for section, old in before.items():
        new = after[section]
        names = [*old, *(name for name in new if name not in old)]
        found[section] = [
            name
            for name in names
            if not (name in old and name in new and _same(old[name], new[name]))
        ]
    return found


class Interrupted(KeyboardInterrupt):
    """Raised in the middle of a run, as control-C is."""


def left_behind(view: ModelView, act: Callable[[], object]) -> tuple[dict[str, list[str]], bool]:
    """Return what acting leaves changed, by section, and whether an interruption came through."""
    through = False
    with undoing(view):
        before = taken(view)
        try:
            act()
        except Interrupted:
            through = True
        # Before all is put back, which includes the random state.
        return differences(before, taken(view)), through


@contextmanager
def another_seed() -> Iterator[None]:
    """Let Python and torch draw other numbers meanwhile."""
    state = random.getstate()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        random.seed(1)
        try:
            yield
        finally:
            random.setstate(state)


@contextmanager
def undoing(view: ModelView) -> Iterator[None]:
    """Put back on leaving what a plugin changed outside its own model.

    Otherwise one broken promise would spoil the checks, and the plugins, that come after it.
    """
    owners = [(owner, dict(vars(owner))) for owner in _owners(view.model)]
    attention = dict(ALL_ATTENTION_FUNCTIONS.items())
    process = [(read, put, read()) for read, put in _PROCESS.values()]
    try:
        yield
    finally:
        for owner, values in owners:
            _put_back(owner, values)
        for name, function in attention.items():
            if ALL_ATTENTION_FUNCTIONS[name] is not function:
                ALL_ATTENTION_FUNCTIONS[name] = function
        for read, put, value in process:
            if not _same(read(), value):
                put(value)


def _owners(model: nn.Module) -> list[Any]:
    """Return the classes of a model's modules, and the files that their forwards call into."""
    kinds = {kind: None for module in model.modules() for kind in type(module).__mro__}
    return [
        *(kind for kind in kinds if kind is not object),
        sys.modules[type(model).__module__],
        nn.functional,
    ]


def _put_back(owner: Any, values: Mapping[str, Any]) -> None:
    for name, value in dict(vars(owner)).items():
        if name.startswith(_GENERATED):
            continue
        if name not in values:
            delattr(owner, name)
        elif value is not values[name]:
            setattr(owner, name, values[name])
    for name in values.keys() - vars(owner).keys():
        setattr(owner, name, values[name])


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other) or isinstance(one, Tensor):
        return False
    try:
        return bool(one == other)
    except Exception:  # a stranger's object may compare by raising
        return False


def _bytes(values: Tensor) -> bytes:
    return values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
