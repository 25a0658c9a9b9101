"""Report: published beside measured, what was not run, and every deviation, for readers."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison.phrasing import markdown_table
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.replication.rows import Row, RunOutcome
from sparc3_bench.replication.verdict import DEFINITION, SeedMean
from sparc3_bench.run.environment import RUNNER, without_folders
from sparc3_bench.run.suite import Changes, Deviation, SuiteFile
from sparc3_bench.source import code_of

if TYPE_CHECKING:
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.result import Result

WORDS = ("match", "differs", "not run")

COLUMNS = ("model", "data", "removed", "published", "run", "here", "difference", "allowed", "")
"""Of the table of published numbers."""

CURVES = ("model", "run", "scorer", "seeds", "what", "by amount removed")
"""Of the table of everything measured."""


@dataclass(frozen=True)
class ReplicationReport:
    """What came of replicating a suite."""

    name: str
    suite: SuiteFile
    rows: Sequence[Row]
    """Every published number."""
    outcomes: Sequence[RunOutcome]
    """Every run, whether something was published of it or not."""
    deviations: Sequence[Deviation]
    """From the paper's protocol, those that the user asked for last."""

    @property
    def counts(self) -> dict[str, int]:
        """How many published numbers match, differ and were not run."""
        found = Counter(row.word for row in self.rows)
        return {word: found[word] for word in WORDS}

    @property
    def summary(self) -> str:
        """The counts in a sentence."""
        if not self.rows:
            return "The suite names no published number to be set beside its own."
        match, differ, missing = self.counts.values()
        said = f"{match} match, {differ} differ, {missing} not run"
        return f"Of {len(self.rows)} published numbers: {said}."

    @property
    def reasons(self) -> dict[str, int]:
        """Why runs are not there, with how many of them, seed by seed."""
        return dict(Counter(r for one in self.outcomes for r in one.missing.values()))

    @property
    def states(self) -> int:
        """How many results were made by another state of the suite's code."""
        return sum(
            result.environment.source_digest != code_of(RUNNER)
            for one in self.outcomes
            for result in one.results.values()
        )

    def table(self) -> list[tuple[str, ...]]:
        """Return the cells of `COLUMNS`."""
        return [
            (
                row.model,
                row.published.data,
                row.published.removed,
                f"{row.published.method} {row.published.text}",
                row.label or "dense",
                mean_text(row.own) if row.own else "",
                f"{row.verdict.difference:+.3g}" if row.verdict else "",
                f"{row.verdict.allowed:.2g}" if row.verdict else "",
                row.word,
            )
            for row in self.rows
        ]

    def curves(self) -> list[tuple[str, ...]]:
        """Return the cells of `CURVES`: metrics at every amount, and numbers of whole curves."""
        found: list[tuple[str, ...]] = []
        for one in self.outcomes:
            if not one.results:
                continue
            results = list(one.results.values())
            head = (one.run.model, one.label, one.scorer, str(len(results)))
            for metric in self._metrics(results[0]):
                found.append((*head, metric.title, _by_amount(results, metric.name)))
            for whole in results[0].curve_metrics:
                values = [result.curve[whole.name].value for result in results]
                found.append((*head, whole.title, _mean(values)))
        return found

    def _metrics(self, result: Result) -> list[MetricRecord]:
        """Return the metrics that the paper plots, or the main one."""
        own = {metric.name: metric for metric in result.metrics}
        names = self.suite.reported.get(result.spec.task.name, [result.metrics[0].name])
        for name in names:
            if name not in own:
                raise UnknownNameError("metric", name, own, " (the suite's [reported])")
        return [own[name] for name in names]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "suite": self.name,
            "counts": self.counts,
            "definition": DEFINITION,
            "published": [_as_json(row) for row in self.rows],
            "runs": [
                {
                    "run": one.label,
                    "model": one.run.model,
                    "scorer": one.scorer,
                    "results": {str(seed): r.spec.path for seed, r in one.results.items()},
                    "not_run": {str(seed): reason for seed, reason in one.missing.items()},
                }
                for one in self.outcomes
            ],
            "results_of_other_code": self.states,
            "deviations": [one.model_dump() for one in self.deviations],
        }

    def to_markdown(self) -> str:
        """Return everything as Markdown."""
        parts = [f"# Replication of {self.name}", self.summary]
        if self.rows:
            parts += [markdown_table(COLUMNS, self.table()), f"± is a standard error. {DEFINITION}"]
        if self.reasons:
            parts += ["## Not run", _bullets(f"{n} runs: {why}" for why, n in self.reasons.items())]
        if curves := self.curves():
            parts += ["## All that was measured", markdown_table(CURVES, curves)]
        if self.states:
            parts.append(f"{self.states} results were made by another state of the suite's code.")
        if self.deviations:
            parts += ["## Deviations from the paper", _bullets(map(deviation, self.deviations))]
        return "\n\n".join(parts) + "\n"


def mean_text(number: SeedMean) -> str:
    """Return a number with its error over seeds."""
    error = "" if number.error is None else f" ± {number.error:.2g} ({number.seeds} seeds)"
    return f"{number.value:.5g}{error}"


def deviation(one: Deviation) -> str:
    """Return a deviation in words."""
    return f"{one.about}. Paper: {one.paper} Here: {one.here} Why: {one.why}"


def changes_asked(changes: Changes, suite: SuiteFile) -> list[Deviation]:
    """Return as deviations what the user wanted otherwise than the suite says."""
    usual = "as the suite has it"
    said = [
        (f"Model {name}", suite.models[name], path, "--model")
        for name, path in changes.models.items()
    ]
    said += [
        (f"Option {name}", usual, value, "--task-option")
        for name, value in changes.task_options.items()
    ]
    said += [(name, usual, str(value), f"--{name}") for name, value in changes.every.items()]
    said += [("Judge", usual, changes.judge, "--judge")] if changes.judge else []
    said += [
        (f"Option {name} of the judge", usual, value, "--judge-option")
        for name, value in changes.judge_options.items()
    ]
    return [
        Deviation(
            about=about,
            paper=f"{paper}.",
            here=f"{without_folders(here)}.",
            why=f"asked for with `{option}`.",
        )
        for about, paper, here, option in said
    ]


def changes_found(outcomes: Iterable[RunOutcome]) -> list[Deviation]:
    """Return as deviations what results say themselves.

    That is how weights differ from those of the original model, and what stood before samples:
    published numbers often have nothing there.
    """
    specs = [(one.run.model, made.spec) for one in outcomes for made in one.results.values()]
    labels = {(model, spec.model.label) for model, spec in specs if spec.model.label}
    found = [
        Deviation(
            about=f"Weights of {model}",
            paper="those that were published.",
            here=f"{label}.",
            why="the results are of this copy.",
        )
        for model, label in sorted(labels)
    ]
    begun = {
        (model, spec.task.name, data.item, "".join(data.begin))
        for model, spec in specs
        for data in spec.datasets
        if data.begin
    }
    found += [
        Deviation(
            about=f"Beginning of every {item}, {task} on {model}",
            paper="what the suite says of it, if it does.",
            here=f"`{tokens}`, read and not scored.",
            why="option `begin` has what the tokenizer puts before a text.",
        )
        for model, task, item, tokens in sorted(begun)
    ]
    return found


def _as_json(row: Row) -> dict[str, Any]:
    number = row.published
    own = row.own and {"value": row.own.value, "error": row.own.error, "seeds": row.own.seeds}
    return {
        "source": number.source.key,
        "where": number.where,
        "method": number.method,
        "metric": number.metric,
        "data": number.data,
        "removed": number.removed.replace("\N{NO-BREAK SPACE}", " "),
        "model": row.model,
        "published": {"value": number.value, "error": number.error},
        "run": row.label,
        "here": own,
        "difference": row.verdict and row.verdict.difference,
        "allowed": row.verdict and row.verdict.allowed,
        "verdict": row.word,
        "reason": row.reason or None,
    }


def _by_amount(results: Sequence[Result], metric: str) -> str:
    """Return the mean over results at every amount that all of them have."""
    values: dict[float, list[float]] = {}
    for result in results:
        for point in result.points:
            values.setdefault(point.amount.requested, []).append(point.metrics[metric])
    return " · ".join(
        f"{amount:g}: {_mean(some)}" for amount, some in values.items() if len(some) == len(results)
    )


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4g}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
