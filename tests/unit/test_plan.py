"""Plans: what is asked becomes runs with every default written out, or is refused at once."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from sparc3_scorers.gblm import Gblm

from sparc3_bench.errors import ModelError, Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host
from sparc3_bench.model.products import computes_in_bfloat16, precision, product_dtype
from sparc3_bench.run.again import request_of
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.objectives import objective_for, offered
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.resolve import checked_amounts
from sparc3_bench.run.results import check_writable
from sparc3_bench.run.steps.record import recorded
from sparc3_bench.testing.tiny import save_model, save_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 600, 1)
    save_text(folder / "evaluation.txt", 600, 2)
    return folder


def make_plan(folder: Path, *scorers: tuple[str, list[int]], **changes: Any) -> tuple[Cell, ...]:
    options = {
        "reference_text": str(folder / "reference.txt"),
        "evaluation_text": str(folder / "evaluation.txt"),
        "reference_length": "32",
        "evaluation_length": "32",
        "reference_windows": "3",
        "evaluation_windows": "4",
    }
    asked = {
        "scorers": scorers or [("wanda", [0])],
        "task": "compression",
        "model": str(folder / "llama"),
        "dtype": "float32",
        **changes,
        "task_options": {**options, **changes.get("task_options", {})},
    }
    return plan(Request(**asked), default_host(), folder / "cache")


def refused(**changes: Any) -> str:
    """Return why a request is refused; there is no model, so that must be found out before."""
    asked = {"scorers": [("wanda", [0])], "task": "compression", "model": "./nowhere", **changes}
    with pytest.raises(Sparc3Error) as caught:
        plan(Request(**asked), default_host(), Path("nowhere"))
    assert not isinstance(caught.value, ModelError)
    return str(caught.value)


SCORERS = [(name, [0]) for name in ("gblm", "fisher", "gradient", "magnitude")]


def test_each_scorer_gets_the_objective_that_it_is_defined_for(folder):
    cells = make_plan(folder, *SCORERS)
    label = "label-log-probability"
    assert [cell.spec.objective for cell in cells] == ["loss", label, label, None]
    cells = make_plan(folder, *SCORERS, objective="label-logit")
    assert [cell.spec.objective for cell in cells] == [*["label-logit"] * 3, None]
    request = Request(scorers=SCORERS, task="planted-circuit", model="planted-ioi")
    cells = plan(request, default_host(), folder / "cache")
    assert [cell.spec.objective for cell in cells] == ["loss", label, "logit-difference", None]


@pytest.mark.parametrize(
    ("asked", "warned"),
    [
        (None, []),
        ("label-logit", ["'gblm' is defined for objective 'loss'", "'fisher' is defined for"]),
    ],
)
def test_an_objective_that_a_scorer_is_not_defined_for_is_told_in_the_record(folder, asked, warned):
    made = make_plan(folder, *SCORERS, objective=asked)
    failed = {"points": (), "cost": {}, "status": "failed", "error": "Not run."}
    records = [recorded(cell, **failed) for cell in made]
    told = [text for record in records for text in record.warnings if "is defined for" in text]
    assert len(told) == len(warned)
    assert all(part in text for part, text in zip(warned, told, strict=True))


def test_a_task_with_an_objective_of_its_own_has_no_other_unless_it_says_so():
    class Own:
        default_objective = "own"
        objectives = ()

    assert offered(Own()) == ("own",)
    assert objective_for(Gblm(), Own()) == "own"
    Own.objectives = ("own", "loss")
    assert objective_for(Gblm(), Own()) == "loss"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([0.5], (0.0, 0.5)),
        ([0.5, 0, 0.2], (0.0, 0.2, 0.5)),
        ([0.3, 0.3], (0.0, 0.3)),
        ([-0.0, 0.3], (0.0, 0.3)),
        ([], (0.0,)),
        ([math.nextafter(1, 0)], (0.0, math.nextafter(1, 0))),
        ([1], (0.0, 1.0)),
    ],
)
def test_amounts_are_sorted_each_once_and_begin_at_zero(asked, expected):
    found = checked_amounts(asked)
    assert found == expected
    assert math.copysign(1, found[0]) == 1
    assert all(type(amount) is float for amount in found)


@pytest.mark.parametrize("amount", [1.2, -0.1, math.nan, math.inf, -math.inf])
def test_amount_outside_its_range_is_refused(amount):
    with pytest.raises(Sparc3Error, match=f"at least 0 and at most 1, got {amount:g}"):
        checked_amounts([0.2, amount])


def test_folder_that_can_be_made_is_not_made_by_checking(tmp_path):
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", [(), ("deeper",), ("much", "deeper")])
def test_folder_at_or_under_a_file_is_refused(tmp_path, below):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Sparc3Error) as caught:
        check_writable(file.joinpath(*below))
    assert f"{file} is a file" in str(caught.value)


def test_folder_relative_to_here_is_looked_for_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    check_writable(Path("results"))
    with pytest.raises(Sparc3Error, match=r"The folder file/results cannot be made"):
        check_writable(Path("file/results"))


def test_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(Sparc3Error, match="cannot be written to"):
        check_writable(tmp_path / "results")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scorers": [("wnda", [0])]}, "Unknown scorer 'wnda'. Did you mean 'wanda'?"),
        ({"task": "compresion"}, "Unknown task 'compresion'. Did you mean 'compression'?"),
        ({"unit": "neurons"}, "Unknown unit 'neurons'. Did you mean 'neuron'?"),
        ({"group": "rows"}, "Unknown group 'rows'. Did you mean 'row'?"),
        ({"schedule": "blocks"}, "Unknown schedule 'blocks'."),
        ({"scope": "attn"}, "Unknown scope 'attn'."),
        ({"dtype": "float16"}, "Unknown dtype 'float16'. Did you mean 'bfloat16'?"),
        ({"amounts": [0.1, 1.5]}, "got 1.5"),
        ({"unit": "neuron", "group": "row"}, "cannot rank units of 'neuron'"),
        ({"unit": "head", "group": "row"}, "cannot rank units of 'head'"),
        ({"schedule": "blockwise", "group": "model"}, "cannot rank the whole 'model' together"),
        ({"task_options": {"windows": "3"}}, "Unknown option of task 'compression' 'windows'."),
        ({"task_options": {"reference_windows": "0"}}, "greater than or equal to 1, got '0'"),
        ({"task_options": {"evaluation_length": "1"}}, "greater than or equal to 2, got '1'"),
        ({"scorer_options": {"aggregation": "token-abs"}}, "Unknown scorer option 'aggregation'"),
        ({"scorer_options": {"lrp.variant": "cp-lrp"}}, "Unknown scorer option 'lrp.variant'"),
        ({"scorer_options": {"wanda.power": "2"}}, "'power'"),
    ],
    ids=str,
)
def test_wrong_request_is_refused_before_the_model_is_looked_for(changes, expected):
    assert expected in refused(**changes)


def test_option_that_only_one_of_several_scorers_has_is_accepted(folder):
    made = make_plan(
        folder,
        ("wanda", [0]),
        ("gradient", [0]),
        ("lrp", [0]),
        scorer_options={"aggregation": "token-rms", "lrp.variant": "cp-lrp"},
    )
    wanda, gradient, lrp = (cell.spec.scorer.options for cell in made)
    assert wanda == {}
    assert gradient == {
        "aggregation": "token-rms",
        "times_weight": True,
        "standard_error": False,
        "by_sample": False,
    }
    assert lrp["aggregation"] == "token-rms"
    assert lrp["variant"] == "cp-lrp"


def test_spec_has_every_default_written_out(folder):
    (cell,) = make_plan(folder)
    spec = cell.spec
    assert (spec.unit, spec.group, spec.schedule, spec.scope) == (
        "weight",
        "row",
        "one-shot",
        "all",
    )
    assert spec.amounts == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    assert spec.objective == "label-log-probability"
    assert spec.task.options["allow_overlap"] is False
    assert spec.task.task_version == 1
    assert (spec.model.id, spec.model.slug, spec.model.adapter) == ("llama", "llama", "llama")
    assert [d.purpose for d in spec.datasets] == ["reference", "evaluation"]
    assert [d.windows for d in spec.datasets] == [3, 4]
    assert str(folder) not in spec.model_dump_json(exclude={"task"})


@pytest.mark.parametrize("unit", ["neuron", "head"])
def test_units_are_ranked_by_layer_unless_chosen(folder, unit):
    assert make_plan(folder, unit=unit)[0].spec.group == "layer"
    assert make_plan(folder, unit=unit, group="model")[0].spec.group == "model"


def test_scorer_without_a_reference_has_neither_objective_nor_reference_text(folder):
    spec = make_plan(folder, ("magnitude", [0]))[0].spec
    assert spec.objective is None
    assert [d.purpose for d in spec.datasets] == ["evaluation"]


def test_one_cell_a_seed_in_the_order_asked_and_each_with_a_key_of_its_own(folder):
    cells = make_plan(folder, ("random", [2, 0]), ("wanda", [1, 0]))
    named = [(cell.spec.scorer.name, cell.spec.seed) for cell in cells]
    assert named == [("random", 2), ("random", 0), ("wanda", 1), ("wanda", 0)]
    assert len({cell.spec.key for cell in cells}) == 4


def test_seed_draws_the_reference_and_leaves_the_evaluation(folder):
    one, other, again = (
        make_plan(folder, ("wanda", [seed]))[0].spec.datasets for seed in (0, 1, 0)
    )
    assert one == again
    assert one[0].token_digest != other[0].token_digest
    assert one[1] == other[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "head"},
        {"group": "model"},
        {"schedule": "blockwise"},
        {"scope": "mlp"},
        {"amounts": [0.1]},
        {"objective": "loss"},
        {"dtype": "bfloat16"},
        {"task_options": {"evaluation_windows": "5"}},
    ],
    ids=str,
)
def test_whatever_moves_a_number_moves_the_key(folder, changes):
    keys = {make_plan(folder, **asked)[0].spec.key for asked in ({}, {}, changes)}
    assert len(keys) == 2


def test_products_are_taken_in_the_models_format_unless_a_record_says_otherwise(folder):
    scorers = [("lrp", [0]), ("magnitude", [0]), ("wanda", [0])]
    cells = make_plan(folder, *scorers, dtype="bfloat16")
    own = product_dtype("bfloat16", "cpu")
    assert own == ("bfloat16" if computes_in_bfloat16() and precision() else "float32")
    assert [cell.spec.product_dtype for cell in cells] == [own, "float32", "float32"]
    before = cells[0].spec.model_copy(update={"product_dtype": "float32"})
    assert "product_dtype" not in before.model_dump(mode="json")
    rounded = before.model_copy(update={"product_dtype": "bfloat16"})
    assert rounded.key != before.key
    assert rounded.question == before.question
    (again,) = make_plan(folder, scorers[0], dtype="bfloat16", product_dtype=before.product_dtype)
    assert again.spec.key == before.key
    # Records of before may have one where none was taken.
    (noted,) = make_plan(folder, scorers[2], dtype="bfloat16", product_dtype="bfloat16")
    assert noted.spec.product_dtype == "bfloat16"
    again = request_of(before, None, default_host(), [folder])
    assert again.product_dtype == "float32"


@pytest.mark.parametrize("scorer", ["wanda", "magnitude"])
def test_unknown_objective_is_refused(folder, scorer):
    with pytest.raises(UnknownNameError, match="Did you mean 'loss'"):
        make_plan(folder, (scorer, [0]), objective="los")
