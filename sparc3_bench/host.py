"""PluginHost: find, load and name-check plugins, and explain what is broken."""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint
from typing import Any

import pluggy

from sparc3_bench import hookspecs
from sparc3_bench.contracts import Executor, Judge, Scorer, Suite, Task
from sparc3_bench.errors import PluginError, UnknownNameError, describe
from sparc3_bench.importing import unsafe
from sparc3_bench.printable import abridged, hidden_in
from sparc3_bench.pruning import Allocation, Repair
from sparc3_bench.record.spec import MOST_TITLE, PLUGIN_NAME
from sparc3_bench.source import code_of, files_of
from sparc3_bench.types.architecture import ModelAdapter, ModelSource

KINDS: dict[str, tuple[str, type]] = {
    "scorer": ("sparc3_register_scorers", Scorer),
    "task": ("sparc3_register_tasks", Task),
    "adapter": ("sparc3_register_adapters", ModelAdapter),
    "model": ("sparc3_register_models", ModelSource),
    "suite": ("sparc3_register_suites", Suite),
    "judge": ("sparc3_register_judges", Judge),
    "executor": ("sparc3_register_executors", Executor),
    "allocation": ("sparc3_register_allocations", Allocation),
    "repair": ("sparc3_register_repairs", Repair),
}


_LISTENS = "sparc3_result_written"
"""The hook of plugins that are told of results."""

_NAMED: dict[int, tuple[Distribution, tuple[str, str]]] = {}
"""Names and versions of distributions, read once; by id, as not all can be hashed."""
_LONGEST = 500
"""Characters of what is said about a broken plugin."""


@dataclass(frozen=True)
class Origin:
    """Where a plugin class came from."""

    plugin: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Registered:
    """A plugin class with its origin."""

    cls: type[Any]
    origin: Origin

    @property
    def code(self) -> str:
        """The digest of all code that the class rests on; see `code_of`."""
        return code_of(self.cls)

    @property
    def source_digest(self) -> str:
        """The digest of the bytes of the class's file and those of its package that it imports.

        Records tell by it that two runs had the same state of a plugin, whatever suite ran them.
        """
        top = self.cls.__module__.partition(".")[0]
        files = files_of(self.cls).items()
        own = [(path, file) for path, file in files if path.startswith((f"{top}/", f"{top}.py"))]
        if all(file.name == "__init__.py" for _, file in own[1:]):
            own = own[:1]  # it imports nothing from its package
        digest = hashlib.sha256()
        for path, file in sorted(own, key=lambda item: item[0].split("/")):
            digest.update(path.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:16]


class PluginHost:
    """Every scorer, task, adapter, model, suite, judge, executor, allocation and repair installed.

    Those that a stranger's distribution brings are tried in processes of their own first, see
    `unsafe`; entry points that are given are not.
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self._unsafe: Mapping[tuple[str, str], str] = {}
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=hookspecs.GROUP)
            self._unsafe = unsafe(p for p in entry_points if _distribution(p)[0] != "sparc3-bench")
        self.broken: dict[str, str] = {}
        """One sentence for every plugin that could not be used. The rest works."""
        self.listeners: dict[str, Callable[..., Any]] = {}
        """By plugin, what is to be told of results that were written."""
        self._registered: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        # By identity too: a distribution that is on sys.path twice lists its entry points twice.
        unique = {(p.name, p.value, _distribution(p)[0]): p for p in entry_points}
        # Built-ins first, so that in a clash of names the newcomer is the one refused.
        others = sorted(unique.values(), key=lambda p: (p.name, _distribution(p)))
        for point in sorted(others, key=lambda p: _distribution(p)[0] != "sparc3-bench"):
            self._load(point)

    def get(self, kind: str, name: str) -> Registered:
        """Return the class registered under `name`."""
        try:
            return self._registered[kind][name]
        except KeyError:
            note = "".join(f" Broken plugin: {text}" for text in self.broken.values())
            raise UnknownNameError(kind, name, self._registered[kind], note) from None

    def all(self, kind: str) -> dict[str, Registered]:
        """Return every class of a kind (`scorer`, `task`, … as above), by sorted name."""
        return dict(sorted(self._registered[kind].items()))

    def joined(
        self, kind: str, cls: type[Any], entry: Callable[[type[Any], Origin], Registered]
    ) -> PluginHost:
        """Return a host with one more class, which no plugin brings; `entry` makes its entry."""
        point = EntryPoint(name="given", value=cls.__module__, group=hookspecs.GROUP)
        found = self._checked(kind, cls, KINDS[kind][1], point)
        other = copy.copy(self)
        other._registered = {one: dict(known) for one, known in self._registered.items()}
        other._registered[kind][cls.name] = entry(found.cls, found.origin)
        return other

    def _load(self, point: EntryPoint) -> None:
        distribution, version = _distribution(point)
        label = f"{point.name} ({distribution} {version})"
        if why := self._unsafe.get((point.name, point.value)):
            self._refuse(label, f"{label} cannot be imported: {why}.")
            return
        try:
            module = point.load()
        except (Exception, SystemExit) as error:  # a stranger's import may raise anything
            self._refuse(label, f"{label} cannot be imported: {describe(error)}.")
            return
        # A manager of its own for each plugin, so that one bad plugin cannot spoil the others.
        manager = pluggy.PluginManager(hookspecs.GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(module, name=point.name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            hooks = ", ".join([*(hook for hook, _ in KINDS.values()), _LISTENS])
            reason = str(error).splitlines()[-1]
            self._refuse(label, f"{label} has an invalid hook: {reason}; the hooks are {hooks}.")
            return
        try:
            offered = [
                (kind, self._checked(kind, cls, base, point))
                for kind, (hook, base) in KINDS.items()
                for classes in getattr(manager.hook, hook)()
                for cls in classes
            ]
        except PluginError as error:
            self._refuse(label, f"{label}: {error}")
            return
        except Exception as error:
            self._refuse(label, f"{label} failed in its hook: {describe(error)}.")
            return
        names = [(kind, entry.cls.name) for kind, entry in offered]
        for kind, name in names:
            if names.count((kind, name)) > 1:
                self._refuse(label, f"{label} offers two {kind}s called '{name}'; rename one.")
                return
        for kind, entry in offered:
            self._registered[kind][entry.cls.name] = entry
        if (hook := getattr(manager.hook, _LISTENS)).get_hookimpls():
            self.listeners[label] = hook

    def _refuse(self, label: str, text: str) -> None:
        self.broken[label] = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

    def _checked(self, kind: str, cls: Any, base: type, point: EntryPoint) -> Registered:
        if not _is_subclass(cls, base):
            raise PluginError(
                f"{cls!r} is offered as a {kind} but is not a subclass of {base.__name__}; "
                f"derive it from `sparc3_bench.{base.__name__}`."
            )
        if inspect.isabstract(cls):
            missing = ", ".join(sorted(cls.__abstractmethods__))
            raise PluginError(f"{kind} `{cls.__name__}` lacks {missing}; implement it.")
        # What has a default in the base class is optional.
        declared = [name for one in base.__mro__ for name in inspect.get_annotations(one)]
        required = [name for name in declared if not hasattr(base, name)]
        absent = [name for name in required if getattr(cls, name, None) is None]
        if absent:
            raise PluginError(f"{kind} `{cls.__name__}` lacks the class attribute `{absent[0]}`.")
        _check_words(kind, cls)
        if (taken := self._registered[kind].get(cls.name)) is not None:
            raise PluginError(
                f"the {kind} name '{cls.name}' is already taken by {taken.origin.distribution} "
                f"{taken.origin.version}; rename one of them or uninstall it."
            )
        distribution, version = _distribution(point)
        return Registered(cls, Origin(point.name, distribution, version))


def _check_words(kind: str, cls: Any) -> None:
    """Refuse a name that cannot be typed or recorded, and a title that readers cannot trust."""
    if not isinstance(cls.name, str) or not re.fullmatch(PLUGIN_NAME, cls.name):
        raise PluginError(
            f"the name {abridged(repr(cls.name), 80)} of {kind} `{cls.__name__}` must have small "
            "letters, digits and dashes alone, 64 at most; rename it."
        )
    title = getattr(cls, "title", cls.name)
    if not isinstance(title, str) or not 0 < len(title) <= MOST_TITLE:
        raise PluginError(
            f"the title of {kind} '{cls.name}' must be a text of 1 to {MOST_TITLE} characters."
        )
    if (found := hidden_in(title, line=True)) is not None:
        raise PluginError(
            f"the title of {kind} '{cls.name}' has the character {found}, which no reader sees; "
            "leave it out."
        )


def _is_subclass(cls: Any, base: type) -> bool:
    return inspect.isclass(cls) and issubclass(cls, base)


def _distribution(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    if dist is None:
        return "unknown", "0"
    # Each look at a name reads all metadata, with the README in it.
    known = _NAMED.get(id(dist))
    if known is None or known[0] is not dist:
        known = _NAMED[id(dist)] = (dist, (dist.name, dist.version))
    return known[1]


@lru_cache(maxsize=1)
def default_host() -> PluginHost:
    """Return the host over all plugins installed in this environment, loaded once."""
    return PluginHost()
