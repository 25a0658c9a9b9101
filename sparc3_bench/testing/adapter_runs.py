"""Run tiny models through an adapter for the checks, and keep what went through each module."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import CheckSkipped, demand, once
from sparc3_bench.testing.tiny import CONFIGS, make_config, make_model, make_reference
from sparc3_bench.types.architecture import ModelAdapter

Plugin = ModelAdapter | type[ModelAdapter]


@dataclass(frozen=True)
class Seen:
    """A tiny model through the adapter, and what went through its modules in a forward pass."""

    view: ModelView
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def __str__(self) -> str:
        return f"in a tiny model of type '{self.view.config.model_type}'"


def model_types(adapter: ModelAdapter) -> tuple[str, ...]:
    """Return the types to try an adapter on; for one that serves any, all that are known here."""
    return tuple(CONFIGS) if adapter.model_types == () else adapter.model_types


def views(plugin: Plugin) -> Iterator[Seen]:
    """Run a tiny model of every type that the adapter serves, once for all; skip without any."""
    adapter = instance_of(plugin)
    found = once(plugin, "views", lambda: list(_viewed(adapter)))
    if not found:
        raise CheckSkipped("no model can be viewed; see check_finds_its_modules")
    yield from found


of_views = functools.partial(demand, of=views)
"""A demand on a tiny model of every type that an adapter serves."""


def _viewed(adapter: ModelAdapter) -> Iterator[Seen]:
    for model_type in model_types(adapter):
        try:
            view = tiny_view(adapter, model_type)
        except Exception:  # told by check_finds_its_modules
            continue
        yield _seen(view)


def tiny_view(adapter: ModelAdapter, model_type: str) -> ModelView:
    """Make a tiny random model of a type that the adapter serves, seen through it."""
    given = adapter.tiny_config(model_type)
    config = make_config(model_type) if given is None else given
    return ModelView(make_model(model_type, config=config), adapter.for_config(config))


def _seen(view: ModelView) -> Seen:
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name, (module, _) in view.roles().items():

            def after(module: object, args: Any, output: Any, name: str = name) -> None:
                if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
                    inputs[name], outputs[name] = args[0].detach(), output.detach()

            stack.callback(module.register_forward_hook(after).remove)
        view.run(make_reference(1))
    return Seen(view, inputs, outputs)
