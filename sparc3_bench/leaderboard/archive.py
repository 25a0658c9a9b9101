"""Archive: results read once and packed away by model, with what the whole site says of them."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sparc3_bench.comparison.series import ResultFile
from sparc3_bench.host import PluginHost
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import PluginRef

Pairs = list[tuple["Path", "Result"]]
"""Results with their paths relative to the results folder."""


class Archive:
    """The results of a site, all read here; of thousands, those of one model are in memory."""

    def __init__(self, results: Iterable[tuple[Path, Result]], host: PluginHost) -> None:
        from sparc3_bench.run.intervals import renewed  # loads numpy and scipy

        self.files: list[tuple[Path, bool]] = []  # every path, and whether it has samples
        self.scorers: dict[tuple[str, str], PluginRef] = {}  # by name and distribution
        self.shown: Counter[str] = Counter()  # finished runs of a scorer that is no control
        self.newest: dict[str, int] = {}  # by task, its newest version
        self.tasks: dict[tuple[str, int, str], str] = {}  # titles by name, older version, model
        self.created, self.short = "", 0  # when the newest result was, and how many are short
        self.packages: dict[str, set[str]] = {"Python": set()}
        self.platforms: set[str] = set()
        self.processors: set[str] = set()
        self._labels: dict[str, str] = {}
        self._packed: dict[str, list[tuple[int, int]]] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the archive
        weakref.finalize(self, self._file.close)
        failed: Pairs = []
        for path, result in results:
            self._note(path, result)
            if result.status != "ok":
                failed.append((path, result))
            packed = pickle.dumps((path, renewed(result, host)))
            place = (self._file.tell(), self._file.write(packed))
            self._packed.setdefault(result.spec.model.slug, []).append(place)
        self.files.sort(key=_path)
        self.failed = [
            ResultFile(path, self._labelled(one)) for path, one in sorted(failed, key=_path)
        ]

    def models(self) -> Iterator[Pairs]:
        """Yield the results of every model, in order of path."""
        for slug in sorted(self._packed):
            found = []
            for start, length in self._packed[slug]:
                self._file.seek(start)
                path, result = pickle.loads(self._file.read(length))
                found.append((path, self._labelled(result)))
            yield sorted(found, key=_path)

    def _note(self, path: Path, result: Result) -> None:
        spec, environment = result.spec, result.environment
        self.files.append((path, result.sample_file is not None))
        self.scorers[spec.scorer.name, spec.scorer.distribution] = spec.scorer
        self.created = max(self.created, result.created)
        self.short += spec.limit is not None
        self.platforms.add(environment.platform)
        self.processors.add(environment.processor)
        for name, version in {"Python": environment.python, **environment.packages}.items():
            self.packages.setdefault(name, set()).add(version)
        # The same weights have one label: that which says most.
        known = (self._labels.get(spec.model.weight_digest, ""), spec.model.label)
        self._labels[spec.model.weight_digest] = max(known, key=lambda text: (len(text), text))
        if result.status != "ok":
            return
        task = spec.task
        self.newest[task.name] = max(task.task_version, self.newest.get(task.name, 0))
        self.tasks.setdefault((task.name, -task.task_version, spec.model.slug), task.title)
        self.shown[spec.scorer.name] += not result.is_control

    def _labelled(self, result: Result) -> Result:
        model = result.spec.model
        if (label := self._labels[model.weight_digest]) == model.label:
            return result
        spec = result.spec.model_copy(update={"model": model.model_copy(update={"label": label})})
        return result.model_copy(update={"spec": spec})


def _path(pair: tuple[Path, object]) -> str:
    return pair[0].as_posix()
