"""Where a run happens: versions, processor, memory, commit."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sparc3_bench.printable import abridged
from sparc3_bench.record.parts import Accelerator, Environment
from sparc3_bench.source import code_of, versions

LIBRARIES = (
    *("torch", "transformers", "tokenizers", "safetensors", "numpy", "gguf"),
    *("scipy", "datasets", "h5py", "detoxify", "lxt", "lm-eval"),
)
"""Distributions whose versions are recorded."""
RUNNER = "sparc3_bench.run.recipes"
"""The module that says what a run is; all that makes its numbers is under it."""

_NUMBER_FLAGS = frozenset({"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "avx512_fp16"})
"""Instructions that products are made with where a processor has them."""
_MOST_COMMAND = 10_000
"""Characters of a command line that are recorded."""
_ROOT = Path(__file__).resolve().parent.parent


def describe_environment(*devices: str) -> Environment:
    """Return the environment of this process, whose model runs on some devices."""
    import torch

    packages = versions(("sparc3-bench", *LIBRARIES))
    commit = _git("rev-parse", "HEAD")
    return Environment(
        python=platform.python_version(),
        packages=packages,
        platform=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        instructions=instructions("cpu"),
        threads=torch.get_num_threads(),
        idle_threads=os.environ.get("OMP_WAIT_POLICY", ""),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        accelerator=describe_accelerator(*devices),
        source_digest=code_of(RUNNER),
        commit=commit,
        dirty=None if commit is None else bool(_git("status", "--porcelain")),
    )


def describe_accelerator(*devices: str) -> Accelerator | None:
    """Return what is recorded of a device, or of several as one; None of the processor."""
    import torch

    places: list[Any] = [torch.device(device) for device in devices or ("cpu",)]
    place = places[0]
    if place.type == "cpu" or not torch.accelerator.is_available():
        return None
    found: Any = torch.get_device_module(place)
    properties = getattr(found, "get_device_properties", lambda place: None)
    every = [properties(one) for one in places]
    names = [getattr(about, "name", place.type) for about in every]
    matmul: Any = torch.backends.cuda.matmul
    built = torch.version.cuda or torch.version.hip
    return Accelerator(
        name=" + ".join(names),
        memory_bytes=sum(getattr(about, "total_memory", 0) for about in every),
        driver=", ".join(filter(None, (_driver(), built and f"torch for {built}"))),
        tf32=bool(place.type == "cuda" and matmul.allow_tf32),
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )


def _driver() -> str:
    """Return the version of NVIDIA's driver, as it tells itself."""
    with contextlib.suppress(OSError):
        told = Path("/proc/driver/nvidia/version").read_text()
        if found := re.search(r"Kernel Module.*?(\d[\d.]+)", told):
            return found[1]
    return ""


def instructions(device: str) -> str:
    """Return what of a processor moves the last bits of its sums: the instructions it has."""
    import torch

    if device != "cpu":
        return torch.cuda.get_device_name(device) if torch.cuda.is_available() else device
    told = [torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA", "")]
    return " ".join([*filter(None, told), *sorted(_NUMBER_FLAGS & processor_flags())])


def machine() -> str:
    """Return what of this machine the cost of a step depends on."""
    import torch

    here = f"{_processor()}, {torch.get_num_threads()} threads, {os.cpu_count()} cores"
    beside = describe_accelerator(str(torch.accelerator.current_accelerator() or "cpu"))
    return f"{here}, {beside.name}" if beside else here


def command_line() -> str | None:
    """Return the command that runs, without the folders of local files; None outside a command."""
    if Path(sys.argv[0]).name != "sparc3":
        return None
    return abridged(shlex.join(["sparc3", *map(without_folders, sys.argv[1:])]), _MOST_COMMAND)


def without_folders(text: str) -> str:
    """Return a path, or `name=path`, without the folders it is in; other text as it is."""
    name, equals, value = text.rpartition("=")
    is_local = value.startswith(("/", "~", ".")) or ("/" in value and Path(value).exists())
    return f"{name}{equals}{Path(value).name}" if is_local else text


def _processor() -> str:
    return _cpu_info().get("model name") or platform.processor() or platform.machine()


@cache
def processor_flags() -> frozenset[str]:
    """Return the names of what the first processor can do."""
    return frozenset(_cpu_info().get("flags", "").split())


def _cpu_info() -> dict[str, str]:
    """Return what Linux says of the first processor."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        pairs = [line.partition(":") for line in lines]
        return {name.strip(): value.strip() for name, _, value in pairs}
    return {}


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


def memory_of(*devices: str) -> int:
    """Return how many bytes of memory there are for a model on some devices."""
    about = describe_accelerator(*devices)
    return (about.memory_bytes if about else 0) or memory_of_machine()


def memory_of_machine() -> int:
    """Return how many bytes of memory this process and its children may take together."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return whole
