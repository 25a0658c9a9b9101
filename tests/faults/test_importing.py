"""Plugins that hang, exit or crash when they are imported take no command with them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib.metadata import EntryPoint

import pytest
from hostile.visible import POINTS, visible

from sparc3_bench import importing

WORDS = {
    "import-asks-for-memory": "it takes more than 8 GiB of memory",
    "import-crashes": r"its process died by signal 11 \(SIGSEGV\)",
    "import-exits": "its process ended with exit code 0",
    "import-hangs": r"it does not finish within 5 s",
    "import-patches": "it replaces torch.nn.functional.linear, which everybody calls",
    "import-prints": "it prints more than 1 MiB",
    "import-raises": "RuntimeError: ",
    "import-stops": "it raises SystemExit: 0",
}
COMMAND = (
    "import sparc3_bench.importing as importing\n"
    "importing.SECONDS = {seconds}\n"
    "from sparc3_bench.cli import main\n"
    "main()\n"
)


def listed(environment: dict[str, str], seconds: int = 60) -> tuple[str, dict[str, str], float]:
    """Return what `sparc3 list` shows, what it says of broken plugins, and how long it took."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(seconds=seconds), "list"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = re.findall(r"^broken plugin: (\S+) (.*)$", done.stderr, flags=re.MULTILINE)
    return done.stdout, dict(said), time.monotonic() - start


@pytest.mark.parametrize(
    ("names", "seconds"), [(set(WORDS) - {"import-hangs"}, 60), ({"import-hangs"}, 5)]
)
def test_the_rest_is_listed_and_each_is_told_in_a_sentence(tmp_path, names, seconds):
    environment = visible(tmp_path / "there", "hostile", *names)
    shown, said, _ = listed(environment, seconds)
    assert said.keys() == names
    for name, text in said.items():
        assert re.match(rf"\(sparc3-hostile 0.1\) cannot be imported: {WORDS[name]}", text), text
        assert len(text) < 550
    for scorer in ("wanda", "hostile-exits-0"):
        assert f"  {scorer}" in shown
    # What was found out is kept for as long as the files are as they are.
    _, again, took = listed(environment, seconds)
    assert took < 5
    for name, text in said.items():
        assert again[name].startswith(text.rstrip(".")), text


def test_every_kind_of_import_is_tried():
    assert WORDS.keys() == POINTS.keys() - {"hostile"}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return the entry point of a plugin, what writes its file, and the processes begun."""
    monkeypatch.setenv("SPARC3_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    begun = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(a) or popen(*a, **k))

    def write(text: str) -> None:
        (tmp_path / "brought.py").write_text(text)

    return EntryPoint("brought", "brought", "sparc3_bench"), write, begun


def test_it_is_tried_again_when_its_file_has_changed(plugin):
    point, write, begun = plugin
    write("import os\nos._exit(3)\n")
    (why,) = importing.unsafe([point]).values()
    assert why == "its process ended with exit code 3"
    (kept,) = importing.unsafe([point]).values()
    assert kept.startswith(f"{why}; to try it again, delete ")
    assert len(begun) == 1
    write("fine = True\n")
    assert importing.unsafe([point]) == {}
    assert importing.unsafe([point]) == {}
    assert len(begun) == 2


def test_a_cache_that_cannot_be_written_changes_nothing(plugin, tmp_path):
    point, write, _ = plugin
    (tmp_path / "cache").write_text("no folder")
    write("import os\nos._exit(3)\n")
    assert [*importing.unsafe([point])] == [*importing.unsafe([point])] == [("brought", "brought")]


def test_an_error_is_left_to_who_imports_it(plugin):
    point, write, _ = plugin
    write("import a_package_that_is_not_installed\n")
    assert importing.unsafe([point]) == {}


def test_no_process_is_begun_for_what_is_built_in():
    code = (
        "import subprocess\n"
        "subprocess.Popen = None\n"
        "from sparc3_bench.host import default_host\n"
        "assert 'wanda' in default_host().all('scorer')\n"
    )
    environment = {**os.environ, "SPARC3_CACHE": "/nowhere"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
