"""All code that can move a number: whatever of it changes, the digest and the keys change."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from unit.results import make_result

import sparc3_bench
from sparc3_bench.code import libraries, plugin_digest
from sparc3_bench.host import default_host
from sparc3_bench.record.spec import RunSpec
from sparc3_bench.run import store

FILES = {
    "authored/__init__.py": "from authored.scorer import Mine\n",
    "authored/scorer.py": "import beside\nfrom elsewhere.base import Base\nclass Mine(Base): ...\n",
    "authored/unused.py": "",
    "authored/table.bin": "1 2 3",
    "beside.py": "rule = 1\n",
    "elsewhere/__init__.py": "",
    "elsewhere/base.py": "class Base: ...\n",
    "elsewhere/rules.toml": "x = 1\n",
}


@pytest.fixture
def sources(tmp_path, monkeypatch) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] in ("authored", "beside", "elsewhere"):
            monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_plugin_in_place_is_all_its_files_those_it_imports_and_its_bases(sources, name):
    cls = importlib.import_module("authored").Mine
    before = plugin_digest(cls)
    assert plugin_digest(cls) == before
    (sources / name).write_text(FILES[name] + "# changed\n")
    assert plugin_digest(cls) != before


def test_what_running_leaves_behind_is_no_code(sources):
    cls = importlib.import_module("authored").Mine
    before = plugin_digest(cls)
    (sources / "authored" / "run.log").write_text("done")
    (sources / "authored" / "__pycache__").mkdir(exist_ok=True)
    (sources / "authored" / "__pycache__" / "x.pyc").write_text("")
    assert plugin_digest(cls) == before


@pytest.mark.parametrize("name", ["installed_one.py", "installed_two.py", "shared_data/t.json"])
def test_an_installed_plugin_is_its_whole_distribution(tmp_path, monkeypatch, name):
    site = tmp_path / "site-packages"
    texts = {
        "installed_one.py": "class Mine: ...\n",
        "installed_two.py": "x = 1\n",
        "shared_data/t.json": "{}",
    }
    for path, text in texts.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    about = site / "some_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n")
    (about / "RECORD").write_text("".join(f"{path},,{len(t)}\n" for path, t in texts.items()))
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "installed_one", raising=False)
    cls = importlib.import_module("installed_one").Mine
    distribution = Distribution.at(about)
    before = plugin_digest(cls, distribution)
    (site / name).write_text(texts[name] + " ")
    assert plugin_digest(cls, distribution) != before


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("incremental.py", True),
        ("types/architecture.py", True),
        ("run/sketch.py", True),
        ("run/memory.py", True),
        ("statistics/area.py", True),
        ("cli/run.py", False),
        ("leaderboard/pages.py", False),
        ("scaffold/write.py", False),
        ("testing/kit.py", False),
    ],
)
def test_the_suite_is_all_its_files_but_those_that_make_no_number(tmp_path, name, moves):
    copy = tmp_path / "sparc3_bench"
    whole = Path(sparc3_bench.__file__).parent
    shutil.copytree(whole, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def digest() -> str:
        script = "from sparc3_bench.code import suite_digest; print(suite_digest())"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return done.stdout

    before = digest()
    file = copy / name
    file.write_text(file.read_text() + "# changed\n")
    assert (digest() != before) is moves


def test_every_builtin_has_a_digest_of_its_code():
    host = default_host()
    for kind in ("scorer", "task", "adapter", "judge"):
        for entry in host.all(kind).values():
            assert len(entry.code) == 16


def spec_with(**code: str) -> RunSpec:
    digests = dict.fromkeys(("suite", "scorer", "task", "adapter"), "0" * 16) | code
    return make_result().spec.model_copy(update={"code": digests})


def keys(spec: RunSpec) -> dict[str, str]:
    return {
        "run": spec.key,
        "scores": store.attribution_key(spec, "task"),
        "dense": store.dense_key(spec),
        "evaluation": store.evaluation_key(spec, "test", "1" * 24),
        "state": store.state_key(spec, "1" * 24),
        "meeting": store.meeting_key(spec, ()),
        "walk": store.walk_key(spec, 0.5),
    }


@pytest.mark.parametrize("who", ["suite", "scorer", "task", "adapter"])
def test_whose_code_changes_has_other_keys(who):
    before, after = keys(spec_with()), keys(spec_with(**{who: "f" * 16}))
    same = {name for name in before if before[name] == after[name]}
    # What is measured on a model does not depend on who scored it.
    assert same == ({"dense", "evaluation", "state", "meeting"} if who == "scorer" else set())


def test_another_version_of_a_library_has_other_keys_in_the_cache(monkeypatch):
    before = keys(spec_with())
    monkeypatch.setattr(store, "libraries", lambda distribution: {"torch": "0"})
    after = keys(spec_with())
    assert {name for name in before if before[name] == after[name]} == {"run"}


def test_the_libraries_are_those_of_the_suite_and_of_a_plugins_distribution():
    assert {"torch", "transformers", "lm-eval"} <= libraries().keys()
    assert libraries("pytest-benchmark").keys() >= {"pytest"}


def test_a_record_from_before_keeps_its_key():
    spec = make_result().spec
    assert spec.code == {}
    assert "code" not in spec.model_dump(mode="json")
