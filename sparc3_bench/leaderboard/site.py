"""The site: result files in; pages, data and a copy of every file out.

The site is a pure function of the results, of the commit that has them, and of whether the
documentation was built into its folder `docs`: no date of building, no path of this machine, so
that a stale one can be told from a fresh one by comparing bytes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.archive import Archive
from sparc3_bench.leaderboard.pages import GUIDE, MARKED, pages
from sparc3_bench.leaderboard.templating import SIGNATURE
from sparc3_bench.record.files import read_results, samples_path, write_atomically

_LIST = "site.json"
"""The list of the files that `publish` put into a folder, which it may remove."""

_FOLDERS = ("badges", "boards", "data", "results", "scorers", "sections", "static")
_TOP = ("index.html", MARKED, _LIST, *_FOLDERS)
"""What no folder may hold that `publish` did not make."""


def publish(results: Path, site: Path, leave_out: Callable[[str], object] | None = None) -> Path:
    """Write the pages and a copy of every result file; return the path of the first page.

    What an earlier call put into the folder `site` and is not needed any more is removed;
    `leave_out` is as in `read_results`.

    Raises
    ------
    RecordError
        When a file does not follow the schema, without `leave_out`. Nothing is written then.
    Sparc3Error
        When there are no results, or the site may not be written there.
    """
    archive = _read(results, leave_out)
    _check_place(results, site)
    before = _listed(site)
    written = set()
    for name, content in _files(results, site, archive):
        target = site / name
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        written.add(name)
    for name in before - written:
        _remove(site, site / name)
    _write_list(site, written)
    return site / "index.html"


def is_fresh(results: Path, site: Path, leave_out: Callable[[str], object] | None = None) -> bool:
    """Return whether `site` is, byte for byte, what `publish` would make of `results` now."""
    left = _listed(site)
    for name, content in _files(results, site, _read(results, leave_out)):
        target = site / name
        if name not in left or not target.is_file() or target.read_bytes() != content:
            return False
        left.remove(name)
    return not left


def _read(results: Path, leave_out: Callable[[str], object] | None) -> Archive:
    refused: list[str] = []
    archive = Archive(read_results(results, leave_out and refused.append), default_host())
    if refused and not archive.files:
        raise RecordError("\n".join(refused))
    for sentence in refused:
        leave_out(sentence)  # type: ignore[misc]
    if not archive.files:
        raise Sparc3Error(
            f"`{results}` holds no result files; a page needs at least one: make it with "
            "`sparc3 run`, or name another folder."
        )
    return archive


def _files(results: Path, site: Path, archive: Archive) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the site by its path in it."""
    has_guide, commit = (site / GUIDE).is_dir(), _commit(results)
    for name, text in pages(archive, default_host(), has_guide=has_guide, commit=commit):
        # JSON may hold half of a surrogate pair, which no encoding can write.
        yield name, text.encode("utf-8", "replace")
    for path, has_samples in archive.files:
        for one in (path, samples_path(path)):
            # A file of samples that no result tells of was never looked at.
            if one == path or (has_samples and (results / one).is_file()):
                yield f"results/{one.as_posix()}", (results / one).read_bytes()


def _commit(results: Path) -> str:
    """Return the newest commit that changed the results; empty where they are in none."""
    asked = ["git", "-C", str(results), "log", "-1", "--format=%H", "--", "."]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()[:12] if done.returncode == 0 else ""


def _check_place(results: Path, site: Path) -> None:
    """Refuse to write where the copies would mix with somebody's results."""
    source, target = results.resolve(), site.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise Sparc3Error(
            f"`{site}` and the results in `{results}` must not lie inside one another; choose "
            "another folder for the site."
        )
    pages = [site / name for name in (MARKED, "index.html") if (site / name).is_file()]
    texts = [page.read_text(encoding="utf-8", errors="replace") for page in pages]
    ours = (site / MARKED) in pages and all(SIGNATURE in text for text in texts)
    taken = [name for name in _TOP if (site / name).exists()]
    if taken and not ours:
        raise Sparc3Error(
            f"`{site / taken[0]}` is there, and `sparc3 publish` did not put it there; "
            "choose another folder for the site."
        )


def _listed(site: Path) -> set[str]:
    """Return the files that an earlier call put there; none where there was none."""
    try:
        names = json.loads((site / _LIST).read_text(encoding="utf-8"))["files"]
        paths = [PurePath(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    # What leads out of the folder is none of ours.
    return {one.as_posix() for one in paths if ".." not in one.parts and not one.is_absolute()}


def _write_list(site: Path, names: set[str]) -> None:
    write_atomically(site / _LIST, json.dumps({"files": sorted(names)}, indent=0) + "\n")


def _remove(site: Path, stale: Path) -> None:
    stale.unlink(missing_ok=True)
    for folder in stale.parents:
        if folder == site or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()
