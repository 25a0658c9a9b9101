"""Suites: a TOML file of runs becomes requests, choices crossed; mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host
from sparc3_bench.replication.rows import rows
from sparc3_bench.run.resolve import resolve
from sparc3_bench.run.suite import Changes, load_suite, read_suite

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


PAPER = """
task = "compression"
model = ["First", "Second"]
amounts = [0.5]
[task_options]
reference_windows = 4
[models]
First = "hub/first"

[[run]]
name = "a"
scorers = ["wanda@0,1"]
task_options = [{ reference_windows = 8 }, { evaluation_windows = 2 }]

[[run]]
name = "b"
task = "toxicity-correction"
task_options = { greedy = true }
model = "First"
scorers = ["lrp"]

[[published]]
source = "hatefi2025"
where = "Table 1"
metric = "perplexity"
measured = "perplexity"
methods = { Wanda = "a" }

[[deviation]]
about = "A"
paper = "B"
here = "C"
why = "D"
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
    path = write(tmp_path / "s.toml", GOOD)
    requests = load_suite(path, default_host(), Changes(every={"model": "other"}))
    assert {r.model for r in requests} == {"other"}


def test_models_are_crossed_under_their_names_and_kept_together(tmp_path):
    suite = read_suite(write(tmp_path / "s.toml", PAPER), default_host())
    assert [(run.name, run.model, run.request.model) for run in suite.runs] == [
        ("a", "First", "hub/first"),
        ("a", "First", "hub/first"),
        ("b", "First", "hub/first"),
        ("a", "Second", "Second"),
        ("a", "Second", "Second"),
    ]
    assert suite.models == {"First": "hub/first", "Second": "Second"}


def test_task_options_at_the_top_are_those_a_run_does_not_have(tmp_path):
    suite = read_suite(write(tmp_path / "s.toml", PAPER), default_host())
    assert [run.request.task_options for run in suite.runs[:3]] == [
        {"reference_windows": "8"},
        {"reference_windows": "4", "evaluation_windows": "2"},
        {"reference_windows": "4", "greedy": "true"},
    ]


def test_task_options_may_be_of_one_task(tmp_path):
    text = PAPER.replace("reference_windows = 4", '"compression.reference_windows" = 4')
    suite = read_suite(write(tmp_path / "s.toml", text), default_host())
    assert [run.request.task_options for run in suite.runs[1:3]] == [
        {"reference_windows": "4", "evaluation_windows": "2"},
        {"greedy": "true"},
    ]
    text = PAPER.replace("reference_windows = 4", '"compresion.reference_windows" = 4')
    with pytest.raises(UnknownNameError, match=r"option 'compresion\.reference_windows'. Did you"):
        read_suite(write(tmp_path / "s.toml", text), default_host())


def test_what_was_published_and_what_deviates_is_read(tmp_path):
    suite = read_suite(write(tmp_path / "s.toml", PAPER), default_host())
    (published,), (deviation,) = suite.published, suite.deviations
    assert published.methods == {"Wanda": ["a"]}
    assert (published.seeds, published.scale, published.tolerance) == (1, 1, 0)
    assert (deviation.about, deviation.why) == ("A", "D")


def test_the_user_changes_models_options_and_judge(tmp_path):
    path = write(tmp_path / "s.toml", PAPER)
    changes = Changes(
        models={"First": "here"},
        task_options={
            "reference_windows": "2",
            "compression.evaluation_length": "9",
            "test_count": "3",
        },
        request={"device": "cuda"},
        judge="word-list",
        judge_options={"path": "x"},
    )
    runs = read_suite(path, default_host(), changes).runs
    assert [run.request.model for run in runs] == ["here"] * 3 + ["Second"] * 2
    assert {run.request.device for run in runs} == {"cuda"}
    assert runs[1].request.task_options == {
        "reference_windows": "2",
        "evaluation_windows": "2",
        "evaluation_length": "9",
    }
    assert runs[2].request.task_options["test_count"] == "3"
    assert (runs[2].request.judge, runs[2].request.judge_options) == ("word-list", {"path": "x"})
    assert (runs[0].request.judge, runs[0].request.judge_options) == (None, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {"Frist": "x"}}, "Unknown model of the suite 'Frist'. Did you mean 'First'"),
        ({"task_options": {"windows": "1"}}, "Unknown task option 'windows'"),
        (
            {"task_options": {"ioi-circuit.test_count": "1"}},
            "Unknown task option 'ioi-circuit.test_count'",
        ),
    ],
)
def test_a_change_of_what_is_not_there_is_refused(tmp_path, changes, message):
    with pytest.raises(UnknownNameError, match=message):
        read_suite(write(tmp_path / "s.toml", PAPER), default_host(), Changes(**changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "is not valid TOML"),
        ('task = "t"', r"has no runs; give it at least one table \[\[run\]\]"),
        (GOOD.replace("controls", "kontrols"), "run 1, `kontrols`: Extra inputs"),
        (GOOD.replace('"model"]', '"modell"]'), r"run 1, `group`: Input should be"),
        (GOOD.replace('model = "m"', ""), "run 1, `model`: Field required"),
        (PAPER.replace("{ greedy = true }", "3"), "run 2, `task_options"),
        (PAPER.replace("metric =", "metrik ="), "`published.0.metric`: Field required"),
        (PAPER.replace('"a" }', "[] }"), r"`published\.0\.methods\.Wanda`: Value should have"),
        (PAPER.replace('why = "D"', ""), r"`deviation\.0\.why`: Field required"),
        (PAPER.replace('First = "hub/first"', "First = 3"), r"`models\.First`: Input should be"),
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
        # What is not named here comes from the hub.
        assert request.model in host.all("model") or "/" in request.model
        for scorer, _ in request.scorers:
            host.get("scorer", scorer)


@pytest.mark.parametrize("name", default_host().all("suite"))
def test_every_built_in_suite_asks_for_what_makes_sense(name):
    host = default_host()
    suite = read_suite(name, host)
    for run in suite.runs:
        resolve(run.request, host)
    rows(suite, (), same_items=True)
    assert bool(suite.deviations) is name.startswith("paper-")


def test_the_standard_suite_has_every_scorer_on_every_task_with_three_seeds():
    host = default_host()
    asked = {
        (r.task, name): len(seeds)
        for r in load_suite("standard", host)
        for name, seeds in r.scorers
    }
    # What `sparc3 prune` runs measures what compression does.
    assert {task for task, _ in asked} == {*host.all("task")} - {"pruning"}
    assert {name for _, name in asked} == set(host.all("scorer"))
    for (_, name), seeds in asked.items():
        assert seeds == (1 if name == "magnitude" else 3)


def test_the_circuit_suite_covers_every_unit_both_ways():
    requests = load_suite("circuits", default_host())
    covered = {(r.unit, r.group, r.removal) for r in requests}
    units = [("weight", "row"), ("weight", "model"), ("neuron", "model"), ("head", "model")]
    assert covered == {(*unit, end) for unit in units for end in ("lowest", "highest")}
    assert min(r.controls for r in requests) >= 10
