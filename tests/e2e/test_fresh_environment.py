"""From the built wheel in a fresh virtual environment: the publisher's path, then a stranger's."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from docs.test_python_page import save_english
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from unit.results import make_result
from unit.test_leaderboard_site import files

from sparc3_bench.leaderboard.site import publish
from sparc3_bench.testing.tiny import save_model

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {
    "clash": ROOT / "tests/e2e/broken_plugins/clash",
    "import-failure": ROOT / "tests/e2e/broken_plugins/import_failure",
    "misspelled-hook": ROOT / "tests/e2e/broken_plugins/misspelled_hook",
}


RUNNER = """
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read("tutorial.ipynb", 4)
NotebookClient(notebook, timeout=600).execute()
nbformat.write(notebook, "tutorial.ipynb")
"""


@dataclass
class Place:
    """A virtual environment of its own."""

    folder: Path

    def run(
        self, *command: str, code: int = 0, cache: Path | None = None, where: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as it is typed in the environment, which has a cache of its own."""
        programs = self.folder / "bin"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
        own = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "SPARC3_CACHE": str(cache or self.folder / "cache"),
            "HF_HUB_OFFLINE": "1",
        }
        done = subprocess.run(
            [str(programs / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=where or self.folder,
            env={**clean, **own},
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
    """The same environment with torch."""
    # Torch and the rest of the extra are borrowed from here; installing them again takes minutes.
    purelib = place.run(
        "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    ).stdout.strip()
    lent = [path for path in sys.path if Path(path).name == "site-packages"]
    (Path(purelib) / "borrowed.pth").write_text("\n".join(lent) + "\n")
    return place


@pytest.fixture(scope="module")
def broken(workshop) -> Place:
    """The same with three bad plugins, one distribution each."""
    wheels = [build(source, workshop.folder.parent) for source in PLUGINS.values()]
    workshop.pip("--no-deps", "--no-index", *map(str, wheels))
    return workshop


@pytest.fixture
def lasting(tmp_path_factory) -> Path:
    """A folder that outlives its test: what is installed from it stays importable."""
    return tmp_path_factory.mktemp("lasting")


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
    place.run("sparc3", "new", "scorer", "probe", "--dir", str(tmp_path / "probe"))
    assert (tmp_path / "probe/sparc3_probe.py").is_file()
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
    assert files(tmp_path / "there") == files(tmp_path / "here")
    index = (tmp_path / "there/index.html").read_text()
    for title in ("Compression", "IOI circuit", "Toxicity correction"):
        assert f">{title}</a>" in index
    # Toxicity is judged by texts; its ranks, too, need no model.
    line = index.partition("<small>Change of toxicity of what was chosen")[2].partition("</tr>")[0]
    assert "<b>1" in line


@pytest.mark.real
def test_the_tutorial_ends_in_a_report(workshop, cache, lasting):
    """Every command of the README, in its order; the run with fewer samples, which none brings."""
    said = {}
    for line in tutorial():
        command = shlex.split(line)
        if command[1] == "run":
            command += ["--limit", "4", "--only", "activation-norm", "--on", "local"]
        said[command[1]] = workshop.run(*command, cache=cache, where=lasting).stdout
    # What is shown is what was written.
    (shown,) = blocks("python")
    assert (lasting / "sparc3-activation-norm/sparc3_activation_norm.py").read_text() == shown
    assert "FAILED" not in said["check"]
    # Nothing that the wheel brings has as few samples, so the others are left out.
    results = [json.loads(path.read_text()) for path in (lasting / "results").rglob("*.json")]
    assert {result["status"] for result in results} == {"ok"}
    tasks = [result["spec"]["task"]["name"] for result in results]
    assert sorted(tasks) == ["compression", "ioi-circuit", "toxicity-correction"]
    origins = {result["spec"]["scorer"]["name"]: result["spec"]["scorer"] for result in results}
    assert set(origins) == {"activation-norm"}
    assert origins["activation-norm"]["distribution"] == "sparc3-activation-norm"
    assert {result["spec"]["model"]["slug"] for result in results} == {"smollm2-135m"}
    report = said["run"].partition("Report on Activation norm")[2]
    for task in ("Compression", "IOI circuit", "Toxicity correction"):
        assert f"\n{task}: Activation norm " in report


def test_the_notebook_runs_from_the_wheel(workshop, tmp_path):
    save_english(tmp_path)
    shutil.copy(ROOT / "docs/tutorial.ipynb", tmp_path)
    workshop.run("python", "-c", RUNNER, where=tmp_path)
    cells = json.loads((tmp_path / "tutorial.ipynb").read_text())["cells"]
    shown = [one.get("data", one) for cell in cells for one in cell.get("outputs", ())]
    told = "".join("".join(one.get("text/html", one.get("text", ""))) for one in shown)
    assert ">Input norm</td>" in told
    assert "weights removed" in told
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")


def blocks(language: str) -> list[str]:
    """Return the blocks of the README's tutorial that are in a language; "" for commands."""
    section = (ROOT / "README.md").read_text().split("## Your own method")[1].split("\n## ")[0]
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)
    return [text for named, text in fences if named == language]


def tutorial() -> list[str]:
    return "".join(blocks("")).splitlines()


def make_spelling_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer with one token a letter."""
    special = ["<unk>", "<s>", "</s>"]
    letters = {one: at for at, one in enumerate([*special, " ", *string.ascii_letters])}
    inner = Tokenizer(models.BPE(letters, [], unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", pad_token="</s>")


def test_a_new_task_and_a_new_adapter_are_installed_tested_and_run(workshop, lasting):
    for kind, name in (("task", "my-agreement"), ("adapter", "granite")):
        workshop.run("sparc3", "new", kind, name, where=lasting)
    folders = [str(lasting / name) for name in ("sparc3-my-agreement", "sparc3-granite")]
    workshop.pip("--no-build-isolation", *(part for path in folders for part in ("-e", path)))
    tested = workshop.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders)
    assert " passed" in tested.stdout
    model = save_model("granite", lasting / "tiny-granite")
    make_spelling_tokenizer().save_pretrained(model)  # one that knows the task's sentences
    run = ["sparc3", "run", "--task", "my-agreement", "--model", str(model)]
    workshop.run(*run, "--scorer", "magnitude", "--amounts", "0,0.5", where=lasting)
    (path,) = (lasting / "results/my-agreement/tiny-granite").glob("*.json")
    spec = json.loads(path.read_text())["spec"]
    assert (spec["task"]["distribution"], spec["model"]["adapter"]) == (
        "sparc3-my-agreement",
        "granite",
    )
    workshop.run("sparc3", "validate", "results", where=lasting)


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("clash", "the scorer name 'magnitude' is already taken by sparc3-bench"),
        ("import-failure", "cannot be imported: ModuleNotFoundError"),
        ("misspelled-hook", "unknown hook 'sparc3_register_scorer'"),
    ],
)
def test_a_broken_plugin_is_reported_in_one_sentence_while_the_rest_works(broken, plugin, said):
    listed = broken.run("sparc3", "list")
    lines = [
        line for line in listed.stderr.splitlines() if f"{plugin} (sparc3-{plugin} 0.1)" in line
    ]
    assert len(lines) == 1
    assert said in lines[0]
    assert re.search(r"^  magnitude +Importance = absolute weight", listed.stdout, re.M)


def test_the_doctor_names_every_broken_plugin_and_fails_when_strict(broken):
    told = broken.run("sparc3", "doctor", "--strict", code=1).stdout
    assert told.count("broken plugin: ") == len(PLUGINS)
