"""Repeat: the command that makes a result again, from its record."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from sparc3_bench.comparison.series import Series
from sparc3_bench.configurable import option_fields
from sparc3_bench.host import PluginHost
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import PluginRef, RunSpec
from sparc3_bench.types.conventions import NO_REPAIR, UNIFORM, AskedConventions

_UNSAID = (UNIFORM, NO_REPAIR)


def command(result: Result) -> str:
    """Return a `sparc3 run` command with the same spec, as far as names can say it.

    What a name stands for may have changed since: the record has digests of model, data and code to
    compare with. Options are given in full, so that other defaults change nothing.
    """
    spec = result.spec
    said = {name: value for name, value in spec.conventions().items() if value not in _UNSAID}
    said |= {name: getattr(spec, name) for name in ("controls", "stability_seeds", "seed")}
    said |= {"objective": spec.objective, "limit": spec.limit}
    words = ["--scorer", spec.scorer.name, *_measured(spec, spec.amounts, said)]
    return shlex.join(["sparc3", "run", *words, *_options(spec)])


def _measured(spec: RunSpec, amounts: Iterable[float], said: Mapping[str, object]) -> list[str]:
    """Return the words for what is measured where, and for what else is said, but for nothing."""
    words = ["--task", spec.task.name, "--model", spec.model.id, "--dtype", spec.model.dtype]
    words += ["--amounts", ",".join(f"{amount:.12g}" for amount in amounts)]
    words += ["--count"] if spec.amount_kind == "count" else []
    for name, value in said.items():
        if value and name != "amount_kind":
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def uses(result: Result, file: str, host: PluginHost) -> list[str]:
    """Return the commands that make something of the file of a finished result."""
    spec, folder = result.spec, f"{result.spec.scorer.name}-{result.key[:6]}"
    amount = result.found.point.amount.requested if result.found else _middle(result)
    made = [["replay", file]]
    if amount:
        count = spec.amount_kind == "count"
        size = ["--remove", f"{amount:.0f}"] if count else ["--size", f"{1 - amount:.12g}"]
        small = ["--no-model"] if spec.ablation != "zero" else []
        made.append(["circuit", "export", file, *size, *small, "--out", f"{folder}-circuit"])
        task = host.all("task").get(spec.task.name)
        usual = _unusual(spec) <= {"unit", "group", "scope", "amount_kind"}
        words = ["--model", spec.model.id, "--scorer", spec.scorer.name, "--scope", spec.scope]
        if usual and task and task.cls.prompts_option is not None and count:
            words += [f"--{spec.unit}s", f"{amount:.0f}", "--task", spec.task.name]
            words += [*_options(spec), "--out", f"{folder}-corrected"]
            made.append(["correct", *words])
        elif usual and not count:
            words += ["--unit", spec.unit, "--group", spec.group, "--amount", f"{amount:.12g}"]
            words += [*_options(spec, ("scorer",)), "--out", f"{folder}-pruned"]
            made.append(["prune", *words])
    if result.responses:
        made.append(["rejudge", file, "--judge", "JUDGE"])
    made.append(["export", file, "--format", "csv", "--out", f"{folder}.csv"])
    return [shlex.join(["sparc3", *words]) for words in made]


def _middle(result: Result) -> float:
    """Return the middle one of the amounts that leave something; 0 where there is none."""
    counted = result.spec.amount_kind == "count"
    part = [a for a in result.spec.amounts if a > 0 and (a < 1 or counted)]
    return part[len(part) // 2] if part else 0.0


def _options(spec: RunSpec, kinds: Sequence[str] = ("scorer", "task")) -> list[str]:
    words = [word for kind in kinds for word in _typed(kind, getattr(spec, kind).options)]
    if spec.judge is not None:
        words += ["--judge", spec.judge.name, *_typed("judge", spec.judge.options)]
    return words


def _typed(kind: str, options: Mapping[str, JsonValue]) -> list[str]:
    # None cannot be typed; where it is recorded it is the default.
    pairs = [(name, value) for name, value in sorted(options.items()) if value is not None]
    return [word for name, value in pairs for word in (f"--{kind}-option", f"{name}={value}")]


def side_by_side_command(
    rows: Sequence[Series],
    amounts: Sequence[float],
    changed: Mapping[str, JsonValue],
    host: PluginHost,
) -> str:
    """Return a `sparc3 run` command for rows of a section, with other options of the task.

    Options that are the defaults here are left out. Empty where no single command says it all, as
    when rows differ in options of the task. `changed` are options that the rows do not have.
    """
    specs = [one.rising[-1].spec for one in rows]
    first = specs[0]
    task = [{**unusual("task", spec.task, host), **changed} for spec in specs]
    objectives = {spec.objective for spec in specs if not has_own_objective(spec, host)}
    if any(one != task[0] for one in task) or len(objectives) > 1:
        return ""
    words = ["sparc3", "run"]
    for one in rows:
        drawn = sorted({run.result.spec.seed for run in one.runs})
        at = f"@{','.join(map(str, drawn))}" if drawn != [0] else ""
        words += ["--scorer", f"{one.scorer.name}{at}"]
    said = {n: value for n, value in first.conventions().items() if n in _unusual(first)}
    said["objective"] = next(iter(objectives), None)
    words += _measured(first, [amount for amount in amounts if amount > 0], said)
    for spec in specs:
        for name, value in unusual("scorer", spec.scorer, host).items():
            words += ["--scorer-option", f"{spec.scorer.name}.{name}={value}"]
    words += _typed("task", task[0])
    if first.judge is not None:
        words += ["--judge", first.judge.name]
        words += _typed("judge", unusual("judge", first.judge, host))
    return shlex.join(words)


def _unusual(spec: RunSpec) -> set[str]:
    """Return the names of the conventions of a run that nobody gets without asking."""
    fields = AskedConventions.model_fields
    return {n for n, value in spec.conventions().items() if value != fields[n].default}


def unusual(kind: str, ref: PluginRef, host: PluginHost) -> dict[str, JsonValue]:
    """Return the recorded options of a plugin that are not the defaults of the one here."""
    entry = host.all(kind).get(ref.name)
    usual = {one.name: one.default for one in option_fields(entry.cls)} if entry else {}
    return {
        name: value
        for name, value in sorted(ref.options.items())
        if value is not None and (name not in usual or usual[name] != value)
    }


def departures(spec: RunSpec, host: PluginHost) -> int:
    """Return in how many options a run is not what the scorer and the task are by default here."""
    options = [*unusual("scorer", spec.scorer, host), *unusual("task", spec.task, host)]
    return len(options) + (not has_own_objective(spec, host))


def has_own_objective(spec: RunSpec, host: PluginHost) -> bool:
    """Return whether a run has the objective that nobody needs to ask for."""
    scorer = host.all("scorer").get(spec.scorer.name)
    task = host.all("task").get(spec.task.name)
    own = scorer and (scorer.cls.default_objective or (task and task.cls.default_objective))
    return spec.objective in (None, own)
