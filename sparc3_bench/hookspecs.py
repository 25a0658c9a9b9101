"""The hooks by which plugins enter, built-in or not: no arguments, classes returned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from sparc3_bench.contracts import Judge, ModelAdapter, ModelSource, Scorer, Suite, Task

GROUP = "sparc3_bench"
"""Name of the entry-point group and of the pluggy project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Mark a function of a plugin module as the implementation of one of the hooks below."""


@hookspec
def sparc3_register_scorers() -> Iterable[type[Scorer]]:  # type: ignore[empty-body]
    """Scorer classes this plugin offers.

    A complete plugin module::

        from sparc3_bench import Scorer, hookimpl


        class ActivationNorm(Scorer):
            name = "activation-norm"
            title = "Activation norm"

            def score(self, model, reference):
                square_sum = {}

                def add(name, inputs):  # [tokens, in_features]
                    square_sum[name] = square_sum.get(name, 0) + inputs.square().sum(0)

                with model.observe(add):
                    model.run(reference)
                return {
                    name: square_sum[name].sqrt().expand_as(weight.matrix)
                    for name, weight in model.weights().items()
                }


        @hookimpl
        def sparc3_register_scorers():
            return [ActivationNorm]
    """


@hookspec
def sparc3_register_tasks() -> Iterable[type[Task]]:  # type: ignore[empty-body]
    """Task classes this plugin offers.

    ``return [MyTask]`` in a function of this name, marked with ``hookimpl``; see
    ``tasks/README.md`` for a task from its data to its card.
    """


@hookspec
def sparc3_register_adapters() -> Iterable[type[ModelAdapter]]:  # type: ignore[empty-body]
    """Adapter classes this plugin offers.

    ``return [MyAdapter]`` in a function of this name, marked with ``hookimpl``; see
    ``plugins/README.md`` for an adapter of forty lines.
    """


@hookspec
def sparc3_register_models() -> Iterable[type[ModelSource]]:  # type: ignore[empty-body]
    """Named models this plugin offers, for use as ``--model NAME``.

    ``return [MyModel]`` in a function of this name, marked with ``hookimpl``.
    """


@hookspec
def sparc3_register_suites() -> Iterable[type[Suite]]:  # type: ignore[empty-body]
    """Suites this plugin offers, for use as ``--suite NAME``.

    ``return [MySuite]`` in a function of this name, marked with ``hookimpl``.
    """


@hookspec
def sparc3_register_judges() -> Iterable[type[Judge]]:  # type: ignore[empty-body]
    """Judges of texts this plugin offers, for use as ``--judge NAME``.

    ``return [MyJudge]`` in a function of this name, marked with ``hookimpl``.
    """
