"""Suites: a TOML file of runs becomes requests, choices crossed; mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host
from sparc3_bench.run.suite import load_suite

GOOD = """
task = "compression"
model = "m"
scorers = ["wanda", "random@0,1"]
controls = 3

[[run]]
group = ["row", "model"]
removal = ["lowest", "highest"]

[[run]]
scorers = ["lrp"]
amounts = [0.5]
scorer_options = [{ aggregation = "token-abs" }, { standard_error = true }]
[run.task_options]
reference_windows = 4
"""


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_choices_are_crossed_and_defaults_are_shared(tmp_path):
    requests = load_suite(write(tmp_path / "s.toml", GOOD), default_host())
    assert [(r.group, r.removal) for r in requests[:4]] == [
        ("row", "lowest"),
        ("row", "highest"),
        ("model", "lowest"),
        ("model", "highest"),
    ]
    assert {r.controls for r in requests} == {3}
    assert requests[0].scorers == [("wanda", [0]), ("random", [0, 1])]
    assert [r.scorer_options for r in requests[4:]] == [
        {"aggregation": "token-abs"},
        {"standard_error": "true"},
    ]
    assert requests[4].task_options == {"reference_windows": "4"}
    assert requests[4].amounts == [0.5]


def test_the_users_model_wins(tmp_path):
    requests = load_suite(write(tmp_path / "s.toml", GOOD), default_host(), model="other")
    assert {r.model for r in requests} == {"other"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "is not valid TOML"),
        ('task = "t"', r"has no runs; give it at least one table \[\[run\]\]"),
        (GOOD.replace("controls", "kontrols"), "run 1, `kontrols`: Extra inputs"),
        (GOOD.replace('"model"]', '"modell"]'), r"run 1, `group\.1`: Input should be"),
        (GOOD.replace('model = "m"', ""), "run 1, `model`: Field required"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(Sparc3Error, match=message):
        load_suite(write(tmp_path / "s.toml", text), default_host())


def test_an_unknown_suite_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'circuits'"):
        load_suite("circuit", default_host())
    with pytest.raises(Sparc3Error, match="cannot be read"):
        load_suite(str(tmp_path / "none.toml"), default_host())


@pytest.mark.parametrize("name", default_host().all("suite"))
def test_every_built_in_suite_names_what_exists(name):
    host = default_host()
    for request in load_suite(name, host):
        host.get("task", request.task)
        assert request.model in host.all("model")
        for scorer, _ in request.scorers:
            host.get("scorer", scorer)


def test_the_circuit_suite_covers_every_unit_both_ways():
    requests = load_suite("circuits", default_host())
    covered = {(r.unit, r.group, r.removal) for r in requests}
    units = [("weight", "row"), ("weight", "model"), ("neuron", "model"), ("head", "model")]
    assert covered == {(*unit, end) for unit in units for end in ("lowest", "highest")}
    assert min(r.controls for r in requests) >= 10
