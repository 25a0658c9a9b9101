"""A scorer of somebody else in a suite: what it can do is run, and earlier results stand in."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import pytest
from circuits import call
from integration.correcting import made_up, options
from sparc3_scorers.magnitude import Magnitude

from sparc3_bench import hookimpl
from sparc3_bench.host import PluginHost
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.run.place import Place

ROOT = Path(__file__).parents[2]
SUITE = """
dtype = "float32"

[[run]]
task = "compression"
model = "{folder}/llama"
scorers = ["wanda", "lrp", "random@0,1"]
amounts = [0, 0.3, 0.6]
[run.task_options]
reference_text = "{folder}/general.txt"
evaluation_text = "{folder}/held-out.txt"
reference_length = 16
evaluation_length = 16
reference_windows = 3
evaluation_windows = 5

[[run]]
task = "planted-circuit"
model = "planted-ioi"
scorers = ["lrp", "random"]
amounts = [0, 0.5]
task_options = {{ reference_count = 8, test_count = 16 }}

[[run]]
task = "toxicity-correction"
model = "{folder}/llama"
scorers = ["wanda", "lrp"]
unit = "neuron"
amounts = [0, 6]
amount_kind = "count"
scorer_options = {{ aggregation = "signed-mean", by_sample = true }}
judge = "word-list"
judge_options = {{ path = "{folder}/words.txt" }}
task_options = {options}
"""
OWN, OTHERS = 3, 8
"""Runs of the newcomer, and of the suite's own scorers."""

Newcomer = Callable[..., tuple[int, Any]]


@dataclass(frozen=True)
class Particular(Magnitude):
    """Takes one aggregation alone, which is not that of the suite's last run."""

    name = "particular"
    title = "Particular"

    aggregation: Literal["its-own"] = "its-own"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    with made_up(tmp_path_factory.mktemp("newcomer")) as made:
        (made / "words.txt").write_text("\n".join(f"w{number}" for number in range(4, 99, 2)))
        table = ", ".join(
            f"{name} = {json.dumps(value)}"
            for name, value in options(made, last_words=0, new_tokens=6).items()
        )
        text = SUITE.format(folder=made, options=f"{{ {table} }}")
        (made / "three.toml").write_text(text)
        yield made


@pytest.fixture(autouse=True)
def installed(folder, monkeypatch) -> None:
    """Install the scorer of the README, as it stands there, and one more."""
    blocks = re.findall("```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "class ActivationNorm" in block]
    (folder / "newcomers.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    module = importlib.import_module("newcomers")
    more = ModuleType("more")
    more.sparc3_register_scorers = hookimpl(lambda: [Particular])
    dist = SimpleNamespace(name="newcomers", version="1")
    points = [
        SimpleNamespace(name=one.__name__, value=one.__name__, dist=dist, load=lambda one=one: one)
        for one in (module, more)
    ]
    host = PluginHost([*points, *entry_points(group="sparc3_bench")])
    monkeypatch.setattr("sparc3_bench.host.default_host", lambda: host)


@pytest.fixture
def newcomer(folder, tmp_path, capsys) -> Newcomer:
    """Return a function that does `sparc3 run` of the suite; it gives code and answer."""

    def run(*arguments: object, results: str = "results") -> tuple[int, Any]:
        capsys.readouterr()
        where = ("--results", tmp_path / results, "--cache", folder / "assets")
        code = call("run", folder / "three.toml", *arguments, *where, "--json")
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return run


@pytest.fixture(scope="module")
def earlier(folder, tmp_path_factory) -> Path:
    """Return a folder with the results of the suite."""
    results = tmp_path_factory.mktemp("earlier") / "results"
    code = call("run", folder / "three.toml", "--results", results, "--cache", folder / "assets")
    assert code == 0
    return results


def files(results: Path) -> list[str]:
    return sorted(path.name.split("--")[0] for path in results.rglob("*--*.json"))


def test_a_newcomer_runs_in_every_application_and_pays_for_its_own_rows_only(
    newcomer, earlier, tmp_path, monkeypatch
):
    made = list[str]()
    plain = Place.turn_to
    monkeypatch.setattr(
        Place, "turn_to", lambda place, cell, label: (made.append(label), plain(place, cell, label))
    )
    code, answer = newcomer("--with", "activation-norm", "--against", earlier)
    assert code == 0
    assert len(made) == OWN
    assert files(tmp_path / "results") == ["activation-norm"] * OWN
    assert len(answer["runs"]) == OWN + OTHERS
    for run in answer["runs"]:
        assert run["status"] == "ok"
        stands_in = run["scorer"] != "activation-norm"
        assert run["stands_in"] == ("same code" if stands_in else None)
        assert Path(run["path"]).is_relative_to(earlier if stands_in else tmp_path)
    report = Path(answer["report"])
    assert report == tmp_path / "results/report-activation-norm.md"
    assert report.with_suffix(".html").read_text().startswith("<!")
    text = report.read_text()
    assert text.startswith("# Report on Activation norm")
    assert f"{OTHERS} results of earlier runs stand in." in text
    assert "Not run" not in text


def test_other_draws_of_a_control_that_are_there_are_reported_beside_it(
    newcomer, earlier, tmp_path
):
    more = tmp_path / "more"
    shutil.copytree(earlier, more)
    folder = next(more.glob("compression/*"))
    for seed, path in enumerate(sorted(folder.glob("random--*.json")), 5):
        result = read_result(path)
        spec = result.spec.model_copy(update={"seed": seed})
        write_result(more / spec.path, result.model_copy(update={"spec": spec, "key": spec.key}))
    code, answer = newcomer("--with", "activation-norm", "--against", more)
    assert code == 0
    assert len(answer["runs"]) == OWN + OTHERS
    text = Path(answer["report"]).read_text()
    assert "Other draws of the same controls, taken from there, too: 2." in text


def test_results_of_earlier_code_stand_in_and_of_another_question_do_not(
    newcomer, earlier, tmp_path
):
    old = tmp_path / "old"
    shutil.copytree(earlier, old)
    for path in sorted(old.rglob("*--*.json")):
        result = read_result(path)
        scorer = result.spec.scorer
        changes: dict[str, Any] = {
            "code": {**result.spec.code, "suite": "0" * 16},
            "scorer": scorer.model_copy(update={"version": "0.0.1", "distribution": "before"}),
            "seed": 7 if scorer.name == "lrp" else result.spec.seed,
        }
        spec = result.spec.model_copy(update=changes)
        path.unlink()
        write_result(old / spec.path, result.model_copy(update={"spec": spec, "key": spec.key}))
    code, answer = newcomer("--only", "wanda", "--against", old)
    assert code == 0
    found = {run["scorer"]: run["stands_in"] for run in answer["runs"]}
    # What is named is run; what stands in is beside it; the rest, as LRP here, is left out.
    assert found == {"wanda": None, "random": "earlier code"}
    assert files(tmp_path / "results") == ["wanda", "wanda"]


def test_what_a_scorer_cannot_do_is_named_and_the_rest_goes_on(newcomer, earlier):
    code, answer = newcomer("--with", "particular", "--against", earlier)
    assert code == 1
    (sentence,) = answer["not_run"]
    assert sentence.startswith("Scorer 'particular' on task 'toxicity-correction' (neurons) is not")
    assert "`aggregation` of scorer 'particular' must be 'its-own'" in sentence
    assert [run["status"] for run in answer["runs"]] == ["ok"] * (OWN - 1 + OTHERS)


def test_options_go_to_the_scorers_that_have_them(newcomer):
    code, answer = newcomer(
        *("--with", "gradient", "--only", "gradient", "--against", "none"),
        *("--scorer-option", "gradient.aggregation=signed-mean"),
    )
    assert code == 0
    runs = [read_result(Path(run["path"])) for run in answer["runs"]]
    assert {run.spec.scorer.options["aggregation"] for run in runs} == {"signed-mean"}
    assert {run.spec.scorer.name for run in runs} == {"gradient"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--with", "wandaa"], "Unknown scorer 'wandaa'. Did you mean 'wanda'?"),
        (["--only", "gradient"], "Unknown scorer of the suite 'gradient'."),
        (["--with", "gradient", "--scorer-option", "gradient.no=1"], "Unknown scorer option"),
        (["--with", "gradient", "--against", "/nowhere"], "There is no folder /nowhere"),
        (["--scorer", "wanda"], "`--scorer` does not go with a suite"),
    ],
)
def test_wrong_names_are_refused_before_anything_runs(
    folder, tmp_path, capsys, arguments, expected
):
    results = tmp_path / "results"
    assert call("run", folder / "three.toml", "--results", results, *arguments) == 2
    assert capsys.readouterr().err.startswith(expected)
    assert not results.exists()


def test_without_a_suite_nothing_can_be_added(capsys):
    assert call("run", "--scorer", "wanda", "--with", "lrp") == 2
    assert "`--with` goes with a suite" in capsys.readouterr().err
