"""The ways into the kit: a report on one plugin, or one pytest case for every plugin and check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sparc3_bench.contracts import ModelAdapter, Scorer
from sparc3_bench.errors import PluginError
from sparc3_bench.host import default_host
from sparc3_bench.testing.adapter_checks import ADAPTER_CHECKS
from sparc3_bench.testing.report import Check, CheckSkipped, Outcome, Report, run_checks
from sparc3_bench.testing.scorer_checks import SCORE_CHECKS
from sparc3_bench.testing.scorer_repeats import REPEATING_CHECKS
from sparc3_bench.testing.scorer_restores import RESTORING_CHECKS

CHECKS: dict[str, tuple[Check, ...]] = {
    "scorer": (*SCORE_CHECKS, *REPEATING_CHECKS, *RESTORING_CHECKS),
    "adapter": ADAPTER_CHECKS,
}
"""The checks of each kind of plugin, in the order they run."""

_BASES: dict[str, type] = {"scorer": Scorer, "adapter": ModelAdapter}


def check_scorer(
    plugin: str | Scorer | type[Scorer],
    *,
    options: Mapping[str, Any] | None = None,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Try every promise that a scorer makes, on tiny models.

    Parameters
    ----------
    plugin
        A class, a scorer made, or the name of one that is installed.
    options
        Options to make it with, where a class or a name is given.
    told
        Called with each outcome as it comes.

    Raises
    ------
    UnknownNameError
        When nothing is installed under the name.
    """
    return _checked("scorer", plugin, options, told)


def check_adapter(
    plugin: str | ModelAdapter | type[ModelAdapter],
    *,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Try every promise that an adapter makes, on a tiny model of each type that it serves.

    Parameters
    ----------
    plugin
        A class, an adapter made, or the name of one that is installed.
    told
        Called with each outcome as it comes.

    Raises
    ------
    UnknownNameError
        When nothing is installed under the name.
    """
    return _checked("adapter", plugin, None, told)


def parametrize_with_checks(plugins: Iterable[Any]) -> Any:
    """Return a pytest decorator that runs a test for every plugin and each of its checks.

    Parameters
    ----------
    plugins
        Classes, or objects made with options; scorers and adapters may be mixed.

    Examples
    --------
    ::

        @parametrize_with_checks([MyScorer, MyScorer(power=2.0)])
        def test_conforms(plugin, check):
            check(plugin)
    """
    import pytest

    cases = [
        pytest.param(plugin, _for_pytest(check), id=f"{_label(plugin)}-{check.__name__}")
        for plugin in plugins
        for check in CHECKS[kind_of(plugin)]
    ]
    return pytest.mark.parametrize(("plugin", "check"), cases)


def kind_of(plugin: Any) -> str:
    """Return `scorer` or `adapter`.

    Raises
    ------
    PluginError
        When it is neither.
    """
    cls = plugin if isinstance(plugin, type) else type(plugin)
    for kind, base in _BASES.items():
        if issubclass(cls, base):
            return kind
    raise PluginError(
        f"`{cls.__name__}` is neither a scorer nor an adapter, which is what can be checked; "
        "derive it from `sparc3_bench.Scorer` or `sparc3_bench.ModelAdapter`."
    )


def _checked(
    kind: str, plugin: Any, options: Mapping[str, Any] | None, told: Callable[[Outcome], None]
) -> Report:
    host = default_host()
    if isinstance(plugin, str):
        plugin = host.get(kind, plugin).cls
    if kind_of(plugin) != kind:
        raise PluginError(f"`{_label(plugin)}` is no {kind}; use `check_{kind_of(plugin)}`.")
    if options:
        plugin = plugin(**options)
    cls: Any = plugin if isinstance(plugin, type) else type(plugin)
    origins = [entry.origin for entry in host.all(kind).values() if entry.cls is cls]
    return Report(
        kind=kind,
        name=cls.name,
        distribution=origins[0].distribution if origins else None,
        version=origins[0].version if origins else None,
        options={} if isinstance(plugin, type) or kind != "scorer" else plugin.options(),
        outcomes=run_checks(CHECKS[kind], plugin, told),
    )


def _label(plugin: Any) -> str:
    if isinstance(plugin, type):
        return plugin.__name__
    options = plugin.options() if isinstance(plugin, Scorer) else {}
    chosen = ",".join(f"{name}={value}" for name, value in options.items())
    return f"{type(plugin).__name__}({chosen})"


def _for_pytest(check: Check) -> Check:
    """Return the check with a skip that pytest knows."""
    import functools

    import pytest

    @functools.wraps(check)
    def run(plugin: Any) -> None:
        try:
            check(plugin)
        except CheckSkipped as skipped:
            pytest.skip(str(skipped))

    return run
