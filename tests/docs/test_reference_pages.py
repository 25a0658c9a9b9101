"""Whatever users and authors of plugins meet is explained, and the built documentation has it."""

from __future__ import annotations

import ast
import html
import importlib
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import typer
from browser.crawl import Document, crawl, resolved
from unit.test_leaderboard_site import pairs, several

import sparc3_bench
from sparc3_bench import hookspecs, testing
from sparc3_bench.cli import app
from sparc3_bench.configurable import option_fields
from sparc3_bench.errors import ExitCode
from sparc3_bench.host import KINDS, PluginHost, default_host
from sparc3_bench.leaderboard.docstrings import parse_docstring
from sparc3_bench.leaderboard.pages import pages
from sparc3_bench.record.result import Result
from sparc3_bench.testing import make_tokenizer, make_view

ROOT = Path(__file__).resolve().parents[2]
CODE = [
    path
    for folder in ("sparc3_bench", "plugins", "tasks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
HOOKS = [hook for hook, _ in KINDS.values()]
PLUGINS = {
    f"{kind}-{name}": one for kind in KINDS for name, one in default_host().all(kind).items()
}
CONTRACTS = [getattr(sparc3_bench, name) for name in ("Scorer", "Task", "PreparedTask", "Judge")]
SCHEMA = Result.model_json_schema()
PARTS = {"Result": SCHEMA, **SCHEMA["$defs"]}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the documentation, built with every warning as an error."""
    for name in ("sphinx", "numpydoc", "myst_parser"):
        pytest.importorskip(name, reason="the documentation is built by the extra `docs`")
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-c", "docs"]
    done = subprocess.run(
        [*command, "-d", str(folder / "trees"), ".", str(folder / "site/docs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder / "site/docs"


@pytest.fixture(scope="session")
def entries(built: Path) -> set[str]:
    """Return every name that the documentation has an entry for."""
    *_, packed = (built / "objects.inv").read_bytes().split(b"\n", 4)
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split()[0] for line in lines if line.split()[1].startswith("py:")}


def text_of(built: Path, page: str) -> str:
    return html.unescape((built / f"docs/reference/{page}.html").read_text(encoding="utf-8"))


def test_no_link_is_dead_and_nothing_is_loaded_from_elsewhere(built):
    found = crawl(built)
    assert found.broken == []
    assert found.pages == {path.relative_to(built).as_posix() for path in built.rglob("*.html")}
    for page in found.pages:
        loaded = Document((built / page).read_text(encoding="utf-8")).loaded
        assert [link for link in loaded if not resolved(built, page, link)[0]] == [], page
    outside = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import[^;]*//")
    assert [css for css in built.rglob("*.css") if outside.search(css.read_text())] == []


def test_no_page_has_a_path_of_this_machine(built):
    ours = [str(place).encode() for place in (ROOT, Path.home(), Path(sys.prefix), built)]
    files = [path for path in built.rglob("*") if path.is_file()]
    assert [path for path in files if any(one in path.read_bytes() for one in ours)] == []


def test_the_search_knows_the_words_of_documents_and_of_code(built):
    index = (built / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(")
    assert all(word in index for word in ("sparsiti", "docs/glossary", "IncrementalScorer"))


def test_the_board_leads_to_places_that_are_there(built):
    site = built.parent
    for name, text in pages(pairs(*several()), default_host(), has_guide=True):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    found = crawl(site)
    assert [one for one in found.broken if "docs/" in one] == []
    assert {"docs/index.html", "docs/README.html", "docs/docs/glossary.html"} <= found.pages


def test_every_public_name_has_an_entry(entries):
    door = {f"{home}.{name}" for name, home in sparc3_bench._HOMES.items()}
    # What no class or function is has its words at its home alone.
    kit = {f"sparc3_bench.testing.{name}" for name in testing.__all__ if name != "CHECKS"}
    assert "sparc3_bench.testing.kit.CHECKS" in entries
    hooks = {f"sparc3_bench.hookspecs.{name}" for name in HOOKS}
    assert (door | kit | hooks) - entries == set()
    said = {*vars(hookspecs)}
    assert {name for name in said if name.startswith("sparc3_register")} == set(HOOKS)


@pytest.mark.parametrize("cls", CONTRACTS, ids=lambda cls: cls.__name__)
def test_every_member_of_a_contract_is_explained(cls, entries):
    for base in cls.__mro__[:-1]:
        if not base.__module__.startswith("sparc3_bench"):
            continue
        place = f"{base.__module__}.{base.__qualname__}"
        members = {*vars(base), *vars(base).get("__annotations__", {})}
        told = {
            name
            for name in members
            if f"{place}.{name}" in entries
            or re.search(rf"^\s*(\w+, )*{name}\b", base.__doc__ or "", re.MULTILINE)
        }
        assert {name for name in members - told if not name.startswith("_")} == set(), place


def example(hook: str) -> ModuleType:
    """Return the module that the documentation of a hook shows."""
    _, code = getattr(hookspecs, hook).__doc__.split("::\n\n")
    lines = [line.removeprefix("        ") for line in code.splitlines()]
    module = ModuleType(f"example_{hook}")
    module.__file__ = "example.py"
    exec(compile("\n".join(lines), module.__file__, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example_that_the_host_takes(hook, monkeypatch):
    module = example(hook)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = SimpleNamespace(name="example", value=module.__name__, dist=None, load=lambda: module)
    host = PluginHost([point])
    assert host.broken == {}
    (kind,) = [kind for kind, (name, _) in KINDS.items() if name == hook]
    assert len(host.all(kind)) == 1


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


def every_command(found: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, found
    for part, one in getattr(found, "commands", {}).items():
        yield from every_command(one, f"{name} {part}")


def unsaid_of_commands(program: Any) -> list[str]:
    found = list(every_command(program, "sparc3"))
    mute = [name for name, one in found if not one.help]
    shown = [(name, one) for name, command in found for one in command.params if not one.hidden]
    return mute + [f"{name} {one.name}" for name, one in shown if not one.help]


def test_every_command_and_option_is_explained(built):
    program = typer.main.get_command(app)
    assert unsaid_of_commands(program) == []
    parts = re.split(r"<h\d><code[^>]*><span class=\"pre\">", text_of(built, "commands"))
    plain = {
        name.strip(): rest
        for name, _, rest in (re.sub(r"<(?!/h\d).*?>", "", one).partition("</h") for one in parts)
    }
    for name, command in every_command(program, "sparc3"):
        for one in command.params:
            words = one.opts if one.param_type_name == "option" else [one.name]
            assert [word for word in words if word not in plain[f"{name}¶"]] == [], name


def test_a_command_or_an_option_without_help_would_be_found():
    program = typer.Typer()
    program.command("hush")(lambda quietly=False: None)
    program.command("hum")(lambda: None)
    assert unsaid_of_commands(typer.main.get_command(program)) == [
        *("sparc3", "sparc3 hush", "sparc3 hum", "sparc3 hush quietly")
    ]


def unsaid_of_plugin(kind: str, cls: type[Any], card: str) -> Iterator[str]:
    """Yield options and metrics that neither a docstring nor, of a task, its card tells of."""
    told = {name for base in cls.__mro__ for name in parse_docstring(base.__doc__).parameters}
    options = {field.name for field in option_fields(cls)}
    yield from sorted(name for name in options - told if f"`{name}`" not in card)
    if kind == "task":
        made = cls(**cls.tiny_options)
        for metric in (*made.metrics, *made.curve_metrics):
            if not (metric.title and metric.unit and f"`{metric.name}`" in card):
                yield metric.name


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_its_options_and_metrics_are_explained(name, built, entries):
    kind, cls = name.partition("-")[0], PLUGINS[name].cls
    module = importlib.import_module(cls.__module__)
    assert parse_docstring(cls.__doc__).paragraphs or parse_docstring(module.__doc__).paragraphs
    card = Path(str(module.__file__)).with_name("README.md")
    assert list(unsaid_of_plugin(kind, cls, card.read_text() if kind == "task" else "")) == []
    assert f"{cls.__module__}.{cls.__qualname__}" in entries
    assert f'id="{name}"' in text_of(built, "plugins")


def test_a_plugin_that_keeps_something_to_itself_would_be_found():
    cls = PLUGINS["task-compression"].cls
    assert "perplexity" in list(unsaid_of_plugin("task", cls, ""))
    mute = type("Mute", (cls,), {"__doc__": "", "__annotations__": {"loud": bool}, "loud": False})
    assert "loud" in list(unsaid_of_plugin("judge", dataclass(frozen=True)(mute), ""))


def test_every_field_of_a_result_is_explained(entries):
    reached, waiting = set(), ["Result"]
    while waiting:
        name = waiting.pop()
        if name not in reached and PARTS[name].get("properties"):
            reached.add(name)
            waiting += re.findall(r"#/\$defs/(\w+)", str(PARTS[name]["properties"]))
    assert {"Result", "RunSpec", "Point", "Environment"} <= reached
    assert [name for name in reached if not PARTS[name].get("description")] == []
    for name in reached:
        for field, of in PARTS[name]["properties"].items():
            part = str(of.get("$ref", "")).rpartition("/")[2]
            assert of.get("description") or PARTS[part]["description"], f"{name}.{field}"
            assert any(one.endswith(f".{name}.{field}") for one in entries), f"{name}.{field}"


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


def test_every_error_of_the_suite_and_its_plugins_is_explained(entries):
    found = errors_in(CODE)
    assert len(found) > 4
    assert [name for name, told in found.items() if not told] == []
    assert {f"sparc3_bench.errors.{name}" for name in found} - entries == set()


def test_an_error_without_a_word_would_be_found(tmp_path):
    file = tmp_path / "more.py"
    file.write_text(
        "class A(Sparc3Error): '''Told.'''\nclass B(A): pass\nclass C(Exception): pass\n"
    )
    found = errors_in([file, ROOT / "sparc3_bench/errors.py"])
    assert found.keys() >= {"A", "B", "ModelError"}
    assert found["B"] == ""
    assert "C" not in found


def test_every_exit_code_of_a_command_is_explained(entries):
    used = {
        int(code)
        for path in (ROOT / "sparc3_bench/cli").glob("*.py")
        for code in re.findall(r"Exit\((\d+)\)", path.read_text())
    }
    assert used
    assert used <= set(ExitCode)
    assert {f"sparc3_bench.errors.ExitCode.{code.name}" for code in ExitCode} - entries == set()
