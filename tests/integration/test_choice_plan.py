"""What is asked of a run that counts units: defaults by unit, amounts, scopes, judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from integration.tabled import TABLE, Table, host, made, run, whole

from sparc3_bench.errors import ModelError, Sparc3Error
from sparc3_bench.run.plan import Request, Shared, plan
from sparc3_bench.selection.units import count_units
from sparc3_bench.testing.tiny import make_view, save_model
from sparc3_bench.types.architecture import Role

GROUP = "A count of units is taken from the whole model; choose `--group model`, or give fractions."
COUNT = "A count of units must be a whole number from 0 on, got {}."
FRACTION = "Sparsity must be at least 0 and at most 1, got {}."
BLOCKWISE = (
    "Schedule 'blockwise' decides one block after the other and cannot count units of the whole "
    "model; give fractions, or choose schedule 'one-shot'."
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("plans") / "llama")


@pytest.fixture(autouse=True)
def table() -> Table:
    """Return a fresh table, in which less is left of a score the more is removed."""
    TABLE.__dict__.update(Table(score=lambda case: max(0, 0.5 - case.count / 10)).__dict__)
    return TABLE


@pytest.mark.parametrize(
    ("asked", "amounts", "kind", "group"),
    [
        ({"unit": "neuron"}, (0, 1, 2, 4), "count", "model"),
        ({"unit": "neuron", "group": "model"}, (0, 1, 2, 4), "count", "model"),
        ({"unit": "neuron", "amount_kind": "count"}, (0, 1, 2, 4), "count", "model"),
        ({"unit": "neuron", "removal": "highest"}, (0, 1, 2, 4), "count", "model"),
        ({"unit": "head"}, (0, 1), "count", "model"),
        # There are no counts of weights, so fractions are the default.
        ({"unit": "weight"}, (0, 0.05, 0.1), "fraction", "row"),
        ({"unit": "weight", "group": "layer"}, (0, 0.05, 0.1), "fraction", "layer"),
        ({"unit": "weight", "removal": "highest"}, (0, 0.9, 0.95, 1), "fraction", "row"),
        # Amounts that are given are fractions unless they are said to be counts.
        ({"unit": "neuron", "amounts": [0.5]}, (0, 0.5), "fraction", "layer"),
        ({"unit": "neuron", "amounts": [1, 0.5]}, (0, 0.5, 1), "fraction", "layer"),
        ({"unit": "neuron", "amount_kind": "fraction"}, (0, 0.05, 0.1), "fraction", "layer"),
        ({"amounts": [7, 3], "amount_kind": "count"}, (0, 3, 7), "count", "model"),
        (
            {"unit": "weight", "amounts": [9], "amount_kind": "count"},
            (0, 9),
            "count",
            "model",
        ),
    ],
    ids=str,
)
def test_defaults_follow_from_the_unit(model, asked, amounts, kind, group):
    spec = made(model, **asked)[0].spec
    assert (spec.amounts, spec.amount_kind, spec.group) == (amounts, kind, group)
    assert all(type(amount) is float for amount in spec.amounts)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"group": "layer"}, GROUP),
        ({"group": "layer", "amounts": [2], "amount_kind": "count"}, GROUP),
        ({"unit": "weight", "group": "row", "amounts": [2], "amount_kind": "count"}, GROUP),
        (
            {"unit": "weight", "amount_kind": "count"},
            "Counts of units must be given; name them with `--amounts`.",
        ),
        ({"amounts": [0.5], "amount_kind": "count"}, COUNT.format("0.5")),
        ({"amounts": [-1], "amount_kind": "count"}, COUNT.format("-1")),
        ({"amounts": [float("inf")], "amount_kind": "count"}, COUNT.format("inf")),
        ({"amounts": [5]}, FRACTION.format("5")),
        ({"amounts": [0.2, 1.5], "amount_kind": "fraction"}, FRACTION.format("1.5")),
        ({"schedule": "blockwise"}, BLOCKWISE),
        ({"schedule": "blockwise", "amounts": [2], "amount_kind": "count"}, BLOCKWISE),
        (
            {"schedule": "blockwise", "amounts": [0.2], "amount_kind": "fraction"},
            "Task 'tabled' chooses between amounts that were scored once; leave schedule "
            "'blockwise' out.",
        ),
        ({"amount_kind": "counts"}, "Unknown amount kind 'counts'. Did you mean 'count'?"),
        ({"scope": "mlp-input"}, "Unknown scope 'mlp-input'. Did you mean 'mlp-in"),
        ({"judge": "tabel"}, "Unknown judge 'tabel'. Did you mean 'table'?"),
        ({"judge_options": {"strict": "1"}}, "Unknown option of judge 'table' 'strict'."),
        ({"ablation": "resample"}, "which task 'tabled' does not have; choose 'zero' or 'mean'."),
        (
            {"task": "compression", "unit": "weight", "judge": "table"},
            "In task 'compression' there are no texts to judge; leave `--judge` out.",
        ),
        (
            {"task": "compression", "unit": "weight", "judge_options": {"a": "b"}},
            "In task 'compression' there are no texts to judge; leave `--judge` out.",
        ),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused_in_one_sentence(model, asked, expected):
    with pytest.raises(Sparc3Error) as caught:
        made(model, **asked)
    assert str(caught.value).startswith(expected) or str(caught.value).endswith(expected)
    assert "\n" not in str(caught.value)


def test_more_units_than_there_are_are_refused_before_anything_is_computed(model):
    with pytest.raises(Sparc3Error) as caught:
        made(model, amounts=[144, 145], amount_kind="count")
    assert str(caught.value) == "145 units of 'neuron' cannot be removed: the scope has 144."
    assert len(made(model, amounts=[144], amount_kind="count")) == 1


def test_judge_is_loaded_once_for_several_plans_and_is_in_the_spec(model):
    shared = Shared()
    names = ("table", None, "mild")
    cells = [
        plan(
            Request(
                scorers=[("magnitude", [0])],
                task="tabled",
                model=str(model),
                unit="neuron",
                judge=name,
            ),
            host(),
            model.parent / "a",
            shared,
        )[0]
        for name in names
    ]
    assert cells[0].judge is cells[1].judge is not cells[2].judge
    refs = [cell.spec.judge for cell in cells]
    assert [ref.name for ref in refs] == ["table", "table", "mild"]
    assert len({ref.weights_digest for ref in refs}) == 2
    assert len({cell.spec.key for cell in cells}) == 2


def test_judge_is_refused_before_the_model_is_looked_for():
    def refused(**asked: Any) -> Sparc3Error:
        request = Request(
            scorers=[("magnitude", [0])], task="tabled", model="./nowhere", unit="neuron", **asked
        )
        with pytest.raises(Sparc3Error) as caught:
            plan(request, host(), Path("nowhere"))
        return caught.value

    assert not isinstance(refused(judge="tabel"), ModelError)
    assert isinstance(refused(judge="mild"), ModelError)


SCOPES = {
    "mlp-in": (Role.UP, Role.GATE),
    "mlp-out": (Role.DOWN,),
    "mlp": (Role.UP, Role.GATE, Role.DOWN),
}


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_within_the_mlp_have_their_matrices(architecture, scope):
    view, whole = make_view(architecture, scope=scope), make_view(architecture)
    expected = [name for name, weight in whole.weights().items() if weight.role in SCOPES[scope]]
    assert list(view.weights()) == expected
    of_block = {"mlp-in": 1, "mlp-out": 1, "mlp": 2}[scope]
    if architecture == "llama" and scope != "mlp-out":
        of_block += 1  # the gate
    assert len(expected) == of_block * len(view.blocks)
    assert count_units(view, "weight") == sum(
        weight.matrix.numel() for weight in view.weights().values()
    )
    hidden = {"llama": 48, "gpt2": 64, "opt": 64}[architecture]
    if scope == "mlp-out":
        with pytest.raises(Sparc3Error) as caught:
            count_units(view, "neuron")
        assert str(caught.value) == (
            "The scope has no unit of 'neuron'; neurons need scope 'all', 'mlp' or 'mlp-in', heads "
            "'all' or 'attention', blocks 'all', 'attention' or 'mlp'."
        )
    else:
        assert count_units(view, "neuron") == hidden * len(view.blocks)
    with pytest.raises(Sparc3Error, match="The scope has no unit of 'head'"):
        count_units(view, "head")


@pytest.mark.parametrize(("scope", "columns"), [("mlp", 1), ("mlp-in", 0)])
def test_neuron_takes_along_what_of_it_is_in_scope(model, tmp_path, scope, columns):
    result = whole(run(model, tmp_path, scope=scope, task_options={"reverse": "false"}))
    for count, point in zip((0, 1, 2, 4), result.points, strict=True):
        assert point.amount.units_removed == count
        assert point.amount.weights_removed == count * 32 * (2 + columns)
        assert set(point.kept) == {"up", "gate", *(["down"] if columns else [])}


def test_neurons_rank_alike_in_both_scopes_and_none_is_in_the_way_out(model, tmp_path):
    levels = {
        scope: whole(run(model, tmp_path, scope=scope)).sketch.levels
        for scope in ("all", "mlp", "mlp-in")
    }
    assert len(set(levels.values())) == 1
    with pytest.raises(Sparc3Error, match="The scope has no unit of 'neuron'"):
        run(model, tmp_path, scope="mlp-out")
