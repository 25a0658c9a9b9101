"""Judging: have a judge read what models wrote, and refuse verdicts that are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparc3_bench.contracts import LoadedJudge, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.parts import Phase
from sparc3_bench.record.spec import JudgeRef, content_key
from sparc3_bench.run import store
from sparc3_bench.run.environment import LIBRARIES, RUNNER, metered
from sparc3_bench.run.progress import Reporter
from sparc3_bench.source import code_of, versions
from sparc3_bench.types.values import Progress, Texts, Verdicts

NOTHING = Phase(seconds=0, peak_bytes=0)


@dataclass(frozen=True)
class Bench:
    """A judge that sits: ready to read, with what is recorded of it."""

    ref: JudgeRef
    judge: LoadedJudge
    code: str
    """Digest of all code that the judge comes with."""


@dataclass(frozen=True)
class Measured:
    """An evaluation with what the judge says of its texts.

    Attributes
    ----------
    raw
        As measured; from the texts another judge can start again.
    samples
        All per-sample numbers, the judged ones too.
    judging
        What the judge cost.
    """

    raw: store.Evaluated
    samples: Mapping[str, tuple[float, ...]]
    judging: Phase = NOTHING


def judged(
    bench: Bench | None,
    evaluated: store.Evaluated,
    task: Task,
    cache: Path,
    report: Reporter,
    label: str,
) -> Measured:
    """Have the judge read what a model wrote, unless its verdict is in the cache."""
    if bench is None or not evaluated.texts:
        return Measured(evaluated, evaluated.samples)
    with report.steps(f"{label} · {bench.ref.name}") as step:
        verdict = remembered(bench, evaluated.texts, cache, step)
    samples = {name: tuple(values) for name, values in task.judged(verdict.scores).items()}
    return Measured(evaluated, {**evaluated.samples, **samples}, verdict.phase)


def remembered(bench: Bench, texts: Texts, cache: Path, progress: Progress) -> store.Verdict:
    """Return the verdict on texts, from the cache if it is there."""
    listed = {kind: [list(some) for some in prompts] for kind, prompts in texts.items()}
    made_by = [bench.code, code_of(RUNNER), versions(LIBRARIES)]
    key = content_key([bench.ref.model_dump(mode="json"), made_by, listed])
    path = cache / "verdicts" / f"{key}.json"
    if (kept := store.read(store.Verdict, path)) is not None:
        assert isinstance(kept, store.Verdict)
        return kept
    with metered() as meter:
        scores = verdicts(bench, texts, progress)
    verdict = store.Verdict(scores=scores, phase=meter.phase)
    store.write(verdict, path)
    return verdict


def verdicts(bench: Bench, texts: Texts, progress: Progress) -> Verdicts:
    """Return the judge's scores of all texts, nested as they are.

    Raises
    ------
    Sparc3Error
        When the judge does not give one number from 0 to 1 for every text.
    """
    flat = [text for prompts in texts.values() for responses in prompts for text in responses]
    scores = [float(score) for score in bench.judge.score(flat, progress)]
    if len(scores) != len(flat):
        raise Sparc3Error(
            f"Judge '{bench.ref.name}' returned {len(scores)} scores for {len(flat)} texts; it "
            "must return one a text."
        )
    for score in scores:
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise Sparc3Error(
                f"Judge '{bench.ref.name}' returned the score {score:g}; it must be from 0 to 1."
            )
    rest = iter(scores)
    return {
        kind: tuple(tuple(next(rest) for _ in responses) for responses in prompts)
        for kind, prompts in texts.items()
    }
