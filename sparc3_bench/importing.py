"""Plugins of others are imported in a process of their own first: it may hang, exit or crash."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

from sparc3_bench.assets import default_cache
from sparc3_bench.folder.local import Folder
from sparc3_bench.folder.seen import READS

SECONDS = 60.0
"""How long an import may take."""
_MEMORY = 8 << 30
"""How many bytes of memory it may take."""
_SAID = 1 << 20
"""How many bytes it may print."""
_CODE = (*importlib.machinery.SOURCE_SUFFIXES, *importlib.machinery.EXTENSION_SUFFIXES)

_CHILD = f"""
import faulthandler, json, os, resource, sys
(seconds, first, point, sys.path[:]), told = json.loads(sys.argv[1]), int(sys.argv[2])
faulthandler.dump_traceback_later(seconds, exit=True)
resource.setrlimit(resource.RLIMIT_DATA, ({_MEMORY}, {_MEMORY}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for name in first:
    __import__(name)
from importlib.metadata import EntryPoint
from sparc3_bench import errors, host, namespaces
owners, write, dumps, leave = namespaces.shared(), os.write, json.dumps, os._exit
before, how, changed = namespaces.members(owners), "", []
try:
    EntryPoint(*point).load()
    host.PluginHost([EntryPoint(*point)])
except MemoryError:
    how = "it takes more than {_MEMORY >> 30} GiB of memory"
except Exception:
    pass  # told where it is imported again
except BaseException as error:
    how = f"it raises {{errors.describe(error)[:200]}}"
else:
    old = {{f"{{owner}}.{{name}}" for owner, own in before.items() for name in own}}
    changed = [n for n in namespaces.replaced(before, namespaces.members(owners)) if n in old][:3]
write(told, dumps([how, changed, "torch" in sys.modules]).encode())
leave(0)
"""


def unsafe(points: Iterable[EntryPoint]) -> dict[tuple[str, str], str]:
    """Return why plugins must not be imported here, by name and value of their entry point.

    Each is imported in a process of its own, where its hooks are called too; several run at a time.
    What was found is kept in the cache for as long as the files of the plugin, the versions of all
    that is installed, and Python are the same. An import that merely raises an error is left to
    whoever imports it.
    """
    found, new = {}, {}
    for point in points:
        file, key = _kept_in(point), _key(point)
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            known = kept["why"] if kept["key"] == key else None
        except (OSError, ValueError, LookupError, TypeError):
            known = None
        if known is None:
            new[point.name, point.value] = (point, file, key)
        elif known:
            found[point.name, point.value] = f"{known}; to try it again, delete {file}"
    for point, why in _tried([point for point, _, _ in new.values()]):
        _, file, key = new[point.name, point.value]
        if why:
            found[point.name, point.value] = why
        with contextlib.suppress(OSError):  # then it is tried again the next time
            Folder(file.parent).write(file.name, json.dumps({"key": key, "why": why}))
    return found


class _Trial:
    """The import of a plugin in a process of its own, behind that of some modules."""

    def __init__(self, point: EntryPoint, first: Sequence[str] = ()) -> None:
        self.point, self.first = point, first
        self._answer, told = os.pipe()
        named = (point.name, point.value, point.group)
        # The process ends also when nobody is left to end it.
        given = json.dumps([2 * SECONDS, first, named, sys.path])
        with READS.aside():  # what it imports is read here, too
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, given, str(told)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[told],
                start_new_session=True,
            )
        os.close(told)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        os.set_blocking(self._answer, False)
        self._end, self._said = time.monotonic() + SECONDS, 0

    def ended(self) -> tuple[str, bool] | None:
        """Return why it must not be imported here, if so, and whether it loads torch.

        None while it is being imported.
        """
        code = self._process.poll()
        while part := self._output.read(1 << 16):
            self._said += len(part)
            if self._said > _SAID:
                return f"it prints more than {_SAID >> 20} MiB", False
        if code is None:
            late = time.monotonic() > self._end
            return (f"it does not finish within {SECONDS:g} s", False) if late else None
        try:
            how, changed, torch = json.loads(os.read(self._answer, 1 << 16))
        except (BlockingIOError, ValueError):
            if code >= 0:
                return f"its process ended with exit code {code}", False
            return f"its process died by signal {-code} ({signal.Signals(-code).name})", False
        if changed:
            how = f"it replaces {', '.join(changed)}, which everybody calls"
        return how, torch

    def close(self) -> None:
        """End the process, and what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()
        os.close(self._answer)


def _tried(points: Sequence[EntryPoint]) -> Iterator[tuple[EntryPoint, str]]:
    """Yield each plugin with why it must not be imported here, or "", as it is found out."""
    waiting: list[tuple[EntryPoint, Sequence[str]]] = [(point, ()) for point in points]
    running: list[_Trial] = []
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                running.append(_Trial(*waiting.pop(0)))
            for one in running.copy():
                if (ended := one.ended()) is None:
                    continue
                running.remove(one)
                one.close()
                why, torch = ended
                if torch and not why and not one.first:
                    # Whether it replaces functions of torch shows only where torch was there first.
                    waiting.append((one.point, ["torch"]))
                else:
                    yield one.point, why
            time.sleep(0.01)
    finally:
        for one in running:
            one.close()


def _kept_in(point: EntryPoint) -> Path:
    """Return the file for what is found out about a plugin."""
    about = [point.dist and point.dist.name, point.name, sys.prefix, sys.version]
    return default_cache() / "imports" / f"{_digest(about)}.json"


def _key(point: EntryPoint) -> str:
    """Return a digest of all that the outcome depends on."""
    top, places = point.module.partition(".")[0], [Path(one) for one in sys.path]
    files = {Path(str(one.locate())) for one in (point.dist and point.dist.files) or ()}
    with contextlib.suppress(ImportError, ValueError):
        if spec := importlib.util.find_spec(top):
            files |= {Path(spec.origin)} if spec.origin else set()
            for folder in spec.submodule_search_locations or ():
                files |= set(Path(folder).rglob("*"))
    seen = []
    for file in sorted(files):
        if file.name.endswith(_CODE):
            with contextlib.suppress(OSError):
                about = file.stat()
                seen.append([str(file), about.st_size, about.st_mtime_ns])
    installed = [sorted(one.name for one in place.glob("*.dist-info")) for place in places]
    return _digest([point.value, point.dist and point.dist.version, seen, installed])


def _digest(about: object) -> str:
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
