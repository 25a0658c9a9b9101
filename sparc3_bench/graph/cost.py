"""Cost: what making something takes, measured around it and added up."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sparc3_bench.record.parts import Phase


class Passed(NamedTuple):
    """What has gone through a model: tokens, those of which a gradient has come back, work."""

    tokens: int = 0
    backward_tokens: int = 0
    flops: int = 0


NOTHING = Phase(seconds=0, peak_bytes=0)
"""What takes no time."""


class Meter:
    """The cost of what happens inside `metered`, filled in when that ends."""

    phase = NOTHING

    def __init__(self) -> None:
        self._recalled: list[Phase] = []

    def recall(self, phase: Phase) -> None:
        """Add what a part cost that was made before, and is used here."""
        self._recalled.append(phase)

    def end(self, own: Phase) -> None:
        """Fill in the whole, given what was spent now."""
        self.phase = total([own, *self._recalled])


@contextmanager
def metered(passed: Callable[[], Passed] | None = None) -> Iterator[Meter]:
    """Measure wall time, the peak of resident memory, and what `passed` counts in the meantime."""
    meter = Meter()
    settle()
    _reset_peak()
    before = passed() if passed else None
    start = time.perf_counter()
    yield meter
    settle()
    after = passed() if passed else None
    meter.end(
        Phase(
            seconds=round(time.perf_counter() - start, 3),
            peak_bytes=peak(),
            device_bytes=device_peak(),
            **passed_between(before, after),
        )
    )


def total(phases: Iterable[Phase]) -> Phase:
    """Return the cost of all together: the sum of time and tokens, the most memory at once."""
    every = list(phases)
    read = [phase for phase in every if phase.tokens is not None]
    devices = [phase.device_bytes for phase in every if phase.device_bytes is not None]
    return Phase(
        seconds=round(sum(phase.seconds for phase in every), 3),
        peak_bytes=max((phase.peak_bytes for phase in every), default=0),
        device_bytes=max(devices, default=None),
        **{name: _sum([getattr(phase, name) for phase in read]) for name in Passed._fields},
    )


def passed_between(before: Passed | None, after: Passed | None) -> dict[str, int]:
    """Return what has gone through a model between two looks at it; nothing where none looks."""
    looks = zip(Passed._fields, before or (), after or (), strict=False)
    return {name: last - first for name, first, last in looks}


def _sum(counts: list[int | None]) -> int | None:
    """Return the sum; None where there is none, or one of them is of a record that lacks it."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def settle() -> None:
    """Wait until accelerators have done what they were given: their time is that of the work."""
    if devices := _accelerators():
        for index in range(devices.device_count()):
            devices.synchronize(index)


def device_peak() -> int | None:
    """Return the most memory that was in use of one accelerator since measuring began, in bytes."""
    if devices := _accelerators():
        return int(max(map(devices.max_memory_allocated, range(devices.device_count()))))
    return None


def _accelerators() -> Any:
    """Return torch's module of the accelerators that are in use; None without one."""
    torch = sys.modules.get("torch")  # who has none loaded has used none
    if torch is None or not torch.accelerator.is_available():
        return None
    found = torch.get_device_module(torch.accelerator.current_accelerator())
    # Apple's tells no peak, and waits for itself where a number is read.
    is_used = getattr(found, "is_initialized", bool)() and hasattr(found, "max_memory_allocated")
    return found if is_used else None


def peak() -> int:
    """Return the most memory that was resident at once since measuring began, in bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _reset_peak() -> None:
    if devices := _accelerators():
        for index in range(devices.device_count()):
            devices.reset_peak_memory_stats(index)
    # Linux only; elsewhere the peak is that of the process so far.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
