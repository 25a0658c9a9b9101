"""The ways into the kit: a report on one plugin, or one pytest case for every plugin and check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import sparc3_bench.testing.adapter_blocks as adapter_blocks
import sparc3_bench.testing.adapter_checks as adapter_checks
import sparc3_bench.testing.plugin_checks as plugin_checks
import sparc3_bench.testing.pruning_checks as pruning_checks
import sparc3_bench.testing.scorer_checks as scorer_checks
import sparc3_bench.testing.scorer_memory as scorer_memory
import sparc3_bench.testing.scorer_repeats as scorer_repeats
import sparc3_bench.testing.scorer_restores as scorer_restores
import sparc3_bench.testing.task_checks as task_checks
import sparc3_bench.testing.task_measures as task_measures
import sparc3_bench.testing.task_restores as task_restores
from sparc3_bench.configurable import Configurable
from sparc3_bench.contracts import Scorer, Task
from sparc3_bench.errors import PluginError, Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host
from sparc3_bench.pruning import Allocation, Repair
from sparc3_bench.testing.report import (
    Check,
    CheckFailure,
    CheckSkipped,
    Outcome,
    Report,
    one_thread,
    run_checks,
)
from sparc3_bench.types.architecture import ModelAdapter


def _checks_in(*modules: ModuleType) -> tuple[Check, ...]:
    """Return the checks that modules define, in their order."""
    return tuple(
        value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("check_") and value.__module__ == module.__name__
    )


CHECKS: dict[str, tuple[Check, ...]] = {
    "scorer": _checks_in(
        plugin_checks, scorer_checks, scorer_repeats, scorer_memory, scorer_restores
    ),
    "task": _checks_in(plugin_checks, task_checks, task_measures, task_restores),
    "adapter": (plugin_checks.check_describes_itself, *_checks_in(adapter_checks, adapter_blocks)),
    "allocation": (
        *_checks_in(plugin_checks),
        pruning_checks.check_allots_what_was_asked_for,
        pruning_checks.check_allots_the_same_again,
    ),
    "repair": (*_checks_in(plugin_checks), pruning_checks.check_repairs_what_is_kept),
}
"""The checks of each kind of plugin, in the order they run."""

_BASES: dict[str, type] = {
    "scorer": Scorer,
    "task": Task,
    "adapter": ModelAdapter,
    "allocation": Allocation,
    "repair": Repair,
}

Told = Callable[[Outcome], None]
"""Called with each outcome as it comes."""

Expected = Mapping[str, str]
"""Checks that are known to fail, each with the reason."""


def check_scorer(
    plugin: str | Scorer | type[Scorer],
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Expected | None = None,
    told: Told | None = None,
) -> Report:
    """Try every promise that a scorer makes, on tiny models.

    Parameters
    ----------
    plugin
        A class, a scorer made, or the name of one that is installed.
    options
        Options to make it with, where a class or a name is given; they go before its
        `tiny_options`.
    expected_failures
        Checks that are known to fail, each with the reason; one of them that does not fail is a
        failure of its own.
    told
        Called with each outcome as it comes.

    Raises
    ------
    UnknownNameError, Sparc3Error
        When nothing is installed under the name, there is no such check, or a reason is missing.
    """
    return check_plugin("scorer", plugin, options, expected_failures, told)


def check_task(
    plugin: str | Task | type[Task],
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Expected | None = None,
    told: Told | None = None,
) -> Report:
    """Try every promise that a task makes, on a tiny model that has learned what the task asks.

    Parameters and errors are those of `check_scorer`. A class or a name is made with the task's
    `tiny_options`, but for those in `options`; texts come from the user's cache.
    """
    return check_plugin("task", plugin, options, expected_failures, told)


def check_adapter(
    plugin: str | ModelAdapter | type[ModelAdapter],
    *,
    expected_failures: Expected | None = None,
    told: Told | None = None,
) -> Report:
    """Try every promise that an adapter makes, on a tiny model of each type that it serves.

    Parameters and errors are those of `check_scorer`; an adapter has no options.
    """
    return check_plugin("adapter", plugin, None, expected_failures, told)


def parametrize_with_checks(
    plugins: Iterable[Any], *, expected_failures: Expected | None = None
) -> Any:
    """Return a pytest decorator that runs a test for every plugin and each of its checks.

    Parameters
    ----------
    plugins
        Classes, or objects made with options; kinds may be mixed.
    expected_failures
        As for `check_scorer`, of all these plugins; pytest is told to expect them (strictly).

    Examples
    --------
    ::

        @parametrize_with_checks([MyScorer, MyScorer(power=2.0)])
        def test_conforms(plugin, check):
            check(plugin)
    """
    import pytest

    chosen, expected = list(plugins), expected_failures or {}
    pairs = [(plugin, check) for plugin in chosen for check in CHECKS[kind_of(plugin)]]
    _check_expected(expected, [check for _, check in pairs])
    marks = {
        name: pytest.mark.xfail(reason=reason, raises=CheckFailure, strict=True)
        for name, reason in expected.items()
    }
    cases = [
        pytest.param(
            plugin,
            _for_pytest(check),
            id=f"{_label(plugin)}-{check.__name__}",
            marks=marks.get(check.__name__, ()),
        )
        for plugin, check in pairs
    ]
    return pytest.mark.parametrize(("plugin", "check"), cases)


def kind_of(plugin: Any) -> str:
    """Return `scorer`, `task`, `adapter`, `allocation` or `repair`.

    Raises
    ------
    PluginError
        When it is none of these.
    """
    cls = plugin if isinstance(plugin, type) else type(plugin)
    for kind, base in _BASES.items():
        if issubclass(cls, base):
            return kind
    raise PluginError(
        f"`{cls.__name__}` is no {', '.join([*_BASES][:-1])} or {[*_BASES][-1]}, which is what can "
        "be checked; derive it from `sparc3_bench.Scorer` or another of these contracts."
    )


def check_plugin(
    kind: str,
    plugin: Any,
    options: Mapping[str, Any] | None = None,
    expected: Expected | None = None,
    told: Told | None = None,
) -> Report:
    """Try every promise of a kind of plugin; parameters and errors are as of `check_scorer`."""
    host = default_host()
    if isinstance(plugin, str):
        plugin = host.get(kind, plugin).cls
    if kind_of(plugin) != kind:
        raise PluginError(f"`{_label(plugin)}` is no {kind}; use `check_{kind_of(plugin)}`.")
    _check_expected(expected or {}, CHECKS[kind])
    if options and isinstance(plugin, type):
        plugin = plugin(**{**getattr(plugin, "tiny_options", {}), **options})
    cls: Any = plugin if isinstance(plugin, type) else type(plugin)
    origins = [entry.origin for entry in host.all(kind).values() if entry.cls is cls]
    return Report(
        kind=kind,
        name=cls.name,
        distribution=origins[0].distribution if origins else None,
        version=origins[0].version if origins else None,
        options={} if kind == "adapter" else plugin_checks.instance_of(plugin).options(),
        outcomes=run_checks(CHECKS[kind], plugin, told or (lambda outcome: None), expected or {}),
    )


def _check_expected(expected: Expected, checks: Iterable[Check]) -> None:
    names = {check.__name__ for check in checks}
    for name, reason in expected.items():
        if name not in names:
            raise UnknownNameError("check", name, names)
        if not reason.strip():
            raise Sparc3Error(f"The expected failure of `{name}` has no reason; give one.")


def _label(plugin: Any) -> str:
    if isinstance(plugin, type):
        return plugin.__name__
    options = plugin.options() if isinstance(plugin, Configurable) else {}
    chosen = ",".join(f"{name}={value}" for name, value in options.items())
    return f"{type(plugin).__name__}({chosen})"


def _for_pytest(check: Check) -> Check:
    """Return the check with a skip that pytest knows."""
    import functools

    import pytest

    @functools.wraps(check)
    def run(plugin: Any) -> None:
        try:
            with one_thread():
                check(plugin)
        except CheckSkipped as skipped:
            pytest.skip(str(skipped))

    return run
