"""Report: published beside measured, what was not run, and every deviation, for readers."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench.replication.rows import Outcome, Row
from sparc3_bench.replication.verdict import DEFINITION, Number
from sparc3_bench.run.environment import source_digest
from sparc3_bench.run.suite import Changes, Deviation

WORDS = ("match", "differs", "not run")

COLUMNS = ("model", "data", "removed", "published", "run", "here", "difference", "allowed", "")
"""Of the table of published numbers."""

CURVES = ("model", "run", "scorer", "seeds", "what", "by amount removed")
"""Of the table of everything measured."""


@dataclass(frozen=True)
class Report:
    """What came of replicating a suite.

    Attributes
    ----------
    rows
        Every published number.
    outcomes
        Every run, whether something was published of it or not.
    deviations
        From the paper's protocol, those that the user asked for last.
    """

    suite: str
    rows: Sequence[Row]
    outcomes: Sequence[Outcome]
    deviations: Sequence[Deviation]

    @property
    def counts(self) -> dict[str, int]:
        """How many published numbers match, differ and were not run."""
        found = Counter(row.word for row in self.rows)
        return {word: found[word] for word in WORDS}

    @property
    def summary(self) -> str:
        """The counts in a sentence."""
        if not self.rows:
            return "No numbers were published to be set beside these; the source plots them."
        said = ", ".join(f"{count} {word}" for word, count in self.counts.items())
        return f"Of {len(self.rows)} published numbers: {said}."

    @property
    def reasons(self) -> dict[str, int]:
        """Why runs are not there, with how many of them, seed by seed."""
        return dict(Counter(r for one in self.outcomes for r in one.missing.values()))

    @property
    def states(self) -> int:
        """How many results were made by another state of the suite's code."""
        return sum(
            result.environment.source_digest != source_digest()
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
                told(row.own) if row.own else "",
                f"{row.verdict.difference:+.3g}" if row.verdict else "",
                f"{row.verdict.allowed:.2g}" if row.verdict else "",
                row.word,
            )
            for row in self.rows
        ]

    def curves(self) -> list[tuple[str, ...]]:
        """Return the cells of `CURVES`: main metric at every amount, numbers of whole curves."""
        found: list[tuple[str, ...]] = []
        for one in self.outcomes:
            if not one.results:
                continue
            results = list(one.results.values())
            metric, *_ = results[0].metrics
            head = (one.run.model, one.label, one.scorer, str(len(results)))
            by_amount = {
                f"{point.amount.requested:g}": [
                    result.points[place].metrics[metric.name] for result in results
                ]
                for place, point in enumerate(results[0].points)
            }
            found.append((*head, metric.title, _list(by_amount)))
            for whole in results[0].curve_metrics:
                values = [result.curve[whole.name].value for result in results]
                found.append((*head, whole.title, _mean(values)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "suite": self.suite,
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
        parts = [f"# Replication of {self.suite}", self.summary]
        if self.rows:
            parts += [_grid(COLUMNS, self.table()), f"± is a standard error. {DEFINITION}"]
        if self.reasons:
            parts += ["## Not run", _bullets(f"{n} runs: {why}" for why, n in self.reasons.items())]
        if curves := self.curves():
            parts += ["## All that was measured", _grid(CURVES, curves)]
        if self.states:
            parts.append(f"{self.states} results were made by another state of the suite's code.")
        if self.deviations:
            parts += ["## Deviations from the paper", _bullets(map(deviation, self.deviations))]
        return "\n\n".join(parts) + "\n"


def told(number: Number) -> str:
    """Return a number with its error over seeds."""
    error = "" if number.error is None else f" ± {number.error:.2g} ({number.seeds} seeds)"
    return f"{number.value:.5g}{error}"


def deviation(one: Deviation) -> str:
    """Return a deviation in words."""
    return f"{one.about}. Paper: {one.paper} Here: {one.here} Why: {one.why}"


def asked_for(changes: Changes) -> list[Deviation]:
    """Return as deviations what the user wanted otherwise than the suite says."""
    said = [(f"Model {name}", Path(path).name, "--model") for name, path in changes.models.items()]
    said += [
        (f"Option {name}", Path(value).name if Path(value).exists() else value, "--task-option")
        for name, value in changes.task_options.items()
    ]
    said += [(f"Field {name}", str(value), f"--{name}") for name, value in changes.every.items()]
    if changes.judge is not None:
        said.append(("Judge", changes.judge, "--judge"))
    said += [
        (f"Option {name} of the judge", Path(value).name, "--judge-option")
        for name, value in changes.judge_options.items()
    ]
    return [
        Deviation(
            about=about,
            paper="as the suite has it.",
            here=f"{value}.",
            why=f"asked for with `{option}`.",
        )
        for about, value, option in said
    ]


def labelled(outcomes: Iterable[Outcome]) -> list[Deviation]:
    """Return as deviations how weights differ from those of the original model."""
    found = {
        (one.run.model, result.spec.model.label)
        for one in outcomes
        for result in one.results.values()
        if result.spec.model.label
    }
    return [
        Deviation(
            about=f"Weights of {model}",
            paper="those that were published.",
            here=f"{label}.",
            why="the results are of this copy.",
        )
        for model, label in sorted(found)
    ]


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


def _list(by_amount: dict[str, list[float]]) -> str:
    return " · ".join(f"{amount}: {_mean(values)}" for amount, values in by_amount.items())


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4g}"


def _grid(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
