"""The zero-shot task with its data in memory: items drawn, described, and scored by lm-eval."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparc3_tasks.zero_shot.documents as documents
import sparc3_tasks.zero_shot.harness as harness
from sparc3_bench import DatasetRecord, Evaluation, PreparedTask, fetch_all
from sparc3_tasks.texts.begin import Beginning
from sparc3_tasks.texts.items import recorded
from sparc3_tasks.texts.windows import Windows
from sparc3_tasks.zero_shot.benchmarks import BENCHMARKS, known

if TYPE_CHECKING:
    from sparc3_bench import ModelView, ReferenceSamples


@dataclass(frozen=True)
class Drawn:
    """The items of the benchmarks."""

    tasks: Mapping[str, Any]
    """lm-eval's tasks by benchmark, with those documents alone that are scored."""
    clusters: Mapping[str, Sequence[int]]
    """Where items may be about one text, the number of the text of each."""
    records: tuple[DatasetRecord, ...]
    """What is recorded of them."""
    largest: int
    """The largest token id in any of them."""


@lru_cache(maxsize=1)  # seeds of the reference differ in nothing else
def draw_items(
    names: Sequence[str],
    limit: int,
    seed: int,
    source: str,
    tokenizer: Any,
    begin: Beginning,
    cache: Path,
) -> Drawn:
    """Return `limit` items of each benchmark, drawn with `seed`, as lm-eval asks them."""
    if source == "local":
        fetch_all([documents.ASSETS[name] for name in names if name in BENCHMARKS], cache)
    tasks = harness.load(names, source, cache)
    records, clusters, largest = [], {}, 0
    for name, task in tasks.items():
        split = task.config.test_split or task.config.validation_split
        count = len(task.dataset[split])
        places = chosen(name, count, limit, seed)
        task.dataset[split] = task.dataset[split].select(places)
        docs = list(task.eval_docs)
        how = "all" if len(places) == count else f"{len(places):,} drawn with seed {seed}"
        where = documents.PACKAGE if source == "local" else f"{task.DATASET_PATH} on the hub"
        with harness.quiet():
            task.build_all_requests()
        ids = [begin.encode(tokenizer, "".join(request.args)) for request in task.instances]
        largest = max(largest, *(max(one, default=0) for one in ids))
        records.append(
            recorded(
                [len(one) for one in ids],
                begin,
                digest=_digest(json.dumps(one, sort_keys=True, default=str) for one in docs),
                token_digest=_digest(",".join(map(str, one)) for one in ids),
                item="item",
                windows=len(docs),
                purpose=name,
                source=f"{known(name).title}, {count:,} items ({where})",
                choice=f"{how}; lm-eval's task {name}, version {task.VERSION}",
            )
        )
        if known(name).sharing:
            clusters[name] = clusters_of(docs, known(name).sharing)
    return Drawn(tasks, clusters, tuple(records), largest)


def chosen(name: str, count: int, limit: int, seed: int) -> list[int]:
    """Return the places of `limit` items; those of a smaller limit are among them."""
    order = list(range(count))
    random.Random(f"{seed} {name}").shuffle(order)
    return sorted(order[: limit or count])


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


@dataclass(frozen=True)
class PreparedZeroShot(PreparedTask):
    """Items and reference windows in memory."""

    tokenizer: Any
    reference: Windows
    drawn: Drawn
    datasets: tuple[DatasetRecord, ...]
    warnings: tuple[str, ...]
    compares = False

    @property
    def clusters(self) -> Mapping[str, Sequence[int]]:
        """Items about one text move together."""
        return {
            f"{name}/{metric}": clusters
            for name, clusters in self.drawn.clusters.items()
            for metric in known(name).metrics
        }

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference windows."""
        return self.reference.references(objective)

    def sequences(self) -> Sequence[Sequence[int]]:
        """Return the largest token; of items that are too long lm-eval leaves the beginning out."""
        return [[self.drawn.largest]]

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Have lm-eval score every item; of a perplexity the log-likelihoods are kept."""
        begin, tasks = self.reference.begin, self.drawn.tasks
        logged = harness.score(model, self.tokenizer, begin, tasks, progress)
        return Evaluation(
            {
                f"{name}/{metric}": [float(one[metric]) for one in items]
                for name, items in logged.items()
                for metric in known(name).metrics
            }
        )

    def remarks(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Warn of benchmarks on which the dense model is no better than guessing."""
        poor = []
        for record in self.drawn.records:
            benchmark, name = known(record.purpose), record.purpose
            if chance := benchmark.chance:
                bar = chance + 1.645 * math.sqrt(chance * (1 - chance) / record.windows)
                if metrics[f"{name}_acc"] <= bar:
                    poor.append(benchmark.title)
        if not poor:
            return ()
        return (
            f"The dense model is not better than guessing on {', '.join(poor)}: what pruning does "
            "to its accuracy there says little.",
        )


def clusters_of(docs: Sequence[documents.Document], fields: Sequence[str]) -> list[int]:
    """Return a number for every document, the same where they have the same in `fields`."""
    numbers: dict[tuple[str, ...], int] = {}
    shared = [tuple(sorted(str(one[field]) for field in fields)) for one in docs]
    return [numbers.setdefault(one, len(numbers)) for one in shared]
