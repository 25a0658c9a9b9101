"""Hosts in which plugins of tests are installed beside those that are built in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from types import ModuleType, SimpleNamespace

from sparc3_bench import hookimpl
from sparc3_bench.host import PluginHost


def host_with(name: str, *, but: str = "", **plugins: Iterable[type]) -> PluginHost:
    """Return what is built in with plugins by kind (`tasks`, …), but without the package `but`."""
    module = ModuleType(name)
    for kind, classes in plugins.items():
        setattr(module, f"sparc3_register_{kind}", hookimpl(_giving(list(classes))))
    dist = SimpleNamespace(name=name, version="1")
    point = SimpleNamespace(name=name, value=name, dist=dist, load=lambda: module)
    found = entry_points(group="sparc3_bench")
    return PluginHost([point, *(one for one in found if not but or but not in one.value)])


def _giving(classes: list[type]) -> Callable[[], list[type]]:
    return lambda: classes
