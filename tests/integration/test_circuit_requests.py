"""What is asked of circuits: counts, blocks in turn, keys of their own, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from integration.answers import Answers, PreparedAnswers, made, numbers, run, whole

from sparc3_bench import Bar, Evaluation
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.testing.tiny import make_view, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("requests") / "llama")


def refused(model: Path, *scorers: Any, **asked: Any) -> str:
    with pytest.raises(Sparc3Error) as caught:
        made(model, *(scorers or ("wanda",)), **asked)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"task": "plain", "ablation": "resample"},
            "Ablation 'resample' reads the inputs of corrupted prompts, which task 'plain' does "
            "not have; choose 'zero' or 'mean'.",
        ),
        ({"ablation": "nil"}, "Unknown ablation 'nil'."),
        ({"ablation": "means"}, "Unknown ablation 'means'. Did you mean 'mean'?"),
        ({"removal": "high"}, "Unknown removal 'high'. Did you mean 'highest'?"),
        ({"removal": "both"}, "Unknown removal 'both'."),
        (
            {"task": "plain", "amount_kind": "count", "amounts": [1, 2], "group": "layer"},
            "A count of units is taken from the whole model; choose `--group model`",
        ),
        (
            {"task": "plain", "amount_kind": "count", "amounts": [1, 2], "group": "row"},
            "A count of units is taken from the whole model; choose `--group model`",
        ),
        (
            {"task": "plain", "amount_kind": "count", "group": "model"},
            "Counts of units must be given; name them with `--amounts`.",
        ),
        (
            {"task": "plain", "amount_kind": "count", "group": "model", "amounts": [0.5]},
            "A count of units must be a whole number from 0 on, got 0.5.",
        ),
        (
            {"task": "plain", "amount_kind": "count", "amounts": [1, 13], "unit": "head"},
            "13 units of 'head' cannot be removed: the scope has 12.",
        ),
        (
            {"amount_kind": "count", "group": "model", "amounts": [3]},
            "Task 'answers' measures up to the model without its scope and takes fractions",
        ),
        ({"amounts": [0.5, 1.5]}, "Sparsity must be at least 0 and at most 1, got 1.5."),
        (
            {"unit": "head", "group": "row"},
            "cannot rank units of 'head'; choose 'layer' or 'model'",
        ),
        ({"schedule": "blockwise", "group": "model"}, "cannot rank the whole 'model' together"),
        *(
            ({"schedule": "blockwise", **asked}, f"{way}, or choose schedule 'one-shot'.")
            for asked, way in (
                ({"ablation": "mean"}, "read zero; choose ablation 'zero'"),
                ({"ablation": "resample"}, "read zero; choose ablation 'zero'"),
                ({"removal": "highest"}, "choose removal 'lowest'"),
                ({"stability_seeds": 1}, "ask for no stability seeds"),
            )
        ),
    ],
    ids=str,
)
def test_request_that_makes_no_sense_is_refused_in_one_sentence(model, asked, expected):
    assert expected in refused(model, **asked)


@pytest.mark.parametrize(
    "asked", [{"controls": -1}, {"controls": 1001}, {"stability_seeds": -1}], ids=str
)
def test_number_of_controls_or_seeds_out_of_range_is_refused_in_one_sentence(model, asked):
    refused(model, **asked)


def test_unknown_kind_of_amounts_is_refused_in_one_sentence(model):
    assert "Unknown" in refused(model, task="plain", amount_kind="counts", amounts=[1])


@pytest.mark.parametrize(
    "asked",
    [
        {"ablation": "mean"},
        {"ablation": "resample"},
        {"removal": "highest"},
        {"controls": 1},
        {"stability_seeds": 1},
        {"amounts": [0.5]},
    ],
    ids=str,
)
def test_whatever_moves_a_number_moves_the_key(model, asked):
    keys = {made(model, "wanda", **changes)[0].spec.key for changes in ({}, {}, asked)}
    assert len(keys) == 2


def test_kind_of_amounts_moves_the_key(model):
    asked = {"task": "plain", "group": "model", "amounts": [1]}
    keys = {made(model, "wanda", **asked, amount_kind=k)[0].spec.key for k in ("fraction", "count")}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, (0.0, 0.3, 0.7, 1.0)),
        ({"amounts": [0.2]}, (0.0, 0.2, 1.0)),
        ({"amounts": []}, (0.0, 1.0)),
        ({"amounts": [1]}, (0.0, 1.0)),
        ({"task": "plain"}, (0.0, 0.3, 0.7)),
        ({"task": "plain", "removal": "highest"}, (0.0, 0.3, 0.7, 1.0)),
        ({"task": "plain", "removal": "highest", "amounts": [0.1]}, (0.0, 0.1)),
    ],
    ids=str,
)
def test_amounts_have_the_ends_that_the_task_needs(model, asked, expected):
    assert made(model, "wanda", **asked)[0].spec.amounts == expected


def test_mean_ablation_makes_the_reference_part_of_every_record(model):
    plain, mean = (made(model, "magnitude", ablation=a)[0].spec for a in ("zero", "mean"))
    assert [dataset.purpose for dataset in plain.datasets] == ["test"]
    assert [dataset.purpose for dataset in mean.datasets] == ["reference", "test"]
    assert mean.objective is None


@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize("unit", ["weight", "neuron", "head"])
def test_counts_remove_exactly_so_many_units(model, tmp_path, unit, removal):
    asked = {"amount_kind": "count", "group": "model", "amounts": [1, 7], "controls": 1}
    (result,) = run(model, tmp_path, "wanda", task="plain", unit=unit, removal=removal, **asked)
    assert result.status == "ok", result.error
    assert result.spec.amounts == (0, 1, 7)
    assert [point.amount.requested for point in result.points] == [0, 1, 7]
    assert [point.amount.units_removed for point in result.points] == [0, 1, 7]
    width = {"weight": 1, "neuron": 3 * 32, "head": 8 * 32}[unit]
    assert [point.amount.weights_removed for point in result.points] == [0, width, 7 * width]


def test_blockwise_curve_ends_where_one_shot_ends(model, tmp_path):
    at_once, by_block = (
        run(model, tmp_path / s, "wanda", schedule=s)[0] for s in ("one-shot", "blockwise")
    )
    assert by_block.status == "ok", by_block.error
    assert by_block.spec.amounts == (0.0, 0.3, 0.7, 1.0)
    assert by_block.points[0] == at_once.points[0]
    assert by_block.points[-1] == at_once.points[-1]
    assert by_block.points[1].samples != at_once.points[1].samples
    assert [point.metrics["faithfulness"] for point in by_block.points[::3]] == [1, 0]
    assert by_block.curve["area"].low is not None
    assert by_block.warnings == ("The dense model is at 1.",)
    assert (by_block.sketch, by_block.stability) == (None, ())


def test_number_that_is_not_finite_fails_the_run_in_one_sentence(model, tmp_path, monkeypatch):
    plain = PreparedAnswers.evaluate

    def evaluate(self, view, dense, progress) -> Evaluation:
        found = plain(self, view, dense, progress)
        return found if dense is None else Evaluation({"x": [float("inf")] * 4})

    monkeypatch.setattr(PreparedAnswers, "evaluate", evaluate)
    (result,) = run(model, tmp_path, "wanda", task="plain")
    assert (result.status, result.points) == ("failed", ())
    assert result.error == (
        "Sparc3Error: The metric 'likelihood' at amount 0.3 is not finite; the samples of the task "
        "overflow it."
    )


def test_task_without_a_bar_looks_for_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr(Answers, "bar", None)
    (result,) = run(model, tmp_path, "wanda")
    assert result.found is None
    assert "search" not in result.cost


@pytest.mark.parametrize(("bar", "amount"), [(-1e9, 0.999), (2.0, 0.0)])
def test_bar_that_all_or_none_reach_gives_an_end(model, tmp_path, monkeypatch, bar, amount):
    monkeypatch.setattr(Answers, "bar", Bar("faithfulness", bar, "Bar"))
    (result,) = run(model, tmp_path, "magnitude")
    assert result.status == "ok", result.error
    assert result.found.point.amount.requested == amount


def test_points_say_what_is_kept_by_role_and_block(model, tmp_path):
    (result,) = run(
        model, tmp_path, "wanda", task="plain", unit="neuron", group="layer", amounts=[0.5]
    )
    shapes = {str(w.role): w.matrix.numel() for w in make_view("llama").weights().values()}
    whole, half = (point.kept for point in result.points)
    assert whole == {role: (size,) * 3 for role, size in shapes.items()}
    mlp = ("gate", "up", "down")
    assert half == {
        role: (size // 2 if role in mlp else size,) * 3 for role, size in shapes.items()
    }


def test_circuits_are_the_same_when_the_scores_come_from_the_cache(model, tmp_path):
    first, again = (whole(run(model, tmp_path, "wanda", task="plain"))[0] for _ in range(2))
    assert numbers(first) == numbers(again)
    assert first.sketch == again.sketch


def test_likeness_is_the_same_when_one_of_the_rankings_comes_from_the_cache(model, tmp_path):
    asked = {"task": "plain", "stability_seeds": 1}
    (alone,) = whole(run(model, tmp_path / "a", ("wanda", [1]), **asked))
    _, after = whole(run(model, tmp_path / "b", ("wanda", [0, 1]), **asked))
    assert after.stability[0].spearman == pytest.approx(alone.stability[0].spearman, abs=1e-6)


def test_a_count_without_a_group_is_of_the_whole_model(model):
    asked = {"task": "plain", "amount_kind": "count", "amounts": [1]}
    assert made(model, "wanda", **asked)[0].spec.group == "model"
