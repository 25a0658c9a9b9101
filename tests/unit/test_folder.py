"""Folders: files whole or absent, here and wherever fsspec reaches; nothing of the dead stays."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
import torch

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.folder import local
from sparc3_bench.folder.local import PARTS, Folder, sweep
from sparc3_bench.folder.owner import Owner, me
from sparc3_bench.folder.remote import RemoteFolder, folder_at
from sparc3_bench.graph.codec import AsJson, AsTensors
from sparc3_bench.graph.lease import Claim
from sparc3_bench.graph.store import Kept, Store
from sparc3_bench.record.parts import Phase

COST = Phase(seconds=1.5, peak_bytes=7, tokens=3)
TENSORS = AsTensors(dict, dict)


@pytest.fixture(params=["local", "file", "memory", "s3"])
def where(request, tmp_path) -> str:
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/a folder"
    if request.param == "s3":
        return request.getfixturevalue("s3_folder")
    place = tmp_path / "a folder"
    return str(place) if request.param == "local" else place.as_uri()


def content(folder: Folder) -> dict[str, bytes]:
    return {file.name: folder.read(file.name) for file in folder.files()}


# Wherever it is


def test_files_are_written_read_moved_and_removed(where):
    folder = folder_at(where)
    assert content(folder) == {}
    folder.write("a/b.txt", "é\n")
    folder.write("a/b.txt", "two")
    with folder.writing("c.bin", durable=True) as part:
        part.write_bytes(bytes(300_000))
    again = folder_at(where)
    assert content(again) == {"a/b.txt": b"two", "c.bin": bytes(300_000)}
    assert {file.name: file.size for file in again.files()} == {"a/b.txt": 3, "c.bin": 300_000}
    assert [file.name for file in again.files("a")] == ["a/b.txt"]
    assert [file.name for file in again.files("", ".bin")] == ["c.bin"]
    with again.reading("a/b.txt") as path, again.open("c.bin") as file:
        assert (path.read_bytes(), file.read(5)) == (b"two", bytes(5))
    assert (again.has("c.bin"), again.has("a"), again.has("d")) == (True, False, False)
    again.move("a/b.txt", "moved/b")
    again.remove("c.bin")
    again.remove("c.bin")
    assert content(folder) == {"moved/b": b"two"}
    assert (folder.take("moved/b"), folder.take("moved/b")) == (b"two", None)
    assert content(folder) == {}
    for read in (folder.read, folder.open, lambda name: folder.reading(name).__enter__()):
        with pytest.raises(FileNotFoundError):
            read("c.bin")


def test_what_fails_while_it_is_written_leaves_what_was_there(where):
    folder = folder_at(where)
    folder.write("a", "old")

    def fail(error: BaseException) -> None:
        with folder.writing("a") as part:
            part.write_text("ne")
            raise error

    for error in (OSError("full"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fail(error)
    assert content(folder) == {"a": b"old"}


def test_of_those_who_create_a_file_the_first_does(where, monkeypatch):
    folder, other = folder_at(where), folder_at(where)
    if where.startswith("s3:"):  # the file may come just after it was looked for
        monkeypatch.setattr(other._fs, "exists", lambda path: False)
    assert (folder.create("x/a", b"1"), other.create("x/a", b"2")) == (True, False)
    assert content(folder) == {"x/a": b"1"}
    other.remove("x/a")
    assert folder.create("x/a", b"3")
    assert other.read("x/a") == b"3"


def test_lines_are_added(where):
    for text in (b"one\n", b"two\n"):
        folder_at(where).append("x/log", text)
    assert folder_at(where).read("x/log") == b"one\ntwo\n"


def test_a_file_is_as_old_as_its_last_touch_by_the_folders_clock(where, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)  # this one is wrong
    folder = folder_at(where)
    folder.write("a", "content")
    time.sleep(1.1)  # an object store counts whole seconds
    before = folder.age("a")
    folder.touch("a")
    assert before >= 1
    assert folder.age("a") < before
    assert content(folder) == {"a": b"content"}


def test_a_store_keeps_and_proves_values(where):
    store = Store(where)
    assert store.read("Any", "a", TENSORS) is None
    store.write("Any", "a", TENSORS, Kept({"x": torch.arange(5)}, COST))
    store.write("Some", "b", AsJson(int), Kept(3, COST))
    store.link("Some", "c", "b")
    store.append("Log", "d", {"line": 1})
    later = Store(where)
    assert later.read("Any", "a", TENSORS).value["x"].tolist() == [0, 1, 2, 3, 4]
    assert later.header("Any", "a", TENSORS) == Kept(None, COST, "a")
    assert later.read("Some", "c", AsJson(int)) == Kept(3, COST, "b")
    assert list(later.lines("Log", "d")) == [{"line": 1}]
    for name in (later.name("Any", "a", ".safetensors"), later.name("Some", "b", ".json")):
        harmed = bytearray(later.folder.read(name))
        harmed[-1] ^= 1
        later.folder.write(name, bytes(harmed))
    assert later.read("Any", "a", TENSORS) is None
    assert later.read("Some", "b", AsJson(int)) is None
    assert len(list(later.folder.files("damaged"))) == 2
    store.forget(store.written)
    assert len(content(later.folder)) == 2


def test_a_store_has_leases(where):
    store, other = Store(where), Store(where)
    with store.lease("Cell", "a", "wanda"):
        told = Claim.model_validate_json(other.folder.read("leases/Cell/a"))
        assert (told.owner, told.label, told.key) == (me(), "wanda", "a")
    assert content(other.folder) == {}
    dead = told.model_copy(update={"owner": Owner(me().host, me().space, me().pid, "1")})
    store.folder.write("leases/Cell/a", dead.model_dump_json())
    with other.lease("Cell", "a", wait=False) as lease:
        lease.beat()
        assert dead.token not in store.folder.read("leases/Cell/a").decode()
    assert content(store.folder) == {}


def test_a_url_that_nothing_reaches_is_refused_in_a_sentence():
    with pytest.raises(Sparc3Error, match=r"The folder nowhere://x cannot be reached: .*; install"):
        folder_at("nowhere://x")


def test_whatever_goes_wrong_far_away_is_an_oserror(monkeypatch):
    folder = folder_at(f"memory://{uuid.uuid4().hex}")

    def fail(*given: object, **named: object) -> None:
        raise RuntimeError("the network is gone")

    for name in ("put_file", "pipe_file", "cat_file", "find"):
        monkeypatch.setattr(folder._fs, name, fail)
    assert isinstance(folder, RemoteFolder)
    for use in (
        lambda: folder.write("a", "b"),
        lambda: folder.create("a", b"b"),
        lambda: folder.read("a"),
        lambda: list(folder.files()),
    ):
        with pytest.raises(OSError, match="RuntimeError: the network is gone"):
            use()


# On this machine


def test_files_have_the_rights_that_the_user_wants(tmp_path):
    for mask, expected in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            folder = Folder(tmp_path / f"{mask}")
            folder.write("a", "x")
            with folder.writing("b") as part:  # as a library may
                part.unlink()
                part.touch(mode=0o666)
                part.chmod(0o606)
            folder.create("c", b"x")
        finally:
            os.umask(before)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.root.iterdir()}
        assert modes == {expected}


def test_what_must_be_there_after_a_power_cut_is_written_to_the_disk(tmp_path, monkeypatch):
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
    )
    folder = Folder(tmp_path / "new")
    folder.write("cache", "x")
    assert synced == []
    folder.write("a/b/result", "x", durable=True)
    part, *folders = synced
    assert PARTS in part
    assert set(folders) == {str(folder.root / "a/b"), str(folder.root / "a"), str(folder.root)}
    synced.clear()
    folder.write("a/b/result", "y", durable=True)
    assert synced[1:] == [str(folder.root / "a/b")]


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path):
    parts = tmp_path / PARTS
    parts.mkdir()
    here, there = me(), Owner("another", "00000000", 1, "1")
    dead = Owner(here.host, here.space, here.pid, "1")
    for name, owner in {"dead": dead, "alive": here, "young": there, "old": there}.items():
        (parts / f"{owner}+{name}.part").write_text("x")
    (parts / f"{dead}+folder.part" / "inside").mkdir(parents=True)
    (parts / "notes").write_text("a stranger's")
    for name in (f"{there}+old.part", "notes"):
        os.utime(parts / name, (1, 1))
    Folder(tmp_path).write("a", "x")
    left = {path.name.rpartition("+")[2] for path in parts.iterdir()}
    assert left == {"alive.part", "young.part", "notes"}
    sweep(tmp_path / "nowhere")


def test_a_killed_writer_leaves_nothing_once_another_writes(tmp_path):
    code = (
        "import os; from pathlib import Path; from sparc3_bench.folder.local import Folder\n"
        "with Folder(Path('.')).writing('a') as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == -9
    assert len(list((tmp_path / PARTS).iterdir())) == 1
    Folder(tmp_path).write("b", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_many_write_at_once_and_leave_no_parts(tmp_path):
    wrong: list[Exception] = []

    def write(who: int) -> None:
        try:
            for number in range(150):
                Folder(tmp_path).write(f"{who}", f"{number}")
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []
    assert content(Folder(tmp_path)) == {str(who): b"149" for who in range(4)}
    assert not (tmp_path / PARTS).exists()


def test_links_to_folders_are_followed_and_links_to_files_are_not_read(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folder = Folder(tmp_path / "link")
    folder.write("a/b", "x")
    assert (tmp_path / "real/a/b").read_text() == "x"
    (tmp_path / "real/c").symlink_to(tmp_path / "real/a/b")
    assert (folder.has("a/b"), folder.has("c")) == (True, False)
    with pytest.raises(OSError, match="it is a link"):
        folder.read("c")
    folder.write("c", "y")  # takes the place of the link, and not what it led to
    assert (folder.read("c"), folder.read("a/b")) == (b"y", b"x")


def test_nothing_is_left_of_a_file_that_there_is_no_room_for(tmp_path, monkeypatch):
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local, "_make_file", full)
    with pytest.raises(OSError, match="No space left"):
        Folder(tmp_path).write("a.json", "{}")
    assert [*tmp_path.iterdir()] == []
