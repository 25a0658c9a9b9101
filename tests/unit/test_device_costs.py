"""What is measured of an accelerator: time until it is done, its peak of memory, what it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from sparc3_bench.graph import cost
from sparc3_bench.graph.cost import metered, total
from sparc3_bench.graph.forecast import Cost
from sparc3_bench.record.parts import Phase
from sparc3_bench.run.environment import describe_accelerator, describe_environment, memory_of

GPU = pytest.param("cuda:0", marks=pytest.mark.gpu)


class Devices:
    """Two accelerators that do what they are told later."""

    def __init__(self) -> None:
        self.peaks, self.told = [0, 0], list[str]()

    def device_count(self) -> int:
        return 2

    def is_initialized(self) -> bool:
        return True

    def synchronize(self, index: int) -> None:
        self.told.append(f"wait for {index}")

    def max_memory_allocated(self, index: int) -> int:
        return self.peaks[index]

    def reset_peak_memory_stats(self, index: int) -> None:
        self.peaks[index] = 0


@pytest.fixture
def devices(monkeypatch) -> Devices:
    found = Devices()
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch, "get_device_module", lambda place: found)
    return found


def test_a_phase_ends_when_all_devices_are_done_and_has_their_peak(devices, monkeypatch):
    clock = []
    monkeypatch.setattr(
        cost, "time", SimpleNamespace(perf_counter=lambda: clock.append([*devices.told]) or 0.0)
    )
    devices.peaks = [900, 900]  # of before
    with metered() as meter:
        devices.peaks = [20, 30]
    assert meter.phase.device_bytes == 30
    both = ["wait for 0", "wait for 1"]
    assert clock == [both, both * 2]
    assert Cost.of(meter.phase).times(3).device_bytes == 30
    assert total([meter.phase, Phase(seconds=1, peak_bytes=2)]).device_bytes == 30


def test_on_the_processor_nothing_is_said_of_devices():
    with metered() as meter:
        pass
    if not torch.accelerator.is_available():
        assert meter.phase.device_bytes is None
        assert "device_bytes" not in meter.phase.model_dump()
    assert "accelerator" not in describe_environment().model_dump()


@pytest.mark.parametrize("place", ["pretended", GPU])
def test_a_device_is_recorded_with_what_moves_its_bits(place, monkeypatch):
    if place == "pretended":
        about = SimpleNamespace(name="A device", total_memory=8_000)
        found = SimpleNamespace(get_device_properties=lambda place: about)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
        monkeypatch.setattr(torch, "get_device_module", lambda place: found)
    told = describe_accelerator("cuda:1" if place == "pretended" else place)
    assert told is not None
    assert told.name
    assert told.memory_bytes > 0
    assert not told.deterministic
    if place == "pretended":
        assert (told.name, told.memory_bytes, memory_of("cuda:1")) == ("A device", 8_000, 8_000)
        torch.use_deterministic_algorithms(True)
        try:
            assert describe_accelerator("cuda:1").deterministic
        finally:
            torch.use_deterministic_algorithms(False)
