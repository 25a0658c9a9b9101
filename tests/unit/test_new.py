"""`sparc3 new`: what it writes is clean, typed and passes the checks; wrong input is refused."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from circuits import Outcome, call, sentence

from sparc3_bench import Sparc3Error
from sparc3_bench.host import PluginHost
from sparc3_bench.scaffold.write import KINDS, TEMPLATES, render
from sparc3_bench.testing.kit import CHECKS, check_adapter, check_scorer, check_task
from sparc3_bench.testing.report import Report

CHECK = {"scorer": check_scorer, "task": check_task, "adapter": check_adapter}
NAMES = {"scorer": "my-norm", "task": "my-agreement", "adapter": "granite"}
LONG = "a-name-of-forty-characters-and-no-longer"


@pytest.fixture
def outcome(capsys, monkeypatch, tmp_path):
    """Do `sparc3 new` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def act(*arguments: str) -> Outcome:
        code = call("new", *arguments)
        return Outcome(code, *capsys.readouterr())

    return act


@pytest.mark.parametrize("kind", KINDS)
def test_four_files_are_written_and_the_next_steps_told(outcome, kind):
    done = outcome(kind, NAMES[kind])
    assert done.code == 0, done.err
    folder = Path(f"sparc3-{NAMES[kind]}")
    *paths, after = done.out.splitlines()
    assert sorted(map(Path, paths)) == sorted(folder.iterdir())
    assert after.startswith(
        f"Next: pip install -e {folder}; sparc3 check {NAMES[kind]}; sparc3 run"
    )
    module = f"sparc3_{NAMES[kind].replace('-', '_')}"
    packaging = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert packaging["name"] == folder.name
    assert packaging["entry-points"] == {"sparc3_bench": {NAMES[kind]: module}}
    assert (folder / f"{module}.py").read_text().startswith('"""')


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_the_checks(outcome, kind, monkeypatch):
    outcome(kind, NAMES[kind], "--dir", "it")
    monkeypatch.syspath_prepend("it")
    module = importlib.import_module(f"sparc3_{NAMES[kind].replace('-', '_')}")
    hook = getattr(module, f"sparc3_register_{kind}s")
    (cls,) = hook()
    assert cls.name == NAMES[kind]
    report: Report = CHECK[kind](cls)
    assert report.ok, str(report)
    assert len(report.outcomes) == len(CHECKS[kind])


def test_the_test_of_the_scorer_holds_and_can_fail(outcome, monkeypatch):
    outcome("scorer", "other-norm", "--dir", "it")
    monkeypatch.syspath_prepend("it")
    test = importlib.import_module("test_sparc3_other_norm")
    test.test_scores_are_the_norms_of_the_inputs()
    monkeypatch.setattr("torch.Tensor.square", lambda values: values.abs())
    with pytest.raises(AssertionError):
        test.test_scores_are_the_norms_of_the_inputs()


def test_what_is_written_is_clean_and_typed(tmp_path):
    root = Path(__file__).resolve().parents[2]
    rules = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    chosen = ["--line-length=100", f"--select={','.join(rules['select'])}"]
    chosen += [f"--ignore={','.join([*rules['ignore'], 'D'])}"]
    files = []
    for kind in KINDS:
        for name in (NAMES[kind], f"{LONG[:-7]}{kind}"):
            folder = tmp_path / f"{kind}-{name}"
            folder.mkdir()
            for path, text in render(kind, name).items():
                (folder / path).write_text(text)
            tool("ruff", "check", "--isolated", *chosen, ".", cwd=folder)
            tool("ruff", "format", "--isolated", "--line-length=100", "--check", ".", cwd=folder)
            files += map(str, folder.glob("sparc3_*.py"))
    assert len(files) == 6
    tool("mypy", *files, cwd=root)  # with the settings, and the cache, of the project


def tool(module: str, *arguments: str, cwd: Path) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["judge", "x"], "Unknown kind of plugin 'judge'. Available: adapter, scorer, task."),
        (["scorer", "My Scorer"], "The name 'My Scorer' is not kebab-case; use lower-case letters"),
        (["scorer", "2-norms"], "The name '2-norms' is not kebab-case"),
        (["scorer", "norm-"], "The name 'norm-' is not kebab-case"),
        (["scorer", "../norm"], "The name '../norm' is not kebab-case"),
        (["scorer", LONG + "x"], "at most 40 characters."),
        (["scorer", "wanda"], "The scorer name 'wanda' is already taken by sparc3-bench "),
        (["adapter", "llama"], "The adapter name 'llama' is already taken by sparc3-bench "),
        (["scorer", "bench"], "would make a module 'sparc3_bench', and one is installed already"),
        (["scorer", "scorer"], "The name 'scorer' would make a class 'Scorer', which means"),
        (["task", "metric"], "The name 'metric' would make a class 'Metric', which means"),
        (["adapter", "none"], "The name 'none' would make a class 'None', which means"),
        (
            ["scorer", "x", "--dir", "full"],
            "'full' is there and is no empty folder",
        ),
        (
            ["scorer", "x", "--dir", "file"],
            "'file' is there and is no empty folder",
        ),
        (["scorer", "x", "--dir", "file/x"], "The folder 'file/x' cannot be written (Not a dir"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_ends_in_one_sentence_and_nothing_is_written(outcome, arguments, said):
    Path("full").mkdir()
    Path("full/it").touch()
    Path("file").touch()
    assert said in sentence(outcome(*arguments))
    assert sorted(path.name for path in Path().rglob("*")) == ["file", "full", "it"]


def test_the_longest_name_is_taken(outcome):
    assert len(LONG) == 40
    assert outcome("task", LONG).code == 0


def test_an_empty_folder_is_filled(outcome):
    Path("empty").mkdir()
    assert outcome("scorer", "x", "--dir", "empty").code == 0
    assert Path("empty/pyproject.toml").is_file()


def test_the_name_of_a_plugin_that_is_installed_is_taken_by_its_distribution(monkeypatch, tmp_path):
    host = PluginHost([])
    monkeypatch.setattr("sparc3_bench.host.default_host", lambda: host)
    monkeypatch.chdir(tmp_path)
    assert call("new", "scorer", "wanda") == 0  # where nothing is installed all names are free


def test_every_name_that_a_module_uses_is_refused_as_a_class():
    imported = {"scorer": ["scorer"], "task": ["any", "path", "task", "batch", "callable"]}
    imported["adapter"] = ["role", "mapping"]
    for kind, names in imported.items():
        for name in names:
            with pytest.raises(Sparc3Error, match="would make a class"):
                render(kind, name)


def test_templates_are_installed_with_the_package():
    assert {path.name for path in TEMPLATES.iterdir()} == {*KINDS, "pyproject.toml.j2"}
