"""A plan is believed without a worker for as long as all that it rests on is the same."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from sparc3_executors.here import Here

from sparc3_bench.run import surroundings as around
from sparc3_bench.run.journal import Journal
from sparc3_bench.run.process import WorkerProcess
from sparc3_bench.run.request import Request
from sparc3_bench.run.results import ResultsFolder
from sparc3_bench.run.runner import Runner
from sparc3_bench.run.view import RunsView
from sparc3_bench.source import files_of
from sparc3_bench.testing.tiny import save_model, save_text
from sparc3_bench.types.orders import Order, Work


def request(folder) -> Request:
    lengths = {"reference_length": 16, "evaluation_length": 16}
    windows = {"reference_windows": 2, "evaluation_windows": 2}
    texts = {
        f"{purpose}_text": save_text(folder / f"{purpose}.txt", words=400, seed=seed)
        for seed, purpose in enumerate(("reference", "evaluation"))
    }
    return Request(
        scorers=[("magnitude", [0])],
        task="compression",
        model=str(save_model("llama", folder / "llama")),
        amounts=(0, 0.5),
        dtype="float32",
        task_options={**texts, **lengths, **windows},
    )


def test_a_plan_is_kept_until_something_it_rests_on_changes(tmp_path, monkeypatch):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    monkeypatch.syspath_prepend(plugins)
    (plugins / "sitecustomize.py").write_text("import helping\n")  # no library, and imported
    (plugins / "helping.py").write_text("HELP = 1\n")
    work = Work(cache=str(tmp_path / "cache"))
    asked = request(tmp_path)
    time.sleep(0.2)

    def worker() -> WorkerProcess:
        return WorkerProcess(work, lambda told: None)

    assert worker().planned(asked) is None
    planning = worker()
    try:
        orders = planning.plan(asked)
        planning.plan(asked.model_copy(update={"amounts": (0, 0.3)}))  # the first is kept by then
    finally:
        planning.close()
    assert worker().planned(asked) == orders
    assert worker().planned(asked.model_copy(update={"amounts": (0, 0.7)})) is None

    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "3")
    assert worker().planned(asked) is None
    monkeypatch.delenv("SPARC3_SCORES_LIMIT")
    monkeypatch.setenv("SSH_CONNECTION", "another terminal")
    assert worker().planned(asked) == orders

    new = plugins / "numpy-99.dist-info"
    new.mkdir()
    assert worker().planned(asked) is None
    new.rmdir()
    assert worker().planned(asked) == orders

    kept = [json.loads(one.read_bytes().partition(b"\n")[2]) for one in cache_files(tmp_path)]
    (first,) = (one for one in kept if one["about"][1]["amounts"] == [0, 0.5])
    for file in (
        plugins / "helping.py",
        Path(around.__file__).with_name("plan.py"),
        files_of("sparc3_scorers.magnitude")["sparc3_scorers/magnitude.py"],
        *(tmp_path / "llama").iterdir(),
        tmp_path / "llama",
        tmp_path / "reference.txt",
    ):
        assert str(file) in first["rests"]
    time.sleep(0.2)
    weights = tmp_path / "llama" / "model.safetensors"
    weights.write_bytes(weights.read_bytes())  # even with the same content
    assert worker().planned(asked) is None


def cache_files(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "seen").glob("*.json"))


@pytest.mark.parametrize(("status", "times"), [("ok", 0), ("failed", 1), (None, 1)])
def test_a_kept_plan_is_believed_only_where_nothing_of_it_is_to_be_done(
    tmp_path, monkeypatch, status, times
):
    order = Order.model_construct(path="task/model/scorer--0.json", scorer="scorer")
    planned: list[Request] = []

    class Planning(WorkerProcess):
        def planned(self, request: Request) -> list[Order]:
            return [order]

        def plan(self, request: Request) -> list[Order]:
            planned.append(request)
            return [order]

    results = ResultsFolder(tmp_path, lambda text: None)
    monkeypatch.setattr(results, "status", lambda path: status)
    worker, view = (
        Planning(Work(cache=str(tmp_path)), lambda told: None),
        RunsView(Journal(tmp_path)),
    )
    asked = Request(scorers=[("scorer", [0])], task="task", model="model")
    (state,) = Runner(Here(), worker, results, view).plan([asked])
    assert state.orders == [order]
    assert len(planned) == times


@pytest.mark.skipif(sys.platform != "linux", reason="names of the processor's instructions")
def test_another_processor_is_another_surrounding(monkeypatch):
    before = around.surroundings({})
    monkeypatch.setattr(around, "processor_flags", lambda: frozenset({"none"}))
    assert around.surroundings({}) != before
