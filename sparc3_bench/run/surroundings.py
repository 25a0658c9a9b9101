"""Surroundings: all but a question itself that its answer rests on, so that it may be kept."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sparc3_bench.assets import default_cache
from sparc3_bench.folder.seen import FINDINGS, READS, Stamp, stamp
from sparc3_bench.hookspecs import GROUP
from sparc3_bench.run.environment import processor_flags

_OF_TERMINALS = re.compile(
    r"_|(OLD)?PWD|SHLVL|TERM|COLORTERM|LINES|COLUMNS|WINDOWID|DISPLAY|MAKE\w*|MFLAGS|TMUX\w*|STY|"
    r"(SSH|XDG_SESSION|DBUS|VSCODE|LC|TERM)_\w+|GNUMAKEFLAGS|PYTEST_CURRENT_TEST"
)
"""Variables that differ between two terminals and move no answer."""
_INSTALLED = re.compile(r"/(site|dist)-packages/")
_CODE = (".py", ".pyc", ".so")
_ELSEWHERE = ("/proc/", "/dev/", "/sys/")
_OUT = ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
"""What is found out in other ways than by reading files, as Python names it."""


def surroundings(environment: Mapping[str, str]) -> list[Any]:
    """Return what answers rest on beside files: Python, all that is installed, and the processor.

    The environment is that of the process that answers, beside the variables of this one.
    """
    variables = {**os.environ, **environment}
    installed = [
        [str(one), stamp(one)]
        for place in dict.fromkeys(sys.path)
        for one in sorted(Path(place).glob("*.dist-info"))
    ]
    return [
        [sys.version, sys.prefix, sys.path, str(Path.cwd())],
        sorted(pair for pair in variables.items() if not _OF_TERMINALS.fullmatch(pair[0])),
        installed,
        [os.cpu_count(), sorted(processor_flags())],
        sorted(one.name for one in Path("/dev").glob("nvidia*")),
    ]


def watch(cache: Path) -> None:
    """Watch from now on what this process reads, but for findings in `cache`."""
    kept = [f"{(one / FINDINGS).absolute()}/" for one in (cache, default_cache())]
    passed_over = (*kept, *_ELSEWHERE)
    roots = {str(Path(place).absolute()) for place in sys.path}
    library = f"{Path(os.__file__).parent}/"
    own = {f"/{top}/" for top in _tops()}
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if event in _OUT:
            READS.spoil(event)
        elif event == "open":
            path, mode, flags = given
            if not isinstance(path, int) and not (mode and set(mode) & set("wax+")):
                if isinstance(flags, int) and flags & writes:
                    return
                tell(os.fsdecode(path), is_folder=False)
        elif event in ("os.listdir", "os.scandir") and not isinstance(given[0], int):
            tell(os.fsdecode(given[0] or "."), is_folder=True)

    def tell(name: str, *, is_folder: bool) -> None:
        path = str(Path(name).absolute())
        if path.startswith(passed_over) or "/.parts" in path or path.endswith("__pycache__"):
            return
        # What is installed is told by its version, but plugins, whose files are looked at.
        is_there = path.startswith(library) or _INSTALLED.search(path)
        told = is_there and not any(top in path for top in own)
        if told and (is_folder or path.endswith(_CODE)):
            return
        if not (is_folder and path in roots) and not path.endswith(".pyc"):
            READS.note(path)

    platform.processor()  # libraries ask for it; a process finds it out once, and Python keeps it
    READS.is_watching = True
    sys.addaudithook(hear)


def rests() -> dict[str, Stamp | None] | None:
    """Return all files that this process has read and runs, with stamps; None if not all is known.

    Among them is every file of a plugin, or of what is not installed, that was imported.
    """
    for path in _imported():
        seen = stamp(path)
        # Imported as it was before, or it cannot be told as what.
        if seen is None or (max(seen[1:3]) > _BEGAN and path not in READS.stamps):
            return None
        READS.note(path)
    return None if READS.why_not else dict(READS.stamps)


_BEGAN = time.time_ns()


def _imported() -> Iterator[str]:
    own = _tops()
    for name, module in list(sys.modules.items()):
        top, file = name.partition(".")[0], getattr(module, "__file__", None)
        if not isinstance(file, str) or top in sys.stdlib_module_names:
            continue
        if not Path(file).is_absolute():  # a module that says it has a file, as torch.ops
            continue
        if top in own or not _INSTALLED.search(file):
            yield file


def _tops() -> set[str]:
    """Return the packages of plugins, and the suite's own."""
    points = importlib.metadata.entry_points(group=GROUP)
    return {"sparc3_bench", *(point.module.partition(".")[0] for point in points)}
