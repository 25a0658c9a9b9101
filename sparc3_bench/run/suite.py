"""Suites: a TOML file of runs as requests, every list of choices crossed with the others.

A suite that repeats a paper says besides which published numbers its runs are to be set beside, and
in what it deviates from the paper.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sparc3_bench.configurable import option_fields
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import PluginHost
from sparc3_bench.run.options import meant_for, typed_for
from sparc3_bench.run.request import Demand, Request
from sparc3_bench.run.seeds import with_seeds
from sparc3_bench.types.conventions import AskedConventions


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Text = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    """A table of a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Run(Demand):
    """One run of a table; what may be a list is crossed."""

    name: str = ""
    scorers: list[str]

    def named(self) -> SuiteRun:
        said = {name: getattr(self, name) for name in Demand.model_fields}
        request = Request(scorers=with_seeds(self.scorers, 0), **said)
        return SuiteRun(self.name, self.model, request)


_CROSSED = ("model", "task_options", "scorer_options", "objective", *AskedConventions.model_fields)


def _runs(table: Mapping[str, Any], where: str) -> Iterator[SuiteRun]:
    names = [name for name in _CROSSED if name in table]
    for values in itertools.product(*(_as_list(table[name]) for name in names)):
        chosen = dict(zip(names, values, strict=True))
        yield _checked(_Run, {**table, **chosen}, where).named()


class Published(_Table):
    """Published numbers that runs are to be set beside; the numbers are in the literature."""

    source: Text
    """Key of the bibliography."""
    where: Text
    """Where in the source the numbers stand, as in the literature."""
    metric: Literal["perplexity", "accuracy"]
    """What they are, as in the literature."""
    measured: Text | dict[str, str]
    """The metric of the runs that is meant; where the table's columns are tasks, one for each."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """What a measured number is multiplied by: 100 where the source prints per cent."""
    methods: dict[str, Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1)]]
    """Of each method, as in the literature, the names of the runs."""
    seeds: Annotated[int, Field(ge=1)] = 1
    """Behind each number and its error."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How much the number formats of two codes may move a number, relative to it."""


class Deviation(_Table):
    """Something that the paper did in another way, or did not say."""

    about: Text
    paper: Text
    here: Text
    why: Text


class _Suite(_Table):
    """What a suite holds beside its runs and what they share."""

    options: dict[str, Any] = {}
    """Of the command line: how it is run."""
    models: dict[str, Text] = {}
    reported: dict[str, list[Text]] = {}
    published: tuple[Published, ...] = ()
    deviation: tuple[Deviation, ...] = ()


@dataclass(frozen=True)
class SuiteRun:
    """A request, with the names that the suite has for the run and for its model."""

    name: str
    model: str
    request: Request


@dataclass(frozen=True)
class SuiteFile:
    """What a suite says."""

    runs: tuple[SuiteRun, ...]  # those on one model follow one another
    models: Mapping[str, str]  # by the name that the suite has for a model, what it means by it
    reported: Mapping[str, Sequence[str]]  # by task, the metrics that the paper plots
    published: tuple[Published, ...]
    deviations: tuple[Deviation, ...]


@dataclass(frozen=True)
class Changes:
    """What the user wants otherwise than a suite says."""

    # fields of every run, e.g. `model` or `dtype`
    every: Mapping[str, Any] = field(default_factory=dict)
    # fields of those runs of which the suite does not say them
    usual: Mapping[str, Any] = field(default_factory=dict)
    # by the suite's name of a model, what to take in its place
    models: Mapping[str, str] = field(default_factory=dict)
    # ``NAME`` for every run whose task has it, ``TASK.NAME`` for the runs of one task
    task_options: Mapping[str, str] = field(default_factory=dict)
    # ``NAME`` for every scorer that has it, ``SCORER.NAME`` for one
    scorer_options: Mapping[str, str] = field(default_factory=dict)
    # scorers that are run in every run, with their seeds
    added: Sequence[tuple[str, Sequence[int]]] = ()
    # fields of every request that a suite does not speak of, e.g. `device`
    request: Mapping[str, Any] = field(default_factory=dict)
    # who reads what models write, in all tasks where they do
    judge: str | None = None
    judge_options: Mapping[str, str] = field(default_factory=dict)


def read_suite(name: str, host: PluginHost, changes: Changes = Changes()) -> SuiteFile:
    """Return what a suite of a plugin, or a TOML file, says, with the user's changes.

    Raises Sparc3Error, naming the table and the field that is wrong; UnknownNameError for a change
    of a model or an option that the suite does not have.
    """
    path = suite_file(name, host)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Sparc3Error(f"The suite {name} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Sparc3Error(f"The suite {name} is not valid TOML: {error}.") from None
    tables = content.pop("run", None)
    if not isinstance(tables, list) or not tables:
        raise Sparc3Error(f"The suite {name} has no runs; give it at least one table [[run]].")
    own = {key: content.pop(key) for key in _Suite.model_fields if key in content}
    suite = _checked(_Suite, own, f"The suite {name}")
    runs: list[SuiteRun] = []
    for number, table in enumerate(tables, 1):
        said = {**changes.usual, **content, **table, **changes.every}
        given = {**said, "task_options": _merged(content, table)}
        runs += _runs(given, f"The suite {name}, run {number}")
    order = list(dict.fromkeys(run.model for run in runs))
    for model in changes.models:
        if model not in order:
            raise UnknownNameError("model of the suite", model, order)
    models = {model: suite.models.get(model, model) for model in order}
    ids = {**models, **changes.models}
    changed = (
        replace(run, request=_changed(run.request, ids[run.model], changes, host))
        for run in sorted(runs, key=lambda run: order.index(run.model))
    )
    named = (name for run in runs for name in run.request.task_options if "." in name)
    _check_used("task", (*changes.task_options, *named), [run.request.task for run in runs], host)
    scorers = [name for run in runs for name, _ in run.request.scorers]
    scorers += [host.get("scorer", name).cls.name for name, _ in changes.added]
    _check_used("scorer", changes.scorer_options, scorers, host)
    return SuiteFile(tuple(changed), models, suite.reported, suite.published, suite.deviation)


def suite_file(name: str, host: PluginHost) -> Path:
    """Return where a suite is described: of a plugin's by its name, or the TOML file itself.

    Raises UnknownNameError when no plugin offers a suite of that name.
    """
    return Path(name) if name.endswith(".toml") else host.get("suite", name).cls.file


def load_suite(name: str, host: PluginHost, changes: Changes = Changes()) -> list[Request]:
    """Return the requests of a suite; see `read_suite`."""
    return [run.request for run in read_suite(name, host, changes).runs]


def _checked(cls: type[Any], content: object, where: str) -> Any:
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(str(part) for part in first["loc"])
        raise Sparc3Error(f"{where}, `{named}`: {first['msg']}.") from None


def _merged(content: Mapping[str, Any], table: Mapping[str, Any]) -> list[Any]:
    """Return the task options of a run: its own, and those at the top that it does not have."""
    shared, own = (_as_list(one.get("task_options", {})) for one in (content, table))
    if not all(isinstance(one, Mapping) for one in (*shared, *own)):
        return [*shared, *own]  # refused with its place
    return [{**above, **one} for above in shared for one in own]


def _changed(request: Request, model: str, changes: Changes, host: PluginHost) -> Request:
    request = request.model_copy(update={"model": model, **changes.request})
    return _with_scorers(_with_task(request, changes, host), changes, host)


def _with_task(request: Request, changes: Changes, host: PluginHost) -> Request:
    entry = host.all("task").get(request.task)
    if entry is None:  # the plan will say so
        return request
    plain = {name: value for name, value in request.task_options.items() if "." not in name}
    said = meant_for(request.task, entry.cls, request.task_options)
    own = meant_for(request.task, entry.cls, changes.task_options)
    update: dict[str, Any] = {"task_options": {**plain, **said, **own}}
    # Options of the run are the plan's to refuse.
    if entry.cls(**entry.cls.tiny_options).judging is not None:
        update["judge"] = changes.judge or request.judge
        before = {} if changes.judge else request.judge_options
        update["judge_options"] = {**before, **changes.judge_options}
    return request.model_copy(update=update)


def _with_scorers(request: Request, changes: Changes, host: PluginHost) -> Request:
    """Return a request with the user's options of scorers, and with those that are added."""
    typed, entries = changes.scorer_options, host.all("scorer")
    # What the user says of all that have an option, the suite does not say of one.
    said = {
        name: text
        for name, text in request.scorer_options.items()
        if name.rpartition(".")[2] not in typed
    }
    own = [name for name, _ in request.scorers if name in entries]
    for name in own:
        said |= typed_for(name, entries[name].cls, typed)
    added = list[Request]()
    for name, seeds in changes.added:
        there = {seed for other, some in request.scorers if other == name for seed in some}
        if more := [seed for seed in seeds if seed not in there]:
            options = typed_for(name, host.get("scorer", name).cls, {**said, **typed})
            update = {"scorers": [(name, more)], "scorer_options": options}
            added.append(request.model_copy(update=update))
    return request.model_copy(update={"scorer_options": said, "added": added})


def _check_used(kind: str, given: Iterable[str], names: Iterable[str], host: PluginHost) -> None:
    """Refuse options that none of these scorers or tasks has."""
    known = {
        f"{prefix}{option.name}"
        for name in {*names} & {*host.all(kind)}
        for option in option_fields(host.get(kind, name).cls)
        for prefix in ("", f"{name}.")
    }
    for name in given:
        if name not in known:
            raise UnknownNameError(f"{kind} option", name, known)
