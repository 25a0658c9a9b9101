"""The digest of a plugin: moved by the files it rests on, and by no others."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from sparc3_bench.host import default_host
from sparc3_bench.source import source_digest

FILES = {
    "__init__.py": "",
    "scorer.py": "from digested.rules import rule\n\ndef score():\n    from .late import x\n",
    "rules.py": "import digested.sub.deep\n\ndef rule(): ...\n",
    "late.py": "x = 1\n",
    "other.py": "y = 1\n",
    "sub/__init__.py": "",
    "sub/deep.py": "from .. import up\nfrom . import beside\n",
    "sub/beside.py": "",
    "sub/apart.py": "",
    "up.py": "",
}


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "digested" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "digested"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "digested"


@pytest.mark.parametrize("name", FILES)
def test_the_digest_moves_with_what_is_imported_and_with_nothing_else(package, name):
    module = importlib.import_module("digested.scorer")
    before = source_digest(module)
    (package / name).write_text(FILES[name] + "# changed\n")
    unrelated = name in ("other.py", "sub/apart.py")
    assert (source_digest(module) == before) is unrelated


def test_a_file_that_is_renamed_is_another_source(package):
    module = importlib.import_module("digested.scorer")
    before = source_digest(module)
    (package / "late.py").rename(package / "later.py")
    (package / "scorer.py").write_text(FILES["scorer.py"].replace(".late", ".later"))
    assert source_digest(module) != before


def test_a_package_and_a_lone_module_have_a_digest(package, tmp_path):
    (tmp_path / "lone.py").write_text("z = 1\n")
    lone = importlib.import_module("lone")
    before = source_digest(lone)
    (tmp_path / "lone.py").write_text("z = 2\n")
    assert source_digest(lone) != before
    assert source_digest(importlib.import_module("digested")) != before


def test_scorers_of_one_package_have_digests_of_their_own():
    scorers = default_host().all("scorer")
    digests = {entry.origin.source_digest for entry in scorers.values()}
    assert len(digests) == len(scorers)
