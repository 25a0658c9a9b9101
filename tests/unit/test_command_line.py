"""The command line as a whole: its version, its help, and that every subcommand has both."""

from __future__ import annotations

import importlib.metadata

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sparc3_bench.cli import app

COMMANDS = sorted(get_command(app).commands)


def test_version():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output.split()) == (
        0,
        ["sparc3-bench", importlib.metadata.version("sparc3-bench")],
    )


def test_nothing_said_shows_the_commands():
    shown = CliRunner().invoke(app, []).output
    assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name):
    command = get_command(app).commands[name]
    assert command.help
    for one in getattr(command, "commands", {"": command}).values():
        told = [param.name for param in one.params if getattr(param, "help", None)]
        assert told == [param.name for param in one.params if param.name != "help"]
