"""What a thing rests on: moved by whatever of it changes what it does, and by nothing else."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from unit.results import make_result

from sparc3_bench import source
from sparc3_bench.graph import step
from sparc3_bench.graph.local import Local
from sparc3_bench.graph.store import Store
from sparc3_bench.host import default_host
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.environment import RUNNER
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.steps.blockwise import Blockwise
from sparc3_bench.run.steps.evaluate import Evaluate
from sparc3_bench.run.steps.facts import Asked
from sparc3_bench.run.steps.mask import Circuit, Ranked
from sparc3_bench.run.steps.rank import Rank
from sparc3_bench.run.steps.score import Score
from sparc3_bench.testing.tiny import save_model, save_text
from sparc3_bench.types.masks import KeepMask

FILES = {
    "authored/__init__.py": "from authored.scorer import Mine\n",
    "authored/scorer.py": """\
'''A scorer.'''
from typing import TYPE_CHECKING
import beside
from elsewhere.base import Base
from lazy import wanted
if TYPE_CHECKING:
    from authored.typed import Typed
class Mine(Base):
    '''Mine.'''
    def score(self, data: 'Typed'):
        '''Score it.'''
        from .late import x  # when asked
        import importlib
        return [importlib.import_module('authored.named'), self.power]
""",
    "authored/late.py": "from . import near\nx = 1\n",
    "authored/near.py": "y = 1\n",
    "authored/named.py": "z = 1\n",
    "authored/typed.py": "class Typed: ...\n",
    "authored/unused.py": "u = 1\n",
    "authored/unused.json": "{}",
    "authored/table.bin": "1 2 3",
    "authored/tables/t.json": "{}",
    "authored/tables/__init__.py": "",
    "authored/other/__init__.py": "v = 1\n",
    "authored/other/of_other.json": "{}",
    "authored/README.md": "About.",
    "authored/run.log": "done",
    "beside.py": "import authored.from_beside\nrule = 1\n",
    "authored/from_beside.py": "w = 1\n",
    "elsewhere/__init__.py": "",
    "elsewhere/base.py": "from elsewhere import Power\nclass Base: power = Power\n",
    "elsewhere/power.py": "Power = 2\n",
    "elsewhere/apart.py": "Power = 3\n",
    "elsewhere/rules.toml": "x = 1\n",
    "lazy/__init__.py": """\
import importlib
_HOMES = {'wanted': 'lazy.wanted_home', 'left': '.left_home'}
def __getattr__(name):
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
""",
    "lazy/wanted_home.py": "wanted = 1\n",
    "lazy/left_home.py": "left = 1\n",
}
FILES["elsewhere/__init__.py"] = "from elsewhere.power import Power\n"
UNMOVED = {
    *("authored/typed.py", "authored/unused.py", "elsewhere/apart.py", "lazy/left_home.py"),
    *("authored/other/__init__.py", "authored/other/of_other.json"),
    *("authored/README.md", "authored/run.log"),
}


@pytest.fixture
def forget(monkeypatch) -> Callable[[], None]:
    """Forget what was looked up, and what was imported of the made packages."""

    def forget() -> None:
        for one in vars(source).values():
            if hasattr(one, "cache_clear"):
                one.cache_clear()
        for name in list(sys.modules):
            if name.partition(".")[0] in ("authored", "beside", "elsewhere", "lazy", "installed"):
                monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()

    return forget


@pytest.fixture
def digest(tmp_path, monkeypatch, forget) -> Callable[..., str]:
    """Write the made packages, some files otherwise, and return the digest of a class."""
    monkeypatch.syspath_prepend(tmp_path)

    def digest(of: str = "authored.scorer", **changed: str) -> str:
        for name, text in {**FILES, **changed}.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        forget()
        return source.code_of(of)

    return digest


@pytest.mark.parametrize("name", FILES)
def test_what_a_class_imports_and_what_ships_beside_it_moves_its_digest(digest, name):
    before = digest()
    assert digest() == before
    after = digest(**{name: FILES[name] + "changed = 1\n"})
    assert (after == before) is (name in UNMOVED), name


SCORER = FILES["authored/scorer.py"]
HOMES = FILES["lazy/__init__.py"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("authored/scorer.py", "# Why.\n" + SCORER),
        ("authored/scorer.py", SCORER.replace("'''Score it.'''", "'''Score\n\n        all.'''")),
        ("authored/scorer.py", SCORER.replace("        '''Score it.'''\n", "")),
        ("authored/scorer.py", SCORER.replace("'authored.named'", '(\n\n"authored.named"  )')),
        ("authored/scorer.py", SCORER.replace("import Typed\n", "import Typed, Other\n")),
        (
            "authored/late.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
            + FILES["authored/late.py"],
        ),
        ("lazy/__init__.py", HOMES.replace("{'wanted'", "{'more': 'lazy.more', 'wanted'")),
    ],
    ids=["comment", "docstring", "no docstring", "layout", "typing", "first typing", "lazy"],
)
def test_what_changes_nothing_moves_nothing(digest, name, text):
    assert text != FILES[name]
    assert digest(**{name: text}) == digest()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("authored/scorer.py", SCORER.replace("data: 'Typed'", "data: int")),
        ("authored/scorer.py", SCORER.replace("if TYPE_CHECKING", "if True")),
        ("authored/scorer.py", SCORER.replace("self.power]", "'''self.power''']")),
        ("lazy/__init__.py", HOMES.replace("wanted_home", "left_home")),
        # Who does not list its names may load anything of the package.
        ("lazy/__init__.py", HOMES.replace("_HOMES =", "_HOMES, other =")),
    ],
    ids=["annotation", "at run time", "text", "another home", "unlisted"],
)
def test_what_changes_something_moves_the_digest(digest, name, text):
    assert text != FILES[name]
    assert digest(**{name: text}) != digest()


def test_an_unlisted_lazy_package_is_followed_whole(digest):
    unlisted = {"lazy/__init__.py": HOMES.replace("lazy.wanted_home", "lazy' + '.wanted_home")}
    before = digest(**unlisted)
    assert digest(**unlisted, **{"lazy/left_home.py": "left = 2\n"}) != before


def test_a_file_that_is_renamed_is_another_source(digest):
    before = digest()
    renamed = {"authored/scorer.py": SCORER.replace(".late", ".later")}
    assert digest(**renamed, **{"authored/later.py": FILES["authored/late.py"]}) != before


def test_a_damaged_file_counts_by_its_bytes(digest):
    before = digest(**{"authored/late.py": "x = = 1\n"})
    assert digest(**{"authored/late.py": "x = = 2\n"}) != before


def test_a_class_and_its_module_are_one_and_code_without_a_file_is_always_new(digest, forget):
    before = digest()
    module = importlib.import_module("authored.scorer")
    assert source.code_of(module) == source.code_of(module.Mine) == before
    typed_in = source.code_of("never.written")
    forget()
    assert source.code_of("never.written") != typed_in


INSTALLED = {
    "installed/__init__.py": "",
    "installed/one.py": "import yaml\nfrom installed.two import x\nclass Mine: ...\n",
    "installed/two.py": "x = 1\n",
    "installed/apart.py": "x = 1\n",
    "installed/table.json": "{}",
    "installed_beside.py": "x = 1\n",
    "shared_data/t.json": "{}",
    "some_plugin-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: some-plugin\n"
    "Version: 1.0\nRequires-Dist: sparc3-bench\n",
    "some_plugin-1.0.dist-info/top_level.txt": "installed\ninstalled_beside\n",
    "yaml.py": "",
    "pyyaml-7.dist-info/METADATA": "Metadata-Version: 2.1\nName: pyyaml\nVersion: 7\n",
    "pyyaml-7.dist-info/top_level.txt": "yaml\n",
}


@pytest.mark.parametrize(
    ("name", "start", "moves"),
    [
        ("installed/one.py", "installed.one", True),
        ("installed/two.py", "installed.one", True),
        ("installed/two.py", "guest", True),
        ("installed/apart.py", "installed.one", False),
        ("installed/table.json", "installed.one", True),
        ("shared_data/t.json", "installed.one", True),
        ("shared_data/t.json", "installed_beside", True),
        ("installed_beside.py", "installed_beside", True),
        ("yaml.py", "installed.one", False),
    ],
)
def test_of_what_is_installed_plugins_are_followed_and_libraries_have_versions(
    tmp_path, monkeypatch, forget, name, start, moves
):
    site = tmp_path / "site-packages"
    files = {**INSTALLED, "../guest.py": "import installed.one\n"}
    record = "".join(f"{path},,\n" for path in INSTALLED)
    files["some_plugin-1.0.dist-info/RECORD"] = record
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    for place in (site, tmp_path):
        monkeypatch.syspath_prepend(place)
    forget()
    before = source.code_of(start)
    if start != "installed_beside":
        assert source.libraries_of(start) == {"pyyaml": "7"}
    (site / name).write_text(INSTALLED[name] + "\nchanged = 1\n")
    forget()
    assert (source.code_of(start) != before) is moves


def test_every_builtin_has_a_digest_of_its_own_and_none_rests_on_what_shows_numbers(forget):
    host = default_host()
    kinds = ("scorer", "task", "adapter", "judge")
    entries = [entry for kind in kinds for entry in host.all(kind).values()]
    forget()
    digests = {entry.code for entry in entries}
    assert len(digests) == len({entry.cls.__module__ for entry in entries})
    shown = tuple(
        f"sparc3_bench/{room}/"
        for room in ("cli", "comparison", "leaderboard", "scaffold", "testing")
    )
    for of in (*(entry.cls for entry in entries), RUNNER):
        assert not [path for path in source.files_of(of) if path.startswith(shown)]


LOADING = """
import importlib, sys
for name in sys.argv[1:]:
    for one in [one for one in sys.modules if one.startswith("sparc3_")]:
        del sys.modules[one]
    importlib.import_module(name)
    print(name, *sorted(one for one in sys.modules if one.startswith("sparc3_")))
"""


def test_whatever_is_loaded_with_a_module_is_in_its_closure():
    entries = [*default_host().all("scorer").values(), *default_host().all("task").values()]
    names = [*{entry.cls.__module__ for entry in entries}, RUNNER]
    done = subprocess.run(
        [sys.executable, "-c", LOADING, *names], capture_output=True, text=True, check=True
    )
    for line in done.stdout.splitlines():
        name, *loaded = line.split()
        files = [path.removesuffix(".py") for path in source.files_of(name)]
        found = {file.removesuffix("/__init__").replace("/", ".") for file in files}
        assert set(loaded) <= found, name


def test_libraries_are_those_that_are_imported_and_all_under_torch():
    scorers = default_host().all("scorer")
    assert source.libraries_of(scorers["magnitude"].cls) == {}
    assert {"torch", "transformers", "tokenizers", "numpy"} <= source.libraries_of(
        scorers["random"].cls
    ).keys()
    assert "lm_eval" in source.libraries_of(default_host().all("task")["zero-shot"].cls)


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Cell:
    folder = tmp_path_factory.mktemp("source")
    save_model("llama", folder / "llama")
    save_text(folder / "text.txt", 200, 1)
    options = {f"{part}_text": str(folder / "text.txt") for part in ("reference", "evaluation")}
    options |= {f"{part}_length": "8" for part in ("reference", "evaluation")}
    asked = {"task": "compression", "task_options": {**options, "allow_overlap": "true"}}
    request = Request(scorers=[("wanda", [0])], model=str(folder / "llama"), **asked)
    return plan(request, default_host(), folder / "cache")[0]


def keys(cell: Cell, **code: str) -> dict[str, str]:
    """Return the names of a run and of its steps, given other code of some plugins."""
    spec = cell.spec.model_copy(update={"code": {**cell.spec.code, **code}})
    cell = dataclasses.replace(cell, spec=spec)
    circuit, place = Ranked(cell, 0.5, Rank(cell)), Local(Store(Path("nowhere")))
    place.put(circuit, KEPT)
    return {
        "run": spec.key,
        "scores": Score(cell, "task").key,
        "dense": Evaluate(cell, "test").key,
        "by recipe": Evaluate(cell, "test", circuit).key,
        "by content": place.also(Evaluate(cell, "test", circuit)),
        "asked": Asked(cell).key,
        "blockwise": Blockwise(cell, 0.5).key,
    }


KEPT = Circuit({}, KeepMask({"w": torch.tensor([True, False])}, {}))


@pytest.mark.parametrize("who", ["suite", "scorer", "task", "adapter"])
def test_whose_code_changes_has_other_keys(cell, who):
    before, after = keys(cell), keys(cell, **{who: "f" * 16})
    moved = {name for name in before if before[name] != after[name]}
    # Every step names its own code, and the suite's is that of all of them. What is measured on a
    # model does not depend on who scored it.
    of = {"suite": {"run"}, "scorer": {"run", "scores", "by recipe", "blockwise"}}
    assert moved == of.get(who, set(before))


def test_other_code_of_a_step_or_another_version_of_a_library_has_other_keys(cell, monkeypatch):
    before = keys(cell)
    for name, other in (("code_of", "f" * 16), ("libraries_of", {"torch": "0"})):
        with monkeypatch.context() as patch:
            patch.setattr(step, name, lambda of, other=other: other)
            after = keys(cell)
        assert {name for name in before if before[name] == after[name]} == {"run"}


def test_a_record_from_before_keeps_its_key():
    spec = make_result().spec
    assert spec.code == {}
    assert "code" not in spec.model_dump(mode="json")
