"""`sparc3_result_written`: trackers hear of every result, and none of them harms a run."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from unit.results import make_result

from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.run import listeners
from sparc3_bench.run.listeners import listening

ROOT = Path(__file__).resolve().parents[2]
TRACKER = '''
"""Stands for MLflow: writes a line of JSON for all that it is told."""

import contextlib, json, os, pathlib

def told(**what):
    with open(os.environ["TRACKED"], "a") as file:
        file.write(json.dumps(what) + "\\n")

def set_experiment(name):
    told(experiment=name)

@contextlib.contextmanager
def start_run(run_name, tags):
    told(run=run_name, tags=tags)
    yield

def log_params(params):
    told(params=params)

def log_metrics(metrics, step):
    told(metrics=metrics, step=step)

def log_artifact(path):
    told(artifact=str(path))
'''
HOSTILE = {
    "raises": 'raise ValueError("no")',
    "leaves": "raise SystemExit(0)",
    "hangs": "import time; time.sleep(1000)",
    "crashes": "import os; os.abort()",
}


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    """Make a plugin visible here and to processes that are started from here."""
    about = folder / f"sparc3_{name}-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sparc3-{name}\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text(f"[sparc3_bench]\n{name} = sparc3_{name}\n")
    (folder / f"sparc3_{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("SPARC3_CACHE", str(folder / "cache"))


def example() -> str:
    """Return the plugin of the document."""
    text = (ROOT / "plugins/README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.M)
    (code,) = [block for block in blocks if "sparc3_result_written" in block]
    return code


@pytest.fixture
def results(tmp_path) -> list[Path]:
    made = [make_result("wanda"), make_result("lrp", status="failed", error="It fell over.")]
    for one in made:
        write_result(tmp_path / "results" / one.spec.path, one)
    return [tmp_path / "results" / one.spec.path for one in made]


def told_of(results: list[Path]) -> tuple[list[str], float]:
    """Tell listeners of results; return what was said of them, and the seconds it took."""
    said: list[str] = []
    start = time.monotonic()
    with listening(said.append) as written:
        for path in results:
            written(path)
        assert time.monotonic() - start < 2
    return said, time.monotonic() - start


def test_the_tracker_of_the_document_has_a_run_for_every_result(tmp_path, monkeypatch, results):
    install(tmp_path / "plugin", monkeypatch, "tracker", example())
    (tmp_path / "plugin/mlflow.py").write_text(TRACKER)
    monkeypatch.setenv("TRACKED", str(tmp_path / "lines"))
    said, _ = told_of(results)
    assert said == []
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
    runs = [line for line in lines if "run" in line]
    assert [one["tags"]["status"] for one in runs] == ["ok", "failed"]
    metrics = [line["metrics"] for line in lines if "metrics" in line]
    points = read_result(results[0]).points
    assert [one["perplexity"] for one in metrics] == [p.metrics["perplexity"] for p in points]
    assert [line["artifact"] for line in lines if "artifact" in line] == list(map(str, results))


@pytest.mark.parametrize("how", HOSTILE)
def test_a_listener_that_fails_costs_a_sentence_and_nothing_else(
    tmp_path, monkeypatch, results, how
):
    code = f"""
from sparc3_bench import hookimpl

@hookimpl
def sparc3_result_written(path, result):
    {HOSTILE[how]}
"""
    install(tmp_path / "plugin", monkeypatch, how, code)
    monkeypatch.setattr(listeners, "SECONDS", 10.0)
    said, took = told_of(results * 3)
    (sentence,) = said
    assert sentence.endswith(".")
    assert took < 15
    if how in ("raises", "leaves"):
        assert f"{how} (sparc3-{how} 0.1) failed to take 6 results" in sentence
    assert all(path.is_file() for path in results)


def test_without_plugins_of_others_no_process_is_started(monkeypatch, results):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process is started"))
    assert told_of(results)[0] == []


def test_a_run_tells_what_it_wrote(tmp_path, monkeypatch):
    code = """
import os
from sparc3_bench import hookimpl

@hookimpl
def sparc3_result_written(path, result):
    with open(os.environ["TRACKED"], "a") as file:
        file.write(f"{result.key} {path}\\n")
"""
    from circuits import run, save_inputs

    save_inputs(tmp_path)
    install(tmp_path / "plugin", monkeypatch, "lines", code)
    monkeypatch.setenv("TRACKED", str(tmp_path / "lines"))
    path = run(tmp_path, "magnitude")
    assert (tmp_path / "lines").read_text() == f"{read_result(path).key} {path}\n"
