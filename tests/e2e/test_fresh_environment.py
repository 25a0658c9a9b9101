"""From the built wheel in a fresh virtual environment: the publisher's path, then a stranger's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from unit.results import make_result
from unit.test_leaderboard_site import files

from sparc3_bench.leaderboard.site import publish
from sparc3_bench.testing.tiny import save_model, save_text

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {
    "example": ROOT / "tests/example_plugin",
    "clash": ROOT / "tests/e2e/broken_plugins/clash",
    "import-failure": ROOT / "tests/e2e/broken_plugins/import_failure",
    "misspelled-hook": ROOT / "tests/e2e/broken_plugins/misspelled_hook",
}


@dataclass
class Place:
    """A virtual environment of its own."""

    folder: Path

    def run(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        program = self.folder / "bin" / command[0]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
        done = subprocess.run(
            [str(program), *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**clean, "SPARC3_CACHE": str(self.folder / "cache"), "HF_HUB_OFFLINE": "1"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def pip(self, *arguments: str) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", *arguments)


def build(source: Path, into: Path) -> Path:
    """Build a wheel with the build backend that is installed here."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(into), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return max(into.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """A fresh environment with the wheel and its base dependencies: no torch."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, with_pip=True)
    made = Place(folder)
    wheel = build(ROOT, folder.parent)
    made.pip("-c", str(ROOT / "constraints.txt"), str(wheel))
    return made


@pytest.fixture(scope="module")
def workshop(place) -> Place:
    """The same environment with torch and, one distribution each, a good and three bad plugins."""
    # Torch and the rest of the extra are borrowed from here; installing them again takes minutes.
    purelib = place.run(
        "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    ).stdout.strip()
    (Path(purelib) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    wheels = [build(source, place.folder.parent) for source in PLUGINS.values()]
    place.pip("--no-deps", "--no-index", *map(str, wheels))
    return place


def test_a_publisher_needs_no_torch(place, tmp_path):
    result = make_result()
    path = tmp_path / "results" / result.spec.path
    path.parent.mkdir(parents=True)
    path.write_text(result.to_json())
    place.run("sparc3", "validate", str(tmp_path / "results"))
    place.run("sparc3", "publish", str(tmp_path / "results"), str(tmp_path / "site"))
    (board,) = (tmp_path / "site/boards").iterdir()
    assert "<table" in board.read_text()
    assert "magnitude" in place.run("sparc3", "list").stdout
    refused = place.run("sparc3", "run", "--scorer", "wanda", code=2)
    assert refused.stderr.strip().splitlines() == [
        "This needs the package 'torch', which is not installed; pip install 'sparc3-bench[run]'."
    ]


def test_a_publisher_without_torch_makes_the_same_site(place, tmp_path):
    publish(ROOT / "leaderboard/results", tmp_path / "here")
    command = ("sparc3", "publish", str(ROOT / "leaderboard/results"))
    place.run(*command, str(tmp_path / "there"))
    place.run(*command, str(tmp_path / "here"), "--check")
    # The path of the other environment may not show either.
    there = files(tmp_path / "there")
    assert there == files(tmp_path / "here")
    # The documents come out of the wheel, and classes that need torch are told of without it.
    assert b'src="data-flow.svg"' in there["docs/concepts.html"]
    assert there["docs/data-flow.svg"] == (ROOT / "docs/data-flow.svg").read_bytes()
    assert b'id="model.view.ModelView"' in there["docs/contracts.html"]
    index = (tmp_path / "there/index.html").read_text()
    for title in ("Compression", "IOI circuit", "Toxicity correction"):
        assert f">{title}</a>" in index
    # Toxicity is judged by texts; its ranks, too, need no model.
    line = index.partition("Change of toxicity of what was chosen")[2].partition("</tr>")[0]
    assert "<b>1" in line


def test_a_strangers_plugin_is_listed_runs_and_appears_on_the_page(workshop, tmp_path):
    listed = workshop.run("sparc3", "list", "scorers")
    assert "activation-norm" in listed.stdout
    assert "[sparc3-activation-norm 0.1]" in listed.stdout

    options = ["--model", str(save_model("llama", tmp_path / "tiny-llama"))]
    for purpose, seed in (("reference", 1), ("evaluation", 2)):
        text = save_text(tmp_path / f"{purpose}.txt", 200, seed)
        options += ["--task-option", f"{purpose}_text={text}"]
        options += ["--task-option", f"{purpose}_length=16"]
        options += ["--task-option", f"{purpose}_windows=4"]
    run = ["sparc3", "run", "--scorer", "activation-norm", "--scorer", "magnitude", *options]
    workshop.run(*run, "--amounts", "0,0.5", "--results", str(tmp_path / "results"))
    files = sorted((tmp_path / "results/compression/tiny-llama").glob("*.json"))
    origins = [json.loads(file.read_text())["spec"]["scorer"]["distribution"] for file in files]
    assert origins == ["sparc3-activation-norm", "sparc3-bench"]

    workshop.run("sparc3", "publish", str(tmp_path / "results"), str(tmp_path / "site"))
    assert "Activation norm" in (tmp_path / "site/index.html").read_text()


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("clash", "the scorer name 'magnitude' is already taken by sparc3-bench"),
        ("import-failure", "cannot be imported: ModuleNotFoundError"),
        ("misspelled-hook", "unknown hook 'sparc3_register_scorer'"),
    ],
)
def test_a_broken_plugin_is_reported_in_one_sentence_while_the_rest_works(workshop, plugin, said):
    listed = workshop.run("sparc3", "list")
    lines = [
        line for line in listed.stderr.splitlines() if f"{plugin} (sparc3-{plugin} 0.1)" in line
    ]
    assert len(lines) == 1
    assert said in lines[0]
    assert "  magnitude        Importance = absolute weight" in listed.stdout


def test_the_doctor_names_every_broken_plugin_and_fails_when_strict(workshop):
    told = workshop.run("sparc3", "doctor", "--strict", code=1).stdout
    assert told.count("broken plugin: ") == len(PLUGINS) - 1
