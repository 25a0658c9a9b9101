"""Leases: processes that share a folder make every step once, and none waits for the dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import store_sharing
from store_sharing import EACH, SUM, Sharing, Slow, recipe

from sparc3_bench.folder.owner import Owner, me
from sparc3_bench.graph import lease
from sparc3_bench.graph import store as store_module
from sparc3_bench.graph.lease import Claim
from sparc3_bench.graph.store import Store

PLACES = [
    Path(store_sharing.__file__).parents[1] / place for place in ("", "plugins", "tasks", "tests")
]


class Others:
    """Other processes on one store."""

    def __init__(self, folder: Path) -> None:
        self.store, self.log = folder / "store", folder / "log"
        self.running: list[subprocess.Popen[str]] = []

    def start(self, count: int, seconds: float) -> None:
        # Not as a script: names of steps have the module's.
        code = "import store_sharing; store_sharing.main()"
        command = [sys.executable, "-c", code, self.store, self.log, str(seconds)]
        for _ in range(count):
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PLACES))}
            one = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            self.running.append(one)
        for one in self.running[-count:]:
            assert one.stdout.readline() == "ready\n"
        self.log.with_name("go").touch()

    def results(self) -> list[int]:
        told = [one.communicate(timeout=120)[0] for one in self.running]
        assert [one.returncode for one in self.running] == [0] * len(told)
        return [json.loads(text) for text in told]

    def made(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def end(self) -> None:
        for one in self.running:
            one.kill()
            one.wait()
            one.stdout.close()


@pytest.fixture
def others(tmp_path) -> Iterator[Others]:
    found = Others(tmp_path)
    yield found
    found.end()


def until(passes: Callable[[], Any], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not passes():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone() -> Owner:
    """Return an owner on this machine that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return Owner(me().host, me().space, done.pid, "1")


def elsewhere() -> Owner:
    return Owner("another", "00000000", os.getpid(), me().start)


def claim(
    store: Store, kind: str, key: str, owner: Owner, silent: float = 0.0, label: str = ""
) -> Path:
    """Make the lease of another process, not touched for so many seconds."""
    told = Claim(kind=kind, key=key, owner=owner, label=label, since=time.time(), token="x")
    name = f"leases/{kind}/{key}"
    store.folder.write(name, told.model_dump_json())
    path = store.folder.root / name
    os.utime(path, (time.time() - silent,) * 2)
    return path


@contextmanager
def soon(action: Callable[[], Any]) -> Iterator[None]:
    """Do something in another thread after a moment."""
    thread = threading.Timer(0.3, action)
    thread.start()
    yield
    thread.join()


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "leases" in path.parts]


def claims(folder: Path) -> list[Claim]:
    return [Claim.model_validate_json(path.read_bytes()) for path in left(folder)]


# Processes


@pytest.mark.parametrize("count", [2, 3, 8])
def test_every_step_is_made_once_however_many_share_it(others, count):
    others.start(count, 0.05)
    assert others.results() == [SUM] * count
    assert sorted(others.made()) == EACH
    assert left(others.store) == []


def test_of_many_who_find_dead_owners_one_makes_each_step(others):
    store = Store(others.store)
    dead = gone()
    for step in every(recipe()):
        claim(store, "Slow", step.key, dead)
    others.start(4, 0.02)
    assert others.results() == [SUM] * 4
    # Two may bury at once; what one of them makes too often is the price, and no error.
    assert set(others.made()) == set(EACH)
    assert len(others.made()) <= len(EACH) + 1
    assert left(others.store) == []


def every(batches: Iterator[Sequence[Slow]]) -> Iterator[Slow]:
    """Yield all steps of a recipe."""
    for step in (one for batch in batches for one in batch):
        yield from (step, *step.of)


def test_a_killed_owner_is_replaced_at_once(others, tmp_path):
    others.start(1, 600)
    until(others.made)
    (first,) = claims(others.store)
    assert (first.owner.pid, first.label) == (
        others.running[0].pid,
        f"cell of {others.running[0].pid}",
    )
    others.running[0].kill()  # and not waited for: what the system still lists is dead all the same
    start = time.monotonic()
    at = Sharing(others.store, others.log)
    assert at.run(recipe()) == SUM
    assert time.monotonic() - start < 10
    assert sorted(others.made()) == sorted([*EACH, others.made()[0]])
    assert left(others.store) == []


def test_an_owner_that_sleeps_keeps_its_lease_and_beats_when_it_wakes(others):
    others.start(1, 600)
    until(others.made)
    (path,) = left(others.store)
    (owner,) = others.running
    owner.send_signal(signal.SIGSTOP)
    os.utime(path, (1, 1))
    store = Store(others.store)
    assert store.lease("Slow", path.name, wait=False) is None
    assert [one.owner.pid for one in claims(others.store)] == [owner.pid]
    assert path.stat().st_mtime == 1
    owner.send_signal(signal.SIGCONT)
    until(lambda: path.stat().st_mtime > 1)


# Who may have it


def test_a_lease_is_had_by_one_until_it_is_released(tmp_path):
    store, taken = Store(tmp_path), []
    with store.lease("Cell", "a", "wanda", wait=False):
        other = threading.Thread(target=lambda: taken.append(store.lease("Cell", "a", wait=False)))
        other.start()
        other.join()
        assert taken == [None]
        assert store.lease("Cell", "b", wait=False) is not None
        assert {(one.kind, one.key, one.label) for one in claims(tmp_path)} == {
            ("Cell", "a", "wanda"),
            ("Cell", "b", ""),
        }
        with store.lease("Cell", "a"):  # what asks again for its own does not wait for itself
            pass
        assert any(one.key == "a" for one in claims(tmp_path))
    assert [one.key for one in claims(tmp_path)] == ["b"]


@pytest.mark.parametrize(
    ("owner", "silent", "is_free"),
    [
        (gone, 0, True),
        (me, 10_000, False),
        (lambda: Owner(me().host, me().space, os.getpid(), "1"), 0, True),  # another of its number
        (elsewhere, 50, False),
        (elsewhere, 70, True),
        (
            lambda: Owner(me().host, "00000000", gone().pid, "1"),
            0,
            False,
        ),
    ],
    ids=["gone", "asleep", "number used again", "elsewhere", "silent elsewhere", "other space"],
)
@pytest.mark.parametrize("ahead", [-9000.0, 9000.0])
def test_a_lease_is_taken_over_from_the_dead_alone(
    tmp_path, monkeypatch, owner, silent, is_free, ahead
):
    store = Store(tmp_path)
    claim(store, "Cell", "a", owner(), silent)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)  # the clock here says nothing
    assert (store.lease("Cell", "a", wait=False) is not None) == is_free


def test_a_lease_that_says_nothing_is_being_written_or_left(tmp_path):
    store = Store(tmp_path)
    path = claim(store, "Cell", "a", elsewhere())
    path.write_text("{")
    assert store.lease("Cell", "a", wait=False) is None
    os.utime(path, (time.time() - 70,) * 2)
    assert store.lease("Cell", "a", wait=False) is not None


def test_a_lease_that_was_taken_over_is_neither_beaten_nor_removed(tmp_path):
    store = Store(tmp_path)
    own = store.lease("Cell", "a")
    path = claim(store, "Cell", "a", elsewhere(), 30)
    before = path.stat().st_mtime
    own.beat()
    own.release()
    assert path.stat().st_mtime == before


def test_leases_of_the_dead_are_removed_though_nobody_asks_for_them(tmp_path):
    store = Store(tmp_path)
    for key, owner, silent in (("a", gone(), 0), ("b", elsewhere(), 70), ("c", elsewhere(), 0)):
        claim(store, "Score", key, owner, silent)
    with store.lease("Cell", "d"):
        pass
    assert [path.name for path in left(tmp_path)] == ["c"]


# Waiting


def test_who_waits_is_told_for_whom_and_reads_what_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "_PATIENCE", 0.1)
    at, said, step = Sharing(tmp_path / "store", tmp_path / "log"), [], Slow(3)
    at.store._say = said.append
    path = claim(at.store, "Slow", step.key, elsewhere(), label="[3/40] wanda")

    def make() -> None:
        other = Sharing(tmp_path / "other", tmp_path / "other.log")
        other.get(step)
        (made,) = (tmp_path / "other" / "Slow").rglob("*.json")
        at.store.folder.write(at.store.name("Slow", step.key, ".json"), made.read_bytes())
        path.unlink()

    with soon(make):
        assert at.get(step) == 3
    assert not (tmp_path / "log").exists()
    who = f"which another pid {os.getpid()} is making for [3/40] wanda"
    assert said == [f"Waiting for Slow {step.key[:8]}, {who} …"]


@pytest.mark.parametrize("leased", [Slow(1), Slow(7)], ids=["a step", "what a step is made from"])
def test_of_a_batch_what_nobody_makes_is_made_first(tmp_path, leased):
    at = Sharing(tmp_path / "store", tmp_path / "log")
    path = claim(at.store, "Slow", leased.key, elsewhere())
    batch = [Slow(1, [Slow(7)]) if leased.value == 7 else Slow(1), Slow(2), Slow(3)]

    def asked() -> Iterator[Sequence[Slow]]:
        values = yield batch
        assert values == [1 + 7 * (leased.value == 7), 2, 3]
        return Slow(4)

    with soon(path.unlink):
        assert at.run(asked()) == 4
    inside = ["7"] if leased.value == 7 else []
    assert (tmp_path / "log").read_text().split() == ["2", "3", *inside, "1", "4"]


def test_a_store_that_cannot_be_written_has_no_leases_and_nobody_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_told", set())
    (tmp_path / "leases").write_text("no folder")
    said: list[str] = []
    store = Store(tmp_path, say=said.append)
    with store.lease("Cell", "a", wait=False), store.lease("Cell", "a"):
        pass
    assert len(said) == 1
