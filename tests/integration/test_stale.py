"""No old number survives new code: whatever a plugin or an adapter is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.testing.tiny import save_model, save_text

FILES = {
    "stale.py": """\
import json
from pathlib import Path
from sparc3_bench import hookimpl
from stale_base import Base

class Stale(Base):
    name = "stale"
    title = "Stale"
    needs_reference = False

    def score(self, model, reference):
        from stale_rule import sign
        factor = json.loads(Path(__file__).with_name("stale_table.json").read_text())
        named = model.weights().items()
        return {name: sign() * factor * self.power(one.matrix) for name, one in named}

@hookimpl
def sparc3_register_scorers():
    return [Stale]
""",
    "stale_rule.py": "def sign(): return 1\n",
    "stale_table.json": "1.0\n",
    "stale_base.py": """\
from sparc3_bench import Scorer

class Base(Scorer):
    @staticmethod
    def power(values): return values.detach().abs()
""",
    "stale-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: stale\nVersion: 1.0\n",
    "stale-1.0.dist-info/entry_points.txt": "[sparc3_bench]\nstale = stale\n",
}
CHANGES = {
    "stale_rule.py": ("return 1", "return -1"),
    "stale_table.json": ("1.0", "-1.0"),
    "stale_base.py": (".abs()", ".abs().neg()"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stale")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 400, 1)
    save_text(folder / "evaluation.txt", 400, 2)
    for name, text in FILES.items():
        (folder / "plugin" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "plugin" / name).write_text(text)
    return folder


def run(folder: Path) -> tuple[str, dict[str, float]]:
    """Run the plugin's scorer, and return what was said and the perplexity of every result."""
    options = {"reference_text": "reference.txt", "evaluation_text": "evaluation.txt"}
    options |= {name: "4" for name in ("reference_windows", "evaluation_windows")}
    options |= {name: "24" for name in ("reference_length", "evaluation_length")}
    given = [f"--task-option={name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("sparc3")), "run", "--scorer", "stale"),
            *("--model", "llama", "--amounts", "0,0.5", "--dtype", "float32"),
            *("--results", "results", "--cache", "cache", *given),
        ],
        cwd=folder,
        env={
            **os.environ,
            # The plugin folder is one more place.
            "PYTHONPATH": os.pathsep.join(
                ["plugin", *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {}
    for path in (folder / "results").rglob("*.json"):
        points = json.loads(path.read_text())["points"]
        found[path.name] = points[-1]["metrics"]["perplexity"]
    return done.stdout + done.stderr, found


def test_a_plugin_whose_helper_data_or_base_changed_is_run_again(folder):
    said, first = run(folder)
    assert "already there" not in said
    said, again = run(folder)
    assert "already there" in said
    assert again == first
    (lowest_first,) = first.values()
    for name, (old, new) in CHANGES.items():
        path = folder / "plugin" / name
        text = path.read_text()
        path.write_text(text.replace(old, new))
        said, found = run(folder)
        assert "already there" not in said, name
        (added,) = set(found) - set(first)
        # The other end of the ranking was removed.
        assert found[added] != pytest.approx(lowest_first, rel=1e-6), name
        path.write_text(text)
        first = found
    said, found = run(folder)
    assert "already there" in said
    assert found == first


def test_an_adapter_that_says_other_things_of_a_model_is_another(folder, monkeypatch):
    host = default_host()
    found = find_model(str(folder / "llama"), host, folder / "cache", "float32", "cpu")
    before = found.adapter_code(host)
    roles = dict(found.adapter.roles(found.empty.config))
    del roles["mlp.up_proj"]
    monkeypatch.setattr(type(found.adapter), "roles", lambda self, config: roles)
    assert found.adapter_code(host) != before
