"""Whatever users and authors of plugins meet has an entry, and every entry says something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from unit.site_pages import COMMANDS

from sparc3_bench import Metric, Scorer, Task, hookspecs
from sparc3_bench.errors import ExitCode
from sparc3_bench.host import KINDS, PluginHost, Registered, default_host
from sparc3_bench.leaderboard import reference
from sparc3_bench.leaderboard.commands import Command, Parameter
from sparc3_bench.leaderboard.docstrings import parse_docstring
from sparc3_bench.leaderboard.documentation import documentation
from sparc3_bench.leaderboard.markdown import slug
from sparc3_bench.leaderboard.public_names import Definition, Member
from sparc3_bench.testing import make_tokenizer, make_view

ROOT = Path(__file__).resolve().parents[2]
CODE = [
    path
    for folder in ("sparc3_bench", "plugins", "tasks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@cache
def page(name: str) -> str:
    """Return a page of the reference."""
    menu = documentation(default_host(), COMMANDS).menu
    (body,) = [one.body for _, pages in menu for one in pages if one.name == f"{name}.html"]
    return str(body)


def has(name: str, *anchors: str) -> bool:
    return all(f'id="{anchor}"' in page(name) for anchor in anchors)


def row(name: str, anchor: str, first: str) -> bool:
    """Return whether a table that is named after a heading has a row that starts with `first`."""
    tables = re.findall(
        rf'<table aria-labelledby="{re.escape(anchor)}">(.*?)</table>', page(name), re.DOTALL
    )
    return any(f'class="first"><code>{first}</code>' in table for table in tables)


# What is left unsaid, by kind of thing; the tests below ask for none.


def unsaid_names(found: Iterable[Definition]) -> Iterator[str]:
    for one in found:
        if not one.told.text:
            yield one.name
        yield from (f"{one.name}.{m.name}" for m in one.members if not m.told.text)


def unsaid_commands(found: Iterable[Command]) -> Iterator[str]:
    for one in found:
        if not one.help:
            yield one.name
        yield from (f"{one.name} {p.name}" for p in one.parameters if not p.help)


def unsaid_of_plugin(one: reference.Plugin) -> Iterator[str]:
    if not one.told.summary:
        yield "summary"
    # What a task's docstring does not say of an option its card must.
    card = one.card.read_text(encoding="utf-8") if one.card else ""
    told = {option.name for option in one.told.options if option.description}
    yield from (
        o.name for o in one.told.options if o.name not in told and f"`{o.name}`" not in card
    )
    for metric in one.metrics:
        if not (metric.title and metric.unit and metric.direction):
            yield metric.name
        if one.kind == "task" and f"`{metric.name}`" not in card:
            yield f"{metric.name} in the card"


def errors_in(paths: Iterable[Path]) -> dict[str, str]:
    """Return the docstring of every error that derives from the suite's own, by its name."""
    found: dict[str, tuple[set[str], str]] = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base) for base in node.bases}
                found[node.name] = (bases, ast.get_docstring(node) or "")
    ours = {"Sparc3Error"}
    while more := {name for name, (bases, _) in found.items() if bases & ours} - ours:
        ours |= more
    return {name: found[name][1] for name in ours}


PLUGINS = {f"{one.kind} {one.name}": one for one in reference.plugins(default_host())}
HOOKS = [hook for hook, _ in KINDS.values()]


def test_the_hooks_are_those_that_the_host_calls():
    assert [one.name for one in reference.hooks()] == HOOKS
    assert has("contracts", *(f"hookspecs.{hook}" for hook in HOOKS))


def example(hook: str) -> ModuleType:
    """Return the module that the documentation of a hook shows."""
    blocks = parse_docstring(getattr(hookspecs, hook).__doc__).text.split("::\n\n")
    assert len(blocks) == 2, f"{hook} has no example"
    code = "\n".join(line.removeprefix("    ") for line in blocks[1].splitlines())
    module = ModuleType(f"example_{hook}")
    module.__file__ = "example.py"
    exec(compile(code, module.__file__, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example_that_the_host_takes(hook, monkeypatch):
    module = example(hook)
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    point = SimpleNamespace(name="example", value=module.__name__, dist=None, load=lambda: module)
    host = PluginHost([point])
    assert host.broken == {}
    (kind,) = [kind for kind, (name, _) in KINDS.items() if name == hook]
    assert len(host.all(kind)) == 1
    assert f"class {next(iter(host.all(kind).values())).cls.__name__}(" in page("contracts")


def test_the_examples_of_a_task_and_a_judge_work(tmp_path):
    task = example("sparc3_register_tasks").Sureness()
    prepared = task.prepare(make_tokenizer(), "tiny", tmp_path, 0)
    (samples,) = prepared.references(task.default_objective).values()
    assert len(samples.samples[0]) > 2
    found = prepared.evaluate(make_view("llama"), None, lambda done, total: None)
    (sureness,) = found.samples["sureness"]
    means = {"sureness": sureness}
    assert 0 < task.point_metrics(means, means, None)["sureness"] <= 1
    judge = example("sparc3_register_judges").Shouting().load(tmp_path)
    assert list(judge.score(["NO", "no"])) == [1, 0]


def test_every_contract_and_all_that_is_in_it_is_explained():
    found = [one for _, _, group in reference.contracts() for one in group]
    names = {one.name for one in found}
    assert {"Scorer", "Task", "PreparedTask", "ModelAdapter", "ModelView", "Judge"} <= names
    assert {"check_scorer", "PrunableWeight", "Group"} <= names
    assert list(unsaid_names(found)) == []
    assert has("contracts", *(reference.anchor(one) for one in found))
    members = (f"{reference.anchor(one)}.{m.name}" for one in found for m in one.members)
    assert has("contracts", *members)


def test_a_contract_without_a_word_would_be_found():
    silent = Member("scope", "scope: str", parse_docstring(""), True)
    told = Definition("Told", "m", "class Told", parse_docstring("Something."), (silent,))
    mute = Definition("Mute", "m", "class Mute", parse_docstring(""))
    assert list(unsaid_names([told, mute])) == ["Told.scope", "Mute"]


def test_every_command_and_option_is_explained():
    found = COMMANDS
    assert len(found) > 10
    assert list(unsaid_commands(found)) == []
    assert has("commands", *(slug(one.name) for one in found))
    for one in found:
        assert all(row("commands", slug(one.name), p.name) for p in one.parameters), one.name


def test_a_command_or_an_option_without_help_would_be_found():
    option = Parameter("--quietly", "", "", True, False, False)
    mute = Command("sparc3 hush", "sparc3 hush", "", (option,))
    assert list(unsaid_commands([mute])) == ["sparc3 hush", "sparc3 hush --quietly"]


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_its_options_and_metrics_are_explained(name):
    one = PLUGINS[name]
    assert list(unsaid_of_plugin(one)) == []
    anchor = f"{one.kind}.{one.name}"
    assert has("installed", anchor)
    rows = [*(option.name for option in one.told.options), *(m.name for m in one.metrics)]
    assert all(row("installed", anchor, first) for first in rows)


def test_a_plugin_that_keeps_something_to_itself_would_be_found():
    @dataclass(frozen=True)
    class Mute(Task):
        name, title, version, default_objective = "mute", "Mute", 1, "loss"
        amounts = (0.0,)
        metrics = (Metric("volume", "lower", "", "Volume"),)
        prepare = point_metrics = Task.metrics_for
        loud: bool = False

    @dataclass(frozen=True)
    class Told(Scorer):
        """Something.

        Parameters
        ----------
        loud
            How loud.
        """

        name, title = "told", "Told"
        loud: bool = False

    def plugin(kind: str, cls: type[Any]) -> reference.Plugin:
        origin = SimpleNamespace(distribution="d", version="1")
        host = SimpleNamespace(
            all=lambda k: {cls.name: Registered(cls, origin)} if k == kind else {}
        )  # type: ignore[arg-type]
        (found,) = reference.plugins(host)  # type: ignore[arg-type]
        return found

    # What there is no word about is told by the first line of its module.
    assert list(unsaid_of_plugin(plugin("task", Mute))) == [
        *("loud", "volume", "volume in the card")
    ]
    assert list(unsaid_of_plugin(plugin("scorer", Told))) == []


def test_every_field_of_a_result_is_explained():
    found = reference.parts()
    assert {"Result", "RunSpec", "Point", "Environment"} <= {part.name for part in found}
    unsaid = [f"{part.name}.{f.name}" for part in found for f in part.fields if not f.description]
    assert unsaid == []
    assert [part.name for part in found if not part.description] == []
    assert has("fields", *(part.name for part in found))
    for part in found:
        assert all(row("fields", part.name, field.name) for field in part.fields)


def test_every_error_of_the_suite_and_its_plugins_is_explained():
    found = errors_in(CODE)
    assert len(found) > 4
    assert [name for name, told in found.items() if not told] == []
    assert has("errors", *(f"errors.{name}" for name in found))


def test_an_error_without_a_word_would_be_found(tmp_path):
    file = tmp_path / "more.py"
    file.write_text(
        "class A(Sparc3Error): '''Told.'''\nclass B(A): pass\nclass C(Exception): pass\n"
    )
    assert errors_in([file, ROOT / "sparc3_bench/errors.py"]).keys() >= {"A", "B", "ModelError"}
    assert errors_in([file, ROOT / "sparc3_bench/errors.py"])["B"] == ""
    assert "C" not in errors_in([file, ROOT / "sparc3_bench/errors.py"])


def test_every_exit_code_of_a_command_is_explained():
    used = {
        int(code)
        for path in (ROOT / "sparc3_bench/cli").glob("*.py")
        for code in re.findall(r"Exit\((\d+)\)", path.read_text())
    }
    assert used
    assert used <= set(ExitCode)
    assert [code for code, told in reference.codes() if not told] == []
    assert all(row("commands", "codes", str(code.value)) for code in ExitCode)
