"""The door: every name of the stub is there, also one that is a room's, too."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import sparc3_bench as sb


@pytest.mark.parametrize("name", sb.__all__)
def test_every_name_of_the_stub_is_there(name):
    home = importlib.import_module(sb._HOMES[name])
    found, own = getattr(sb, name), getattr(home, name)
    assert found is own or inspect.unwrap(found) is own


def test_a_room_may_have_the_name_of_a_function():
    import sparc3_bench.run.plan as plan
    from sparc3_bench.api.runs import run

    assert sys.modules["sparc3_bench.run"] is sb.run
    assert plan is sb.run.plan
    assert callable(sb.run)
    assert inspect.signature(sb.run) == inspect.signature(run)
    with pytest.raises(sb.Sparc3Error, match="Unknown scorer 'wnda'"):
        sb.run("wnda")


def test_it_can_be_called_whatever_was_imported_first():
    for first in ("sparc3_bench.run.request", "sparc3_bench"):
        code = f"import {first}, sparc3_bench as sb\ntry:\n    sb.run('wnda')\n"
        code += "except sb.Sparc3Error as error:\n    print(error)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("Unknown scorer 'wnda'.")
