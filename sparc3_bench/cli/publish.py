"""`sparc3 publish`: build the static leaderboard from result files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import Sparc3Error


class Published(Answer):
    """The page of `sparc3 publish`."""

    command: Literal["publish"] = "publish"
    site: Path
    """Its folder with `--check`, which writes nothing; else its first file."""
    left_out: list[str]
    """Files that are no results, and why."""


def command(
    result: common.ResultNames,
    site: Annotated[Path, typer.Argument(help="Folder to write the page to.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when the page is stale.")
    ] = False,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Build the leaderboard page; it needs no server and opens from the file system.

    A file that is no result is left out of the page and named. Exit code 0, 1 when files were left
    out, 2 for wrong input.
    """
    from sparc3_bench.leaderboard import site as builder
    from sparc3_bench.run.results import check_writable

    if not check:
        check_writable(site)
    left_out: list[str] = []
    with _in_one_folder(result, results) as folder:
        if check and not builder.is_fresh(folder, site, left_out.append):
            named = " ".join(result)
            raise Sparc3Error(
                f"The page in {site} is stale; rebuild it with `sparc3 publish {named} {site}`."
            )
        page = site if check else builder.publish(folder, site, left_out.append)
    told = f"{site} is fresh" if check else page
    Published(site=page, left_out=left_out).tell(as_json, [told])
    common.tell_left_out(left_out)


@contextmanager
def _in_one_folder(said: Sequence[str], searched: Path | None) -> Iterator[Path]:
    """Give a folder with what is named, where a run would have put it."""
    from sparc3_bench.record.files import read_each, samples_path

    if len(said) == 1 and Path(said[0]).is_dir():
        yield Path(said[0])
        return
    with tempfile.TemporaryDirectory() as made:
        for file, result in read_each(common.result_files(said, searched)):
            target = Path(made, result.spec.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            for one, other in ((file, target), (samples_path(file), samples_path(target))):
                if one.is_file():
                    shutil.copy(one, other)
        yield Path(made)
