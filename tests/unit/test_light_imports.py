"""Listing, validating and publishing load no torch: each import is tried in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "numpy", "datasets", "safetensors")
LIGHT = [
    "sparc3_bench",
    "sparc3_bench.contracts",
    "sparc3_bench.host",
    "sparc3_bench.hookspecs",
    "sparc3_bench.errors",
    "sparc3_bench.assets",
    "sparc3_bench.incremental",
    "sparc3_bench.types.masks",
    "sparc3_bench.types.samples",
    "sparc3_bench.types.scores",
    "sparc3_bench.record.result",
    "sparc3_bench.record.spec",
    "sparc3_bench.leaderboard.site",
    "sparc3_bench.cli",
]


def heavy_after(code: str) -> set[str]:
    """Run `code` in a fresh process; return which heavy packages it loaded."""
    whole = f"{code}\nimport sys\nprint()\nprint(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", whole], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", LIGHT)
def test_import_is_light(name):
    assert heavy_after(f"import {name}") == set()


def test_heavy_imports_would_be_seen():
    assert "numpy" in heavy_after("import numpy")


def test_all_built_in_plugins_load_without_torch():
    code = (
        "from sparc3_bench.host import default_host\n"
        "host = default_host()\n"
        "assert 'wanda' in host.all('scorer') and 'compression' in host.all('task')\n"
        "assert 'llama' in host.all('adapter') and 'smollm2-135m' in host.all('model')\n"
    )
    assert heavy_after(code) == set()


@pytest.mark.parametrize("command", [["list"], ["--help"]], ids=" ".join)
def test_command_that_computes_nothing_is_light(command):
    code = (
        "import sys\n"
        f"sys.argv = ['sparc3', *{command!r}]\n"
        "from sparc3_bench.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stopped:\n"
        "    assert not stopped.code\n"
    )
    assert heavy_after(code) == set()


def test_name_that_the_package_does_not_have_is_an_attribute_error():
    code = (
        "import sparc3_bench\n"
        "try:\n"
        "    sparc3_bench.Scorrer\n"
        "except AttributeError as error:\n"
        "    assert 'Scorrer' in str(error)\n"
        "else:\n"
        "    raise SystemExit(1)\n"
    )
    assert heavy_after(code) == set()
