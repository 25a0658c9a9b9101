"""Defaults: files of the user's say what is not typed; what they say wrongly is one sentence."""

from __future__ import annotations

import json

import pytest
from circuits import call
from typer.main import get_command

from sparc3_bench.cli import app
from sparc3_bench.cli.defaults import NAMES


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Return a function that writes the user's file."""
    file = tmp_path / "config.toml"
    monkeypatch.setenv("SPARC3_CONFIG", str(file))
    monkeypatch.delenv("SPARC3_ON", raising=False)
    return file.write_text


RUN = """
task = "compression"
model = "no-such-model"
scorers = ["wanda"]
"""


def test_every_name_is_an_option_of_run():
    assert {*NAMES} <= {one.name for one in get_command(app).commands["run"].params}


def test_the_file_is_taken_by_every_command_that_has_the_option(config, tmp_path, capsys):
    config('on = "nowhere"\ncache = "~/x"\n')
    assert call("run", "--scorer", "wanda") == 2
    assert "Unknown executor 'nowhere'" in capsys.readouterr().err
    assert call("doctor") == 0
    out = capsys.readouterr().out
    assert f"your defaults: {tmp_path / 'config.toml'}\n" in out
    assert "cache: " in out
    assert "~" not in out


def test_what_is_typed_goes_first_then_variables_then_files(config, tmp_path, monkeypatch, capsys):
    suite = tmp_path / "my.toml"
    suite.write_text(RUN + '[options]\non = "of-the-run-file"\n[[run]]\n')
    config('on = "of-the-user"\n')

    def asked_for(*more: str) -> str:
        assert call("run", suite, *more) == 2
        return capsys.readouterr().err

    assert "'of-the-run-file'" in asked_for()
    monkeypatch.setenv("SPARC3_ON", "of-the-variable")
    assert "'of-the-variable'" in asked_for()
    assert "'typed'" in asked_for("--on", "typed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('reslts = "a"', "Unknown option in {file}, 'reslts'. Did you mean 'results'?"),
        ("group = 'row'", "Unknown option in {file}, 'group'."),
        ("a =", "{file} is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(config, tmp_path, capsys, text, expected):
    config(text)
    assert call("list", "suites") == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(expected.format(file=tmp_path / "config.toml"))
    assert captured.out == ""


def test_a_file_that_is_named_must_be_there(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SPARC3_CONFIG", str(tmp_path / "none.toml"))
    assert call("list") == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_suite_is_shown_as_it_is_written(tmp_path, capsys):
    suite = tmp_path / "my.toml"
    suite.write_text(RUN + "[[run]]\n")
    assert call("suite", "show", suite) == 0
    shown = capsys.readouterr()
    assert shown.out == suite.read_text()
    assert str(suite) in shown.err
    assert call("suite", "show", "quick", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["name"], "[[run]]" in answer["toml"]) == ("quick", True)
