"""sparc3 plan: the steps it foresees are those that a run makes, token by token."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sparc3_bench.run.estimate import Estimate, Estimator
from sparc3_bench.run.probing import Watch

from sparc3_bench.cli import main
from sparc3_bench.host import default_host
from sparc3_bench.run.plan import Plan, Shared, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.running import Runs
from sparc3_bench.run.suite import load_suite
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


def _plans(folder: Path, cache: Path, text: str) -> list[Plan]:
    (folder / "suite.toml").write_text(text)
    host, shared = default_host(), Shared()
    requests = load_suite(str(folder / "suite.toml"), host)
    return [plan(request, host, cache, shared) for request in requests]


def _suite(folder: Path, runs: str) -> str:
    model = f'model = "{folder / "llama"}"\ndtype = "float32"\n'
    texts = (f'{kind}_text = "{folder / kind}.txt"\n' for kind in ("reference", "evaluation"))
    return model + COMPRESSION + "".join(texts) + runs


def _estimated(plans: list[Plan], cache: Path, limit: float = 60) -> list[Estimate]:
    estimator = Estimator(cache, Watch(limit))
    return [estimator.of(one) for one in plans]


def _run(plans: list[Plan], folder: Path) -> int:
    """Run everything and return the tokens that went through the model."""
    runs = Runs(99, folder / "results", folder / "cache", Reporter(), 1)
    outcomes = [one for made in plans for one in runs.of(made)]
    assert [result.error for _, result in outcomes if result.status != "ok"] == []
    assert runs._session is not None
    return runs._session.view.tokens


@pytest.mark.parametrize("name", SUITES)
def test_tokens_are_those_of_the_run(folder, tmp_path, name) -> None:
    plans = _plans(folder, tmp_path / "cache", _suite(folder, SUITES[name]))
    estimates = _estimated(plans, tmp_path / "other")
    foreseen = sum(one.cost.tokens for one in estimates)
    assert foreseen == pytest.approx(_run(plans, tmp_path), rel=1e-9)


def test_a_task_that_searches_is_foreseen(folder, tmp_path) -> None:
    plans = _plans(folder, tmp_path / "cache", PLANTED)
    foreseen = sum(one.cost.tokens for one in _estimated(plans, tmp_path / "other"))
    assert foreseen == pytest.approx(_run(plans, tmp_path), rel=0.3)


def test_what_is_cut_short_is_extrapolated(folder, tmp_path) -> None:
    text = _suite(folder, SUITES["blockwise"]).replace("evaluation_windows = 4", "")
    plans = _plans(folder, tmp_path / "cache", text)
    estimator = Estimator(tmp_path / "cut", Watch(0))
    cut = estimator.of(plans[0])
    whole = _estimated(plans, tmp_path / "whole")[0]
    assert estimator.in_part == 2  # of the dense model, and of one beside it
    assert cut.phases["evaluation"].tokens == pytest.approx(whole.phases["evaluation"].tokens)
    assert not list((tmp_path / "cut").glob("evaluations/*"))
    assert list((tmp_path / "whole").glob("evaluations/*"))


def test_operations_are_those_of_the_matrices(folder, tmp_path) -> None:
    plans = _plans(folder, tmp_path / "cache", _suite(folder, SUITES["blockwise"]))
    cost = _estimated(plans, tmp_path / "cache")[0].phases["evaluation"]
    hidden, inner, vocabulary = 32, 48, 96
    block = hidden * (2 * hidden + 2 * hidden // 2) + 3 * hidden * inner
    products = 3 * block + hidden * vocabulary
    assert cost.flops / cost.tokens == pytest.approx(2 * products)


def _planned(monkeypatch, tmp_path: Path, *arguments: str) -> int:
    given = ["--cache", str(tmp_path / "cache"), "--seconds", "5", *arguments]
    monkeypatch.setattr(sys, "argv", ["sparc3", "plan", *given])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_command_prints_and_writes_the_same(folder, tmp_path, monkeypatch, capsys) -> None:
    suite = tmp_path / "own.toml"
    suite.write_text(_suite(folder, SUITES[SHARED]))
    assert _planned(monkeypatch, tmp_path, str(suite), "--json", str(tmp_path / "plan.json")) == 0
    out, told = capsys.readouterr()
    tables = json.loads((tmp_path / "plan.json").read_text())["tables"]
    assert [table["runs"] for table in tables] == [2, 2, 2]
    assert "compression · weight · row" in out
    assert "6 runs: about " in out
    assert told.count("Trying scorer 'wanda' …") == 1


def test_what_cannot_be_planned_is_named_and_the_rest_goes_on(
    folder, tmp_path, monkeypatch, capsys
) -> None:
    suite = tmp_path / "own.toml"
    missing = '\n[[run]]\nscorers = ["wanda"]\nmodel = "nowhere/none"\n'
    suite.write_text(_suite(folder, SUITES["blockwise"] + missing))
    assert _planned(monkeypatch, tmp_path, str(suite)) == 1
    told = capsys.readouterr()
    assert "Task 'compression' on nowhere/none is not planned: " in told.err
    assert "1 run: about " in told.out
    suite.write_text(_suite(folder, missing))
    assert _planned(monkeypatch, tmp_path, str(suite)) == 2
    assert "Traceback" not in capsys.readouterr().err
