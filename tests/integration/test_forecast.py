"""sparc3 plan: the steps it foresees are those that a run makes, token by token."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from circuits import call

from sparc3_bench.graph.forecast import Forecast, Foreseen
from sparc3_bench.host import default_host
from sparc3_bench.run import probes
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Shared, plan
from sparc3_bench.run.probes import TrialPlace
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.recipes import run_of
from sparc3_bench.run.suite import load_suite
from sparc3_bench.run.watch import Watch
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import save_model, save_text

COMPRESSION = """
task = "compression"
[task_options]
reference_length = 32
evaluation_length = 32
reference_windows = 6
evaluation_windows = 4
"""

SHARED = "controls that scorers share, and tables that share scores"
SUITES = {
    "every scorer once, with controls and stability": """
[[run]]
scorers = ["magnitude", "wanda", "gradient@0,1", "integrated-gradients", "random"]
scorer_options = { "integrated-gradients.steps" = 2 }
amounts = [0.3, 0.6]
controls = 2
stability_seeds = 1
""",
    SHARED: """
[[run]]
scorers = ["wanda", "lrp"]
amounts = [0.5, 1]
controls = 2
group = ["row", "layer", "model"]
""",
    "neurons": """
[[run]]
scorers = ["wanda", "activation"]
unit = "neuron"
group = "model"
amounts = [0, 5, 20]
amount_kind = "count"
controls = 1
""",
    "blockwise": """
[[run]]
scorers = ["wanda"]
amounts = [0.3, 0.6]
schedule = "blockwise"
""",
    "sizes that go on from one another": """
[[run]]
scorers = ["wanda", "lrp", "magnitude"]
amounts = [0.5]
snapshots = true
task_options = [
  { reference_windows = 2, reference_draw = "nested" },
  { reference_windows = 4, reference_draw = "nested" },
  { reference_windows = 8, reference_draw = "nested" },
]
""",
    "means in place of zeros": """
[[run]]
scorers = ["wanda"]
amounts = [0.5]
ablation = ["zero", "mean"]
""",
}

PLANTED = """
task = "planted-circuit"
model = "planted-ioi"
dtype = "float32"
[[run]]
scorers = ["wanda", "random"]
unit = "neuron"
group = "model"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 800, 1)
    save_text(folder / "evaluation.txt", 800, 2)
    return folder


def _cells(folder: Path, cache: Path, text: str) -> list[Cell]:
    (folder / "suite.toml").write_text(text)
    host, shared = default_host(), Shared()
    requests = load_suite(str(folder / "suite.toml"), host)
    return [cell for request in requests for cell in plan(request, host, cache, shared)]


def _suite(folder: Path, runs: str) -> str:
    model = f'model = "{folder / "llama"}"\ndtype = "float32"\n'
    texts = (f'{kind}_text = "{folder / kind}.txt"\n' for kind in ("reference", "evaluation"))
    return model + COMPRESSION + "".join(texts) + runs


def _foreseen(cells: list[Cell], cache: Path, limit: float = 60) -> tuple[list[Foreseen], Forecast]:
    trial = TrialPlace(cache, Watch(limit))
    forecast = Forecast(trial, trial.probe, "this machine")
    found = []
    for cell in cells:
        trial.turn_to(cell, "")
        found.append(forecast.of(run_of(cell), cell.spec.key))
    return found, forecast


def _tokens(foreseen: list[Foreseen]) -> float:
    return sum(one.cost.tokens for one in foreseen)


def _run(cells: list[Cell], cache: Path) -> int:
    """Run everything and return the tokens that went through the model."""
    place = Place(cache, Reporter())
    failed = [run_cell(cell, place, "")[0].error for cell in cells]
    assert set(failed) == {None}
    return place.passed().tokens


@pytest.mark.parametrize("name", SUITES)
def test_tokens_are_those_of_the_run(folder, tmp_path, name) -> None:
    cells = _cells(folder, tmp_path, _suite(folder, SUITES[name]))
    foreseen, _ = _foreseen(cells, tmp_path / "other")
    assert _tokens(foreseen) == pytest.approx(_run(cells, tmp_path / "cache"), rel=1e-9)


@pytest.mark.parametrize("name", SUITES)
def test_after_the_run_nothing_is_new_and_nothing_is_tried(folder, tmp_path, name) -> None:
    cells = _cells(folder, tmp_path, _suite(folder, SUITES[name]))
    _run(cells, tmp_path / "cache")
    foreseen, forecast = _foreseen(cells, tmp_path / "cache")
    assert [(one.new, one.shared, one.cost.seconds) for one in foreseen] == [({}, {}, 0)] * len(
        cells
    )
    assert all(one.there for one in foreseen)
    assert forecast.probed == 0


def test_a_second_plan_tries_nothing_and_says_the_same(folder, tmp_path) -> None:
    cells = _cells(folder, tmp_path, _suite(folder, SUITES[SHARED]))
    first, forecast = _foreseen(cells, tmp_path / "cache")
    assert forecast.probed > 0
    second, forecast = _foreseen(cells, tmp_path / "cache")
    assert forecast.probed == 0
    # Of what was tried, the evaluation of the dense model is kept.
    assert {kind for one in first for kind in one.new.values()} == {
        *{kind for one in second for kind in one.new.values()}
    }
    assert sum(len(one.new) for one in first) - sum(len(one.new) for one in second) == 1


def test_a_step_that_two_runs_need_is_new_once(folder, tmp_path) -> None:
    cells = _cells(folder, tmp_path, _suite(folder, SUITES[SHARED]))
    (first, second, *_), _ = _foreseen(cells, tmp_path / "cache")
    assert not set(first.new) & set(second.new)
    assert set(second.shared) < set(first.new)
    assert {maker for _, maker in second.shared.values()} == {cells[0].spec.key}
    kinds = [kind for kind, _ in second.shared.values()]
    # The dense model, what is left of nothing, and two random controls of a half.
    assert kinds.count("Evaluate") == 4


def test_a_task_that_searches_is_foreseen(folder, tmp_path) -> None:
    cells = _cells(folder, tmp_path, PLANTED)
    foreseen, _ = _foreseen(cells, tmp_path / "other")
    assert _tokens(foreseen) == pytest.approx(_run(cells, tmp_path / "cache"), rel=0.3)


def test_what_is_cut_short_is_extrapolated(folder, tmp_path) -> None:
    text = _suite(folder, SUITES["blockwise"]).replace("evaluation_windows = 4", "")
    cells = _cells(folder, tmp_path, text)
    (cut,), forecast = _foreseen(cells, tmp_path / "cut", limit=0)
    (whole,), _ = _foreseen(cells, tmp_path / "whole")
    assert forecast.in_part >= 2  # of the dense model, and of one beside it
    assert cut.phases["evaluation"].tokens == pytest.approx(whole.phases["evaluation"].tokens)
    assert not list((tmp_path / "cut").glob("steps/Evaluate/*/*.json"))
    assert list((tmp_path / "whole").glob("steps/Evaluate/*/*.json"))


def test_operations_are_those_of_the_matrices(folder, tmp_path) -> None:
    cells = _cells(folder, tmp_path, _suite(folder, SUITES["blockwise"]))
    cost = _foreseen(cells, tmp_path)[0][0].phases["evaluation"]
    hidden, inner, vocabulary = 32, 48, 96
    block = hidden * (2 * hidden + 2 * hidden // 2) + 3 * hidden * inner
    products = 3 * block + hidden * vocabulary
    assert cost.flops / cost.tokens == pytest.approx(2 * products)


def _command(tmp_path: Path, name: str, *arguments: str) -> int:
    where = ("--cache", tmp_path / "cache", "--results", tmp_path / "results")
    return call(name, *where, *arguments)


def test_command_prints_and_writes_the_same(folder, tmp_path, capsys) -> None:
    suite = tmp_path / "own.toml"
    suite.write_text(_suite(folder, SUITES[SHARED]))
    assert _command(tmp_path, "plan", str(suite), "--json") == 0
    out, told = capsys.readouterr()
    tables = json.loads(out)["tables"]
    assert _command(tmp_path / "anew", "plan", str(suite)) == 0
    out, again = capsys.readouterr()
    assert [len(table["runs"]) for table in tables] == [2, 2, 2]
    new = sum(len(run["new"]) for table in tables for run in table["runs"])
    assert "compression · weight · row" in out
    assert f"6 runs, 0 finished; {new} new steps: about " in out
    assert [text.count("Trying scorer 'wanda' …") for text in (told, again)] == [1, 1]


def test_a_run_its_suite_and_its_results_are_planned_alike(
    folder, tmp_path, monkeypatch, capsys
) -> None:
    suite = tmp_path / "own.toml"
    suite.write_text(_suite(folder, SUITES["blockwise"]))
    assert _command(tmp_path, "run", "--suite", str(suite)) == 0
    options = ["--scorer", "wanda", "--amounts", "0.3,0.6", "--schedule", "blockwise"]
    options += ["--model", str(folder / "llama"), "--dtype", "float32"]
    for name, value in tomllib.loads(_suite(folder, ""))["task_options"].items():
        options += ["--task-option", f"{name}={value}"]
    capsys.readouterr()
    for what in ([str(suite)], options):
        assert _command(tmp_path, "plan", *what) == 0
        assert "1 run, 1 finished; 0 new steps." in capsys.readouterr().out
    # A record has only the names of local files.
    monkeypatch.chdir(folder)
    for what in (tmp_path / "results", next((tmp_path / "results").rglob("*.json"))):
        assert _command(tmp_path, "plan", str(what)) == 0
        assert "1 run, 1 finished; 0 new steps." in capsys.readouterr().out
    assert _command(tmp_path, "plan", str(tmp_path / "results"), "--seed", "1") == 2
    assert "`--seed` does not go with results" in capsys.readouterr().err
    (bad := tmp_path / "results" / "bad.json").write_text("{")
    assert _command(tmp_path, "plan", str(tmp_path / "results")) == 1
    told = capsys.readouterr()
    assert "1 run, 1 finished; 0 new steps." in told.out
    assert f"{bad} is not valid JSON: " in told.err
    assert _command(tmp_path, "plan", str(bad)) == 2


def test_what_cannot_be_planned_is_named_and_the_rest_goes_on(folder, tmp_path, capsys) -> None:
    suite = tmp_path / "own.toml"
    missing = '\n[[run]]\nscorers = ["wanda"]\nmodel = "nowhere/none"\n'
    suite.write_text(_suite(folder, SUITES["blockwise"] + missing))
    assert _command(tmp_path, "plan", str(suite)) == 1
    told = capsys.readouterr()
    assert "Task 'compression' on nowhere/none is not planned: " in told.err
    assert "1 run, 0 finished; " in told.out
    suite.write_text(_suite(folder, missing))
    assert _command(tmp_path, "plan", str(suite)) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_floor_is_the_model_alone_forward_or_both_ways(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "_alone", lambda view: (2.0, 5.0))
    runs = '[[run]]\nscorers = ["magnitude", "wanda", "gradient"]\namounts = [0.5]\n'
    trial, each = TrialPlace(tmp_path, Watch(60)), {}
    forecast = Forecast(trial, trial.probe, "this machine")
    for cell in _cells(folder, tmp_path, _suite(folder, runs)):
        trial.turn_to(cell, "")
        for phase, cost in forecast.of(run_of(cell), cell.spec.key).phases.items():
            if floor := trial.floor(cell, cost):
                each[cell.scorer.name, phase] = floor / cost.tokens
    evaluated = {(name, "evaluation"): 2.0 for name in ("magnitude", "wanda", "gradient")}
    attributed = {("wanda", "attribution"): 2.0, ("gradient", "attribution"): 5.0}
    assert each == {**evaluated, **attributed}


def test_timing_the_model_alone_leaves_it_as_it_was(folder, tmp_path):
    (cell,) = _cells(folder, tmp_path, _suite(folder, '[[run]]\nscorers = ["wanda"]\n'))
    view = cell.model.load("all")
    before = [parameter.requires_grad for parameter in view.model.parameters()]
    with guarded(view, "The trial"):
        assert all(seconds > 0 for seconds in probes._alone(view))
    assert [parameter.requires_grad for parameter in view.model.parameters()] == before
