"""The store by itself: what is kept, what is believed, and what cannot be written."""

from __future__ import annotations

import errno
import math
import os
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_steps import COST, TENSORS, Halved, Number, Spread, Sum, Toy, files, halves

from sparc3_bench.graph import store as store_module
from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.seal import sealed
from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import Kept, Store


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch):
    monkeypatch.setattr(store_module, "_told", set())


@pytest.fixture
def at(tmp_path) -> Toy:
    return Toy(tmp_path)


# Keeping


TENSOR = torch.linspace(1, 2, 40_000)  # 39 pages that are added up, and a rest
VALUES = {"json": (AsJson(list[float]), [1.5, math.inf]), "safetensors": (TENSORS, TENSOR)}


def places(size: int) -> list[int]:
    """Return places in a file: all of its beginning, its end, and many between."""
    return sorted({*range(min(size, 500)), *range(0, size, 1499), *range(max(0, size - 20), size)})


def harmed(whole: bytes) -> Iterator[bytes]:
    """Yield what a file may look like after harm."""
    for place in places(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        yield bytes(flipped)
    for tail in (1, 8, 64, 4096, len(whole) // 2):
        zeroed = whole[:-tail] + bytes(min(tail, len(whole)))
        if zeroed != whole:
            yield zeroed
        yield whole[:-tail]
    yield from (b"", whole + b"\0", b"[]", b"{}", b"\xff" + whole)


@pytest.mark.parametrize("kind", VALUES)
def test_nothing_that_was_harmed_is_believed(tmp_path, kind):
    codec, value = VALUES[kind]
    said: list[str] = []
    store, entry = Store(tmp_path, say=said.append), Kept(value, COST)
    store.write("Any", "a" * 32, codec, entry)
    path = tmp_path / store.name("Any", "a" * 32, codec.suffix)
    whole = path.read_bytes()
    every = list(harmed(whole))
    assert len(every) > 100
    for content in every:
        path.write_bytes(content)
        assert store.read("Any", "a" * 32, codec) is None, content[:500]
        assert not path.exists()
    assert (tmp_path / "damaged" / f"Any-aa-{path.name}").read_bytes() == every[-1]
    assert len(said) == len(set(said))
    assert all("is damaged (" in text and "made again" in text for text in said)
    store.write("Any", "a" * 32, codec, entry)
    assert path.read_bytes() == whole
    found = store.read("Any", "a" * 32, codec).value
    assert torch.equal(found, value) if codec is TENSORS else found == value


def test_of_what_was_set_aside_the_newest_few_stay(tmp_path):
    store = Store(tmp_path)
    for number in range(11):
        store.folder.write(store.name("Any", f"{number:02}", ".json"), "harm")
        assert store.read("Any", f"{number:02}", AsJson(int)) is None
        time.sleep(0.01)
    aside = sorted(path.stem for path in (tmp_path / "damaged").iterdir())
    assert aside == [f"Any-{number:02}-{number:02}" for number in range(3, 11)]


def test_a_link_that_was_harmed_leads_nowhere(at, tmp_path):
    step = Spread(Number(5))
    at.get(step)
    link = tmp_path / at.store.name("Spread", step.key, ".link")
    whole = link.read_bytes()
    for content in harmed(whole):
        link.write_bytes(content)
        assert at.store.read("Spread", step.key, TENSORS) is None, content
        assert not link.exists()
    fresh = Toy(tmp_path)
    assert fresh.get(step).sum() == 5  # by its other name
    assert (fresh.made, link.read_bytes()) == ([], whole)


@pytest.mark.parametrize("step", [Number(3), Spread(Number(3))], ids=["json", "safetensors"])
def test_what_is_damaged_is_made_again(at, tmp_path, step):
    at.get(step)
    path = tmp_path / at.store.name(type(step).__name__, at.also(step), step.codec.suffix)
    path.write_bytes(path.read_bytes()[:-1])
    fresh = Toy(tmp_path)
    assert float(torch.as_tensor(fresh.get(step)).sum()) == 3
    assert (len(fresh.made), len(fresh.said)) == (1, 1)
    assert Toy(tmp_path).store.read(type(step).__name__, step.key, step.codec) is not None


@pytest.mark.parametrize("kind", VALUES)
def test_what_lies_under_the_name_of_another_is_not_it(tmp_path, kind):
    store, (codec, value) = Store(tmp_path), VALUES[kind]
    for key in ("a", "b"):
        store.write("Any", key, codec, Kept(value, COST))
    for other, key in (("Any", "b"), ("Other", "a")):
        path = tmp_path / store.name(other, key, codec.suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / store.name("Any", "a", codec.suffix)).read_bytes())
        assert store.header(other, key, codec) is None
        assert store.read(other, key, codec) is None
    assert store.read("Any", "a", codec) is not None


def test_a_record_of_an_entry_that_lacks_something_is_not_read(tmp_path):
    store, codec = Store(tmp_path), AsJson(int)
    whole = {"kind": "Any", "key": "a", "cost": COST.model_dump(), "value": 3}
    for name in whole:
        for changed in ({**whole, name: "x"}, {n: v for n, v in whole.items() if n != name}):
            store.folder.write(store.name("Any", "a", ".json"), sealed(changed))
            assert store.read("Any", "a", codec) is None, changed
    store.folder.write(store.name("Any", "a", ".json"), sealed(whole))
    assert store.read("Any", "a", codec).value == 3


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("special", [Path.symlink_to, Path.mkdir, os.mkfifo])
def test_links_and_special_files_are_not_entries(tmp_path, kind, special):
    codec, value = VALUES[kind]
    other, store = Store(tmp_path / "other"), Store(tmp_path / "store")
    other.write("Any", "a", codec, Kept(value, COST))
    path = tmp_path / "store" / store.name("Any", "a", codec.suffix)
    path.parent.mkdir(parents=True)
    if special is Path.symlink_to:
        path.symlink_to(tmp_path / "other" / other.name("Any", "a", codec.suffix))
    else:
        special(path)
    assert store.read("Any", "a", codec) is None
    assert store.header("Any", "a", codec) is None


def test_numbers_that_are_not_finite_are_kept_as_they_are(tmp_path):
    store, codec = Store(tmp_path), AsJson(list[float])
    store.write("Any", "a" * 24, codec, Kept([math.inf, -math.inf, math.nan, 0.1], COST))
    *ends, nothing, number = store.read("Any", "a" * 24, codec).value
    assert (ends, number, math.isnan(nothing)) == ([math.inf, -math.inf], 0.1, True)


@pytest.mark.parametrize("codec", [AsJson(list[int]), TENSORS], ids=["json", "safetensors"])
def test_a_value_is_written_whole_or_not_at_all(tmp_path, monkeypatch, codec):
    store, value = Store(tmp_path), torch.ones(3) if codec is TENSORS else [1, 2]

    def cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut)
        patch.setattr(os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            store.write("Any", "a" * 24, codec, Kept(value, COST))
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []
    assert store.read("Any", "a" * 24, codec) is None
    store.write("Any", "a" * 24, codec, Kept(value, COST))
    assert store.read("Any", "a" * 24, codec).cost == COST


def test_a_step_that_fails_leaves_nothing_and_is_tried_again(at, tmp_path):
    @dataclass(frozen=True, eq=False)
    class Failing(Step[int]):
        of: Step[int]
        codec = AsJson(int)

        def make(self, at: Toy, got: Mapping[str, Any]) -> int:
            at.made.append("tried")
            raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            at.get(Failing(Number(1)))
    assert at.made == ["1", "tried", "tried"]
    assert [path.parts[-3] for path in files(tmp_path, ".json")] == ["Number"]


# The limit


def keep(store: Store, name: str, used: int) -> None:
    codec = TENSORS
    store.write("Map", name, codec, Kept(torch.zeros(100_000), COST))  # 400 kB
    path = store.folder.root / store.name("Map", name, codec.suffix)
    os.utime(path, (used, used))


def kept(folder: Path) -> str:
    return "".join(path.stem for path in files(folder, ".safetensors"))


def test_what_was_used_longest_ago_goes_first_and_reading_is_use(tmp_path):
    store = Store(tmp_path, limit=1e6)  # two of them
    keep(store, "b", 1)
    keep(store, "a", 2)
    assert kept(tmp_path) == "ab"
    assert store.read("Map", "b", TENSORS) is not None
    keep(store, "c", 3)
    assert kept(tmp_path) == "bc"
    assert store.header("Map", "a", TENSORS) is None


def test_the_newest_stays_even_over_the_limit_and_numbers_always_do(tmp_path):
    store = Store(tmp_path, limit=0)
    store.write("Some", "n", AsJson(int), Kept(1, COST))
    keep(store, "a", 1)
    keep(store, "b", 2)
    assert kept(tmp_path) == "b"
    assert store.read("Some", "n", AsJson(int)).value == 1


def test_not_all_files_are_looked_at_whenever_one_is_written(tmp_path, monkeypatch):
    store, looked = Store(tmp_path, limit=100e6), []
    files = store.folder.files
    monkeypatch.setattr(store.folder, "files", lambda *of: looked.append(of) or files(*of))
    for index in range(40):  # 16 MB
        keep(store, f"{index:02}", index)
    assert 2 <= len(looked) <= 8


def test_what_is_set_aside_counts(tmp_path):
    store = Store(tmp_path, limit=1e6)
    keep(store, "a", 1)
    path = tmp_path / store.name("Map", "a", ".safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    assert store.read("Map", "a", TENSORS) is None
    (aside,) = (tmp_path / "damaged").iterdir()
    os.utime(aside, (1, 1))
    keep(store, "b", 2)
    keep(store, "c", 3)
    assert kept(tmp_path) == "bc"


# What cannot be written


WHOLE = Sum([Spread(Halved(Number(8))), Number(3), Spread(Number(5))])
MADE = ["8", "halved", "spread 4", "3", "5", "spread 5", "sum"]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes more than a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def failing(code: int, times: float = math.inf) -> Iterator[None]:
    """The system refuses so many times to make a file or folder, or to change its time."""
    left = times

    def refusing(call: Any) -> Any:
        def refused(path: Any, *given: Any, **named: Any) -> Any:
            nonlocal left
            if call is os.open and not given[0] & os.O_CREAT:
                return call(path, *given, **named)
            if left <= 0:
                return call(path, *given, **named)
            left -= 1
            raise OSError(code, os.strerror(code))

        return refused

    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "mkdir", "utime"):
            patch.setattr(os, name, refusing(getattr(os, name)))
        yield


FAULTS = {
    "full": full_disk,
    "read-only": lambda: failing(errno.EROFS),
    "EIO always": lambda: failing(errno.EIO),
    "EIO once": lambda: failing(errno.EIO, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cache_that_cannot_be_written_is_one_warning(tmp_path, fault):
    with FAULTS[fault]():
        at, later = Toy(tmp_path), Toy(tmp_path)
        assert (at.get(WHOLE), at.get(Number(8))) == (4 + 3 + 5, 8)
        assert later.get(WHOLE) == 12
    assert at.made == MADE  # each once, also where it is held in memory alone
    assert len(at.said) == 1
    assert later.said == []  # one for the process
    assert "cannot be written" in at.said[0]
    assert at.said[0].endswith("later runs make it again.")
    last = Toy(tmp_path)
    assert last.get(WHOLE) == 12
    assert [one for one in tmp_path.rglob("*") if one.suffix == ".part"] == []
    assert [one for one in (tmp_path / "leases").rglob("*") if one.is_file()] == []
    assert Toy(tmp_path).get(WHOLE) == 12
    assert last.said == []


def test_small_values_that_cannot_be_written_are_made_once_all_the_same(tmp_path):
    with full_disk():
        at = Toy(tmp_path)
        for _ in range(2):
            assert at.run(halves(9)) == 16
    assert at.made.count("9") == at.made.count("sum") == 1


def test_a_complete_cache_that_is_only_read_is_fine(tmp_path):
    Toy(tmp_path).get(WHOLE)

    def changed() -> dict[Path, float]:  # when it was read is the system's to note
        return {path: path.stat().st_ctime for path in tmp_path.rglob("*")}

    before = changed()
    with failing(errno.EROFS):
        at = Toy(tmp_path)
        assert at.get(WHOLE) == 12
        assert at.get(Spread(Number(5))).sum() == 5
    assert (at.made, at.said) == ([], [])
    assert changed() == before


def test_harm_in_a_cache_that_is_only_read_is_told_once_and_made_again(tmp_path):
    at = Toy(tmp_path)
    at.get(Number(5))
    path = tmp_path / at.store.name("Number", Number(5).key, ".json")
    path.write_bytes(b"harm")
    with failing(errno.EROFS):
        for _ in range(2):
            fresh = Toy(tmp_path)
            assert fresh.get(Number(5)) == 5
            at.said += fresh.said
    assert ["is damaged" in text for text in at.said] == [True, False]
    assert "cannot be written" in at.said[1]


# What was written


def test_what_a_cell_wrote_is_taken_back(at, tmp_path):
    at.get(Number(3))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    at.store.written.clear()
    at.get(WHOLE)
    at.store.append("Memory", "m", {"values": 1})
    assert len(before) == 1
    assert len(at.store.written) == len(set(at.store.written)) > 5
    at.made.clear()
    at.forget(at.store.written)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    assert at.get(WHOLE) == 12
    assert at.made == [one for one in MADE if one != "3"]
