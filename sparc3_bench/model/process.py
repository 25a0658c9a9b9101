"""What of a process moves the numbers or the work of all that comes after: read, and put back."""

from __future__ import annotations

import gc
import os
import pickle
import random
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from sparc3_bench.model import products

_CUDA: Any = torch.backends.cuda
_SMALLEST = 5e-324
_FILES = 32
"""So many more files must the suite be able to open."""


class Probe(NamedTuple):
    """How something is read, and how a value that was read is put back, where that can be done."""

    read: Callable[[], Any]
    put: Callable[[Any], object] | None = None


def _attributes(of: Any, *names: str) -> Probe:
    """Watch attributes that can be set."""

    def put(values: tuple[Any, ...]) -> None:
        for name, value in zip(names, values, strict=True):
            setattr(of, name, value)

    return Probe(lambda: tuple(getattr(of, name) for name in names), put)


def _list(of: list[Any]) -> Probe:
    return Probe(of.copy, lambda values: of.__setitem__(slice(None), values))


def _folder() -> str | None:
    with suppress(FileNotFoundError):  # somebody removed it
        return os.getcwd()  # noqa: PTH109
    return None


def _deterministic() -> tuple[bool, bool]:
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warns


def _autocast() -> dict[str, tuple[bool, torch.dtype]]:
    return {
        kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
        for kind in ("cpu", "cuda")
    }


def _set_autocast(before: dict[str, tuple[bool, torch.dtype]]) -> None:
    for kind, (enabled, dtype) in before.items():
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)


def _precision() -> tuple[str | None, str | None]:
    """Return it as the processor has it, and in torch's older words where these can say it."""
    with suppress(RuntimeError):
        return products.precision(), torch.get_float32_matmul_precision()
    return products.precision(), None


def _set_precision(before: tuple[str | None, str | None]) -> None:
    here, everywhere = before
    products.set_precision(here)
    if everywhere not in (None, _precision()[1]):
        torch.set_float32_matmul_precision(everywhere)
        # Which says it for the processor, too.
        products.set_precision(here)


def _set_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _streams() -> list[Any]:
    """Return the standard streams, and the files that they are to the system."""
    found: list[Any] = [(one, getattr(one, "closed", False)) for one in (sys.stdout, sys.stderr)]
    for number in (1, 2):
        with suppress(OSError):
            about = os.fstat(number)
            found.append((about.st_dev, about.st_ino))
    return found


def _set_streams(before: list[Any]) -> None:
    (sys.stdout, _), (sys.stderr, _) = before[:2]


def _set_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        with suppress(ValueError, OSError):  # no main thread, or no signal that is handled
            if signal.getsignal(number) is not handler is not None:
                signal.signal(number, handler)


_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _set_timers(before: list[bool]) -> None:
    for timer, runs in zip(_TIMERS, before, strict=True):
        if not runs:
            signal.setitimer(timer, 0)


def _limits() -> dict[int, tuple[int, int]]:
    kinds = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {kind: resource.getrlimit(kind) for kind in (getattr(resource, name) for name in kinds)}


def _set_limits(before: dict[int, tuple[int, int]]) -> None:
    for kind, limits in before.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, limits)


def _can_open() -> bool:
    opened = []
    try:
        opened += [os.open(os.devnull, os.O_RDONLY) for _ in range(_FILES)]
    except OSError:
        return False
    finally:
        for one in opened:
            os.close(one)
    return True


SEEDS = {
    "the random state of torch": Probe(
        lambda: torch.get_rng_state().numpy().tobytes(),
        lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
    ),
    "the random state of Python": Probe(random.getstate, random.setstate),
    "the random state of numpy": Probe(
        lambda: pickle.dumps(np.random.get_state()),
        lambda state: np.random.set_state(pickle.loads(state)),
    ),
}
"""Where numbers are drawn by whoever has no generator of its own."""

PROCESS = {
    "torch's default dtype": Probe(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": Probe(
        torch.get_default_device,
        lambda device: torch.set_default_device(None if device.type == "cpu" else device),
    ),
    "whether gradients are recorded": Probe(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's inference mode": Probe(torch.is_inference_mode_enabled),
    "torch's anomaly mode": Probe(torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    "torch's deterministic mode": Probe(
        _deterministic,
        lambda on: torch.use_deterministic_algorithms(on[0], warn_only=on[1]),
    ),
    "torch's autocast": Probe(_autocast, _set_autocast),
    "torch's precision of products": Probe(_precision, _set_precision),
    "torch's flags of cuDNN": _attributes(
        torch.backends.cudnn, "enabled", "benchmark", "deterministic", "allow_tf32"
    ),
    "torch's flags of attention": Probe(
        lambda: (
            _CUDA.flash_sdp_enabled(),
            _CUDA.mem_efficient_sdp_enabled(),
            _CUDA.math_sdp_enabled(),
        ),
        lambda on: (
            _CUDA.enable_flash_sdp(on[0]),
            _CUDA.enable_mem_efficient_sdp(on[1]),
            _CUDA.enable_math_sdp(on[2]),
        ),
    ),
    "torch's function modes": Probe(torch.overrides._get_current_function_mode_stack),
    "torch's dispatch modes": Probe(_get_current_dispatch_mode_stack),
    "the number of threads": Probe(torch.get_num_threads, torch.set_num_threads),
    "whether the smallest numbers are zero": Probe(
        lambda: _SMALLEST * 1.0 == 0.0, torch.set_flush_denormal
    ),
    "torch's format of numbers": Probe(
        lambda: dict(vars(torch._tensor_str.PRINT_OPTS)),
        lambda options: vars(torch._tensor_str.PRINT_OPTS).update(options),
    ),
    "numpy's format of numbers": Probe(
        np.get_printoptions, lambda options: np.set_printoptions(**options)
    ),
    "numpy's treatment of errors": Probe(np.geterr, lambda ways: np.seterr(**ways)),
    "the working folder": Probe(_folder, os.chdir),
    "sys.path": _list(sys.path),
    "sys.meta_path": _list(sys.meta_path),
    "the standard streams": Probe(_streams, _set_streams),
    "whether files can be opened": Probe(_can_open),
    "the limits of the process": Probe(_limits, _set_limits),
    "handlers of signals": Probe(
        lambda: {number: signal.getsignal(number) for number in signal.valid_signals()},
        _set_handlers,
    ),
    "which signals are blocked": Probe(
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda mask: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
    ),
    "an alarm": Probe(lambda: [signal.getitimer(one)[0] > 0 for one in _TIMERS], _set_timers),
    "how deep calls may go": Probe(sys.getrecursionlimit, sys.setrecursionlimit),
    "whether garbage is collected": Probe(
        gc.isenabled, lambda on: gc.enable() if on else gc.disable()
    ),
}
"""All else that must be as it was."""

REGISTERS = {
    "sys.modules": Probe(sys.modules.copy, lambda before: sys.modules.update(before)),
    "os.environ": Probe(lambda: dict(os.environ), _set_environment),
    "warnings.filters": Probe(
        lambda: dict.fromkeys(warnings.filters, True),
        lambda before: warnings.filters.__setitem__(slice(None), before),  # type: ignore[index]
    ),
}
"""What libraries add to when they are imported, and nobody takes away from."""
