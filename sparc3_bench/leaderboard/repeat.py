"""Repeat: the command that makes a result again, from its record."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result
    from sparc3_bench.record.spec import RunSpec


def command(result: Result) -> str:
    """Return a `sparc3 run` command with the same spec, as far as names can say it.

    What a name stands for may have changed since: the record has digests of model, data and code to
    compare with. Options are given in full, so that other defaults change nothing.
    """
    spec = result.spec
    words = ["sparc3", "run", "--scorer", spec.scorer.name, "--task", spec.task.name]
    words += ["--model", spec.model.id, "--dtype", spec.model.dtype]
    words += ["--amounts", ",".join(f"{amount:.12g}" for amount in spec.amounts)]
    if spec.amount_kind == "count":
        words.append("--count")
    beside = {name: getattr(spec, name) for name in ("controls", "stability_seeds", "seed")}
    for name, value in (spec.conventions() | beside).items():
        if value and name != "amount_kind":
            words += [f"--{name.replace('_', '-')}", str(value)]
    if spec.objective is not None:
        words += ["--objective", spec.objective]
    if spec.limit is not None:
        words += ["--limit", str(spec.limit)]
    return shlex.join([*words, *_options(spec)])


def _options(spec: RunSpec) -> list[str]:
    words = []
    kinds = (("scorer", spec.scorer.options), ("task", spec.task.options))
    for kind, options in kinds:
        for name, value in sorted(options.items()):
            # None cannot be typed; where it is recorded it is the default.
            if value is not None:
                words += [f"--{kind}-option", f"{name}={value}"]
    if spec.judge is not None:
        words += ["--judge", spec.judge.name]
        for name, value in sorted(spec.judge.options.items()):
            if value is not None:
                words += ["--judge-option", f"{name}={value}"]
    return words
