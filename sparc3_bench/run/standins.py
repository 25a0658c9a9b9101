"""StandIns: finished results of earlier runs, taken in place of runs that ask the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import read_each, read_record
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.results import finished

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result
    from sparc3_bench.record.spec import RunSpec
    from sparc3_bench.types.orders import Order


@dataclass(frozen=True)
class StandIn:
    """A result that is taken in place of a run."""

    file: Path  # where it is
    is_earlier: bool  # whether other code measured it than is here


class StandIns:
    """Finds results that have the same spec as an order in everything but whose code made them.

    They are looked for where a run writes them: by task, model and scorer. Folders are only read;
    the scorers that are `measured` are run all the same. Raises Sparc3Error when a folder is not
    there.
    """

    def __init__(self, folders: Sequence[Path] = (), measured: Collection[str] = ()) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise Sparc3Error(
                    f"There is no folder {folder} with earlier results; name another one, or "
                    "measure all anew with `--against none`."
                )
        self._folders, self._measured = folders, measured
        self._known: dict[tuple[Path, str], list[_Known]] = {}

    def of(self, order: Order) -> StandIn | None:
        """Return what stands in for an order: of this code rather than of other, the newest."""
        if order.scorer in self._measured:
            return None
        same = [
            (content_key(one.spec.code) == order.code, one.created, one.file)
            for folder in self._folders
            for one in self._beside(folder / Path(order.path).parent, order.scorer)
            if one.question == order.question
        ]
        for is_same, _, file in sorted(same, reverse=True):
            if finished(file) is not None:
                return StandIn(file, is_earlier=not is_same)
        return None

    def draws(self, there: Sequence[Result]) -> list[Path]:
        """Return the results that ask the same as controls that are there, but for the seed."""
        asked = {one.spec.question for one in there}
        found: dict[str, tuple[str, Path]] = {}
        for spec in (one.spec for one in there if one.is_control):
            for folder in self._folders:
                for one in self._beside(folder / Path(spec.path).parent, spec.scorer.name):
                    same = one.spec.model_copy(update={"seed": spec.seed}).question
                    if same == spec.question and one.question not in asked:
                        newest = found.get(one.question, ("", one.file))
                        found[one.question] = max(newest, (one.created, one.file))
        return [file for _, file in found.values() if finished(file) is not None]

    def _beside(self, folder: Path, scorer: str) -> list[_Known]:
        if (folder, scorer) not in self._known:
            files = sorted(folder.glob(f"{scorer}--*.json"))
            # Without their samples: of most, the question is another one.
            read = read_each(files, lambda _: None, read_record)
            self._known[folder, scorer] = [
                _Known(file, one.created, one.spec, one.spec.question) for file, one in read
            ]
        return self._known[folder, scorer]


@dataclass(frozen=True)
class _Known:
    """What a result answers."""

    file: Path
    created: str
    spec: RunSpec
    question: str
