"""Where a run happens: versions, processor, memory, commit; and what a phase of it costs."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sparc3_bench.record.parts import Environment, Phase
from sparc3_bench.source import code_of, versions

LIBRARIES = (
    *("torch", "transformers", "tokenizers", "safetensors", "numpy", "gguf"),
    *("scipy", "datasets", "h5py", "detoxify", "lxt", "lm-eval"),
)
"""Distributions whose versions are recorded."""
RUNNER = "sparc3_bench.run.runner"
"""The module whose code runs a run."""

_ROOT = Path(__file__).resolve().parent.parent


def describe_environment() -> Environment:
    """Return the environment of this process."""
    import torch

    packages = versions(("sparc3-bench", *LIBRARIES))
    commit = _git("rev-parse", "HEAD")
    return Environment(
        python=platform.python_version(),
        packages=packages,
        platform=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        threads=torch.get_num_threads(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        source_digest=code_of(RUNNER),
        commit=commit,
        dirty=None if commit is None else bool(_git("status", "--porcelain")),
    )


class Meter:
    """Seconds and peak memory of a phase, filled in when the phase ends."""

    phase: Phase


class Counting(Protocol):
    """What counts the tokens that go through it; a view of a model."""

    tokens: int


@contextmanager
def metered(model: Counting | None = None) -> Iterator[Meter]:
    """Measure wall time, the peak of resident memory, and the tokens that go through a model."""
    meter = Meter()
    _reset_peak()
    before = model.tokens if model else 0
    start = time.perf_counter()
    yield meter
    meter.phase = Phase(
        seconds=round(time.perf_counter() - start, 3),
        peak_bytes=peak(),
        tokens=model.tokens - before if model else None,
    )


def added(left: Phase, right: Phase) -> Phase:
    """Return the cost of two phases together."""
    tokens = [phase.tokens for phase in (left, right) if phase.tokens is not None]
    return Phase(
        seconds=round(left.seconds + right.seconds, 3),
        peak_bytes=max(left.peak_bytes, right.peak_bytes),
        tokens=sum(tokens) if tokens else None,
    )


def command_line() -> str | None:
    """Return the command that runs, without the folders of local files; None outside a command."""
    if Path(sys.argv[0]).name != "sparc3":
        return None
    return shlex.join(["sparc3", *map(without_folders, sys.argv[1:])])


def without_folders(text: str) -> str:
    """Return a path, or `name=path`, without the folders it is in; other text as it is."""
    name, equals, value = text.rpartition("=")
    is_local = value.startswith(("/", "~", ".")) or ("/" in value and Path(value).exists())
    return f"{name}{equals}{Path(value).name}" if is_local else text


def _reset_peak() -> None:
    # Linux only; elsewhere the peak is that of the process so far.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """Return the most memory that was resident at once since the phase began, in bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    """Ask git about the tree this file is in; an installed copy is in none."""
    if not (_ROOT.parent / ".git").exists():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["git", "-C", str(_ROOT.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return done.stdout.strip()
    return None
