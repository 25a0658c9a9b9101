"""`sparc3 check`: a line a check, a report as JSON, and the exit code."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from conformance import mutants
from conformance.sound_task import Sound as SoundTask
from typer.testing import CliRunner, Result

import sparc3_bench.host as hosts
from sparc3_bench import Sparc3Error, hookimpl
from sparc3_bench.cli import app, main
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.host import PluginHost, default_host
from sparc3_bench.testing import CHECKS, kit


class Twin(mutants.Sound):
    """A scorer with the name of an adapter."""

    name = "more-llama"


class MoreLlama(mutants.Llama):
    """An adapter with the name of a scorer."""

    name = "more-llama"


class Guest:
    @hookimpl
    def sparc3_register_scorers(self):
        return [mutants.OneNan, Twin]

    @hookimpl
    def sparc3_register_tasks(self):
        return [SoundTask]

    @hookimpl
    def sparc3_register_adapters(self):
        return [MoreLlama]


class Point:
    """An entry point of a distribution that is not installed."""

    value = "guest.module"
    dist = SimpleNamespace(name="sparc3-guest", version="2.1")

    def __init__(self, name: str = "guest") -> None:
        self.name = name

    def load(self):
        return Guest()


@pytest.fixture
def guest(monkeypatch) -> None:
    host = PluginHost([Point()])
    assert not host.broken
    for module in (hosts, kit):
        monkeypatch.setattr(module, "default_host", lambda: host)


def sparc3(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *(str(argument) for argument in arguments)])


@pytest.mark.parametrize(("kind", "name"), [("scorer", "magnitude"), ("adapter", "gpt2")])
def test_one_line_for_every_check(kind, name):
    done = sparc3(name)
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert [line[1].rstrip(":") for line in lines] == [one.__name__ for one in CHECKS[kind]]
    assert {line[0] for line in lines} <= {"ok", "skipped"}


def test_a_failed_check_gives_its_sentence_and_exit_code_1(guest, tmp_path):
    done = sparc3("sound", "--json")
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("FAILED")]
    assert line.startswith("FAILED   check_scores_are_finite: Scores of 'model.layers.0.")
    (read,) = json.loads(done.stdout)["plugins"]
    assert (read["name"], read["distribution"], read["version"]) == ("sound", "sparc3-guest", "2.1")
    assert (read["kind"], read["ok"], read["options"]) == ("scorer", False, {})
    assert [one["check"] for one in read["checks"]] == [one.__name__ for one in CHECKS["scorer"]]
    (failed,) = [one for one in read["checks"] if one["status"] == "failed"]
    assert line.endswith(failed["message"])
    assert all(one["seconds"] >= 0 for one in read["checks"])
    assert not any(one["message"] for one in read["checks"] if one["status"] == "ok")


def test_options_are_typed_as_for_a_run(tmp_path):
    done = sparc3("gradient", "--option", "aggregation=signed-mean", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["plugins"][0]["options"]["aggregation"] == "signed-mean"


def test_a_name_that_both_kinds_have_asks_which(guest):
    done = sparc3("more-llama")
    assert str(done.exception) == (
        "'more-llama' is the name of a scorer and of an adapter; say which with `--kind`."
    )
    done = sparc3("more-llama", "--kind", "adapter")
    assert done.exit_code == 0, done.output
    assert "check_outer_norms_are_named" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["wnada"],
            "Unknown scorer, task, adapter, allocation or repair 'wnada'. Did you mean 'wanda'?",
        ),
        (
            ["wanda", "--kind", "judge"],
            "Unknown kind 'judge'. Available: adapter, allocation, repair,",
        ),
        (["llama", "--option", "a=1"], "Adapter 'llama' has no options; leave `--option` out."),
        (["lrp", "--option", "a=1"], "Unknown option of scorer 'lrp' 'a'."),
        ([], "Give the name of one plugin, or `--all`."),
        (["wanda", "--all"], "Give the name of one plugin, or `--all`."),
        (["wanda", "--jobs", "2"], "`--jobs` is for `--all`; leave it out for one plugin."),
        (["--all", "--kind", "task"], "`--kind` is for one plugin; leave it out with `--all`."),
        (["--all", "--expect", "a=b"], "`--expect` is for one plugin; leave it out with `--all`."),
        (["wanda", "--expect", "check_x"], "Option 'check_x' must have the form NAME=VALUE."),
        (["wanda", "--expect", "check_x=so"], "Unknown check 'check_x'."),
        (
            ["wanda", "--expect", "check_is_deterministic="],
            "The expected failure of `check_is_deterministic` has no reason; give one.",
        ),
        (["compression", "--option", "seed=1"], "Unknown option of task 'compression' 'seed'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_ends_in_one_sentence(arguments, sentence, monkeypatch, capsys):
    done = sparc3(*arguments)
    assert isinstance(done.exception, Sparc3Error)
    assert str(done.exception).startswith(sentence)
    monkeypatch.setattr("sys.argv", ["sparc3", "check", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.err == f"{done.exception}\n"
    assert printed.out == ""


def test_a_task_has_a_line_for_every_check(guest):
    done = sparc3("sound-task")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert lines == [["ok", one.__name__] for one in CHECKS["task"]]


def test_options_of_a_task_go_before_its_tiny_ones(guest, tmp_path, monkeypatch):
    monkeypatch.setattr(SoundTask, "tiny_options", {"count": 3})
    for given, count in (([], 3), (["--option", "count=5"], 5)):
        done = sparc3("sound-task", *given, "--json")
        assert done.exit_code == 0
        assert json.loads(done.stdout)["plugins"][0]["options"] == {"count": count}


def test_a_scorer_has_tiny_options_too(tmp_path):
    for given, steps in (([], 2), (["--option", "steps=1"], 1)):
        done = sparc3("integrated-gradients", *given, "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["plugins"][0]["options"]["steps"] == steps


def test_an_expected_failure_keeps_the_exit_code(guest, tmp_path):
    expected = ["--expect", "check_scores_are_finite=one place has no score"]
    done = sparc3("sound", *expected, "--json")
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("expected")]
    assert line.startswith("expected check_scores_are_finite: one place has no score. Scores of ")
    assert json.loads(done.stdout)["ok"] is True
    assert sparc3("more-llama", "--kind", "scorer", *expected).exit_code == 1


def test_all_plugins_have_a_line_each_and_what_failed_below(guest, tmp_path):
    done = sparc3("--all", "--jobs", 1, "--json")
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    told = [line.partition(":")[0] for line in lines]
    assert told == [
        "ok       scorer more-llama",
        "FAILED   scorer sound",
        "  FAILED   check_scores_are_finite",
        "ok       task sound-task",
        "ok       adapter more-llama",
        "4 plugins checked, 1 failed.",
    ]
    read = json.loads(done.stdout)
    assert read["ok"] is False
    assert [(one["kind"], one["name"], one["ok"]) for one in read["plugins"]] == [
        ("scorer", "more-llama", True),
        ("scorer", "sound", False),
        ("task", "sound-task", True),
        ("adapter", "more-llama", True),
    ]


def test_unknown_name_quotes_broken_plugins(monkeypatch):
    host = PluginHost([Point(), Point(name="second")])
    assert host.broken
    monkeypatch.setattr(hosts, "default_host", lambda: host)
    done = sparc3("no-such")
    assert isinstance(done.exception, UnknownNameError)
    assert "Broken plugin: second (sparc3-guest 2.1)" in str(done.exception)


def test_the_environment_has_no_name_of_two_kinds():
    host = default_host()
    assert not host.all("scorer").keys() & host.all("adapter").keys()
