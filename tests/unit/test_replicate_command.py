"""`sparc3 replicate` on results that are there: verdicts, exit codes, refusals, reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from circuits import Outcome
from integration.papers import sparc3
from unit.results import make_result, save

SUITE = """
task = "compression"
model = ["TinyLlama", "Llama-2-7B"]
amounts = [0.5]
[models]
TinyLlama = "hub-tiny"
Llama-2-7B = "hub-seven"
[reported]
compression = ["kl"]

[[run]]
name = "mine"
scorers = ["wanda@0,1,2"]

[[published]]
source = "hatefi2025"
where = "Table 1"
metric = "perplexity"
measured = "perplexity"
seeds = 3
methods = { Wanda = "mine" }

[[deviation]]
about = "Data"
paper = "C4."
here = "Less of it."
why = "It is here."
"""

PUBLISHED = {"hub-tiny": (7.98, 11.52), "hub-seven": (5.48, 6.94)}

Run = Callable[..., tuple[Outcome, dict]]


@pytest.fixture
def run(tmp_path: Path, capsys) -> Run:
    """Return a function that replicates a suite from results and returns the report, too."""

    def replicate(*arguments: object, suite: str = SUITE, **results: Sequence[float]):
        (tmp_path / "suite.toml").write_text(suite)
        given = ("--only-existing", "--results", tmp_path / "results")
        outcome = sparc3(capsys, "replicate", tmp_path / "suite.toml", *given, *arguments)
        told = sparc3(capsys, "replicate", tmp_path / "suite.toml", *given, *arguments, "--json")
        return outcome, json.loads(told.out) if told.out else {}

    return replicate


def plant(folder: Path, model: str, values: Sequence[float], dense: float, seed0: int = 0) -> None:
    for seed, value in enumerate(values, seed0):
        made = make_result(
            "wanda",
            (dense, value),
            model=model,
            seed=seed,
            objective="label-log-probability",
            intervals={"perplexity": [(dense - 1, dense + 1), (value - 1, value + 1)]},
        )
        save(folder / "results", made)


def plant_all(folder: Path) -> None:
    for model, (dense, value) in PUBLISHED.items():
        plant(folder, model, (value - 0.01, value, value + 0.02), dense)


def words(report: dict) -> dict[tuple[str, str], str]:
    return {(row["model"], row["method"]): row["verdict"] for row in report["published"]}


def test_equal_numbers_match(run, tmp_path):
    plant_all(tmp_path)
    outcome, report = run()
    assert outcome.code == 0
    assert words(report) == {
        (model, method): "match"
        for model in ("TinyLlama", "Llama-2-7B")
        for method in ("Dense", "Wanda")
    }
    assert report["counts"] == {"match": 4, "differs": 0, "not run": 0}
    row = next(
        r for r in report["published"] if (r["model"], r["method"]) == ("TinyLlama", "Wanda")
    )
    assert report["published"][0]["here"] == {"value": 7.98, "error": None, "seeds": 1}
    assert row["published"] == {"value": 11.52, "error": 0.01}
    assert row["here"]["value"] == pytest.approx(11.52 + 0.01 / 3)
    assert row["here"]["seeds"] == 3
    assert abs(row["difference"]) < row["allowed"] < 0.05
    assert "Of 4 published numbers: 4 match, 0 differ, 0 not run." in outcome.out
    assert "11.52 ± 0.01" in outcome.out


def test_a_file_that_is_no_result_is_named_and_the_others_are_compared(run, tmp_path):
    plant_all(tmp_path)
    bad = tmp_path / "results" / "compression" / "bad.json"
    bad.write_text('{"schema_version": 1e999}')
    outcome, report = run()
    assert outcome.code == 1
    assert f"left out: {bad}: `schema_version`: the number 1e999 is not finite" in outcome.err
    assert report["counts"] == {"match": 4, "differs": 0, "not run": 0}


def test_another_number_differs_by_what_the_seeds_do_not_explain(run, tmp_path):
    plant_all(tmp_path)
    plant(tmp_path, "hub-tiny", (11.62, 11.63, 11.64), 7.98)
    outcome, report = run()
    assert outcome.code == 1
    assert words(report)["TinyLlama", "Wanda"] == "differs"
    assert report["counts"] == {"match": 3, "differs": 1, "not run": 0}


def test_the_dense_model_has_no_spread_to_hide_in(run, tmp_path):
    plant_all(tmp_path)
    plant(tmp_path, "hub-tiny", (11.51, 11.52, 11.53), 7.99)
    assert words(run()[1])["TinyLlama", "Dense"] == "differs"
    wider = SUITE.replace("seeds = 3", "seeds = 3\ntolerance = 0.002")
    assert words(run(suite=wider)[1])["TinyLlama", "Dense"] == "match"


def test_where_options_were_changed_errors_over_items_count(run, tmp_path):
    plant_all(tmp_path)
    plant(tmp_path, "hub-tiny", (11.62, 11.63, 11.64), 8.2)
    _, report = run("--task-option", "evaluation_windows=16")  # the default, so results still fit
    assert words(report)["TinyLlama", "Wanda"] == words(report)["TinyLlama", "Dense"] == "match"
    allowed = {(r["model"], r["method"]): r["allowed"] for r in report["published"]}
    # Half the width of the 95 % intervals is 1.
    assert allowed["TinyLlama", "Dense"] == pytest.approx(1 + 0.005, rel=1e-3)
    (changed,) = [one for one in report["deviations"] if one["about"].startswith("Option")]
    assert changed["here"] == "16."


def test_what_is_not_there_is_not_run_with_its_reason(run, tmp_path):
    dense, value = PUBLISHED["hub-tiny"]
    plant(tmp_path, "hub-tiny", (value, value), dense)
    outcome, report = run()
    assert outcome.code == 3
    assert words(report) == {
        ("TinyLlama", "Dense"): "match",
        ("TinyLlama", "Wanda"): "match",
        ("Llama-2-7B", "Dense"): "not run",
        ("Llama-2-7B", "Wanda"): "not run",
    }
    why = f"There is no result of it in {tmp_path / 'results'}."
    assert {row["reason"] for row in report["published"]} == {None, why}
    assert [len(one["not_run"]) for one in report["runs"]] == [1, 3]
    assert f"Not run, 4: {why}" in outcome.out


def test_an_accuracy_in_per_cent_is_scaled_and_tables_of_tasks_name_a_metric_a_column(
    run, tmp_path
):
    plant(tmp_path, "hub-tiny", (0.6363, 0.6363), 0.6107)
    suite = SUITE.replace('where = "Table 1"', 'where = "Table 2"').replace(
        'metric = "perplexity"\nmeasured = "perplexity"',
        'metric = "accuracy"\nscale = 100\nmeasured = { BoolQ = "perplexity" }',
    )
    _, report = run(suite=suite.replace('["TinyLlama", "Llama-2-7B"]', '"TinyLlama"'))
    assert words(report) == {("TinyLlama", "Dense"): "match", ("TinyLlama", "Wanda"): "match"}
    assert {row["data"] for row in report["published"]} == {"BoolQ"}


def test_the_report_in_markdown_has_everything(run, tmp_path):
    plant(tmp_path, "hub-tiny", (11.51, 11.52, 11.53), 7.98)
    outcome, report = run("--markdown", tmp_path / "report.md", "--model", "Llama-2-7B=/far/off")
    text = (tmp_path / "report.md").read_text()
    assert "Of 4 published numbers: 2 match, 0 differ, 2 not run." in text
    assert "| TinyLlama | WikiText-2 | 50\N{NO-BREAK SPACE}% | Wanda 11.52 ± 0.01 | mine |" in text
    assert "| TinyLlama | mine | wanda | 3 | KL divergence | 0: 0 · 0.5: 0.05 |" in text
    assert "Data. Paper: C4. Here: Less of it. Why: It is here." in text
    assert "Model Llama-2-7B. Paper: hub-seven. Here: off. Why: asked for with `--model`." in text
    assert "3 results were made by another state of the suite's code." in text
    assert "/far" not in text + outcome.out + json.dumps(report["deviations"])


def test_a_copy_of_the_weights_is_a_deviation(run, tmp_path):
    for seed in range(3):
        objective = "label-log-probability"
        made = make_result(
            "wanda", (8, 12), model="hub-tiny", seed=seed, label="4 bits", objective=objective
        )
        save(tmp_path / "results", made)
    _, report = run()
    assert [one["here"] for one in report["deviations"][1:]] == ["4 bits."]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Table 1"', '"Table 9"', "the literature has no perplexity from 'hatefi2025', 'Table 9'"),
        ("Wanda =", "Wander =", "Unknown method of the literature 'Wander'. Did you mean 'Wanda'?"),
        ('"mine" }', '"yours" }', "Unknown run of the suite 'yours'."),
        ("seeds = 3\n", "", "numbers with an error need `seeds`"),
    ],
)
def test_a_suite_that_names_what_is_not_published_is_refused(run, old, new, message):
    outcome, _ = run(suite=SUITE.replace(old, new))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('measured = "perplexity"', 'measured = "loss"', "Unknown metric 'loss'"),
        ('["kl"]', '["lk"]', "Unknown metric 'lk'"),
    ],
)
def test_a_number_that_was_not_measured_is_named(run, tmp_path, old, new, message):
    plant_all(tmp_path)
    outcome, _ = run("--markdown", tmp_path / "report.md", suite=SUITE.replace(old, new))
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_amount_that_was_not_measured_is_named(run, tmp_path):
    objective = "label-log-probability"
    made = make_result("wanda", amounts=(0.0, 0.4), model="hub-tiny", objective=objective)
    save(tmp_path / "results", made)
    outcome, _ = run(suite=SUITE.replace("[0.5]", "[0.4]"))
    assert outcome.code == 2
    assert "the run 'mine' does not measure at 0.5" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-suite"], "Unknown suite 'no-suite'"),
        (["quick"], "The suite quick repeats no paper; run it with `sparc3 run --suite quick`."),
        (["paper-circuits", "--model", "opt"], "Option 'opt' must have the form NAME=VALUE."),
        (["paper-circuits", "--model", "OPT-125=x"], "Did you mean 'OPT-125M'?"),
        (["paper-circuits", "--task-option", "test_cuont=1"], "Did you mean 'test_count'?"),
        (["paper-circuits", "--markdown", "results/a.md"], "A report must be a file in a folder"),
        (["paper-circuits", "--markdown", "."], "A report must be a file in a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_gets_one_sentence(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    outcome = sparc3(capsys, "replicate", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_not_put_among_the_results(capsys, tmp_path):
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "report.md"
    outcome = sparc3(
        capsys, "replicate", "paper-circuits", "--results", file.parent, "--markdown", file
    )
    assert outcome.code == 2
    assert "would be among the results" in outcome.err


def test_what_stood_before_samples_is_a_deviation(run, tmp_path):
    made = make_result("wanda", (7.98, 11.52), model="hub-tiny", objective="label-log-probability")
    begun = tuple(one.model_copy(update={"begin": ("<s>",)}) for one in made.spec.datasets)
    spec = made.spec.model_copy(update={"datasets": begun})
    save(tmp_path / "results", made.model_copy(update={"spec": spec, "key": spec.key}))
    _, report = run()
    (found,) = [one for one in report["deviations"] if "Beginning" in one["about"]]
    assert found["about"] == "Beginning of every window, compression on TinyLlama"
    assert found["here"] == "`<s>`, read and not scored."
