"""What is patient, and for how long: limits of time, and attempts to write."""

from __future__ import annotations

import errno
import time

import pytest
import slow_service
from slow_service import SLOW_S

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.folder.local import Folder
from sparc3_bench.run import process, results
from sparc3_bench.run.process import WorkerProcess
from sparc3_bench.run.results import ResultsFolder
from sparc3_bench.run.typed import Typed
from sparc3_bench.types.orders import Delivery, Order, Work

LIMIT_S = 1.0


def order(label: str) -> Order:
    about = {"scorer": "x", "seed": 0, "key": "k", "model": "m", "path": f"{label}.json"}
    about |= {"question": "q", "code": "c"}
    return Order(request={"scorers": [["x", [0]]]}, label=label, **about)


def test_start_of_a_process_takes_no_time_of_a_run(monkeypatch, tmp_path):
    assert SLOW_S > LIMIT_S
    monkeypatch.setattr(process, "_SERVICE", slow_service.__name__)
    told = []
    worker = WorkerProcess(Work(cache=str(tmp_path), seconds=LIMIT_S), told.append)
    try:
        assert worker.carry_out(order("answers")).status == "ok"
        monkeypatch.setattr(worker, "ended", lambda *given: given)
        _, status, reason = worker.carry_out(order("hangs"))
    finally:
        worker.close()
    assert (status, reason) == ("failed", "It took longer than its time limit, 1 s.")


def test_process_that_ends_before_anything_is_planned_is_told_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_SERVICE", slow_service.__name__)
    worker = WorkerProcess(Work(cache=str(tmp_path)), lambda told: None)
    with pytest.raises(Sparc3Error, match=r"^Its process ended with exit code 3\.$"):
        worker.requests(Typed({}, frozenset()), None)


def test_what_cannot_be_written_is_tried_again_and_what_comes_after_it_once(monkeypatch, tmp_path):
    said, slept, tries = [], [], []

    def full(folder, name, content, **how):
        tries.append(name)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(time, "sleep", slept.append)
    folder = ResultsFolder(tmp_path, said.append)
    made = [Delivery(order=name, status="ok", files={name: b"e30="}) for name in ("a", "b")]
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", full)
        for one in made:
            folder.write(one)
        assert tries == ["a"] * (1 + len(results._PAUSES_S)) + ["b"]
        assert len(said) == 2
        assert dict(folder.settled()) == dict.fromkeys(
            "ab", "It cannot be written: No space left on device."
        )
    assert folder.settled() == {}
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"{}", b"{}"]
