"""Scorers that combine others in runs: their scores are steps of their own, made once for all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import sparc3_bench as sb
from sparc3_bench.host import default_host
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.combined import Combined, scores_of
from sparc3_bench.run.steps.score import Score
from sparc3_bench.testing.tiny import make_model, make_view

README = Path(__file__).resolve().parents[2] / "plugins/README.md"


class Product(sb.CombinedScorer):
    """Two scores multiplied: a stranger's scorer of others."""

    name = "product"
    title = "Product"

    @property
    def scorers(self) -> tuple[str, ...]:
        return ("wanda", "gradient")

    def combine(self, lent):
        return lent["wanda"] * lent["gradient"]


class OfProduct(Product):
    name = "of-product"
    title = "Of a product"

    @property
    def scorers(self) -> tuple[str, ...]:
        return ("wanda", "ensemble")


def options(three) -> dict[str, str]:
    texts = {f"{name}_text": str(three / f"{name}.txt") for name in ("reference", "evaluation")}
    sizes = {"reference_length": 24, "evaluation_length": 24, "reference_windows": 3}
    return {**texts, **{n: str(v) for n, v in sizes.items()}, "evaluation_windows": "4"}


def run(three, scorer="ensemble", model="llama", **asked):
    return sb.run(
        scorer,
        model=str(three / model),
        task_options=options(three),
        results=three / "results",
        cache=three / "cache",
        **{"amounts": (0.5,), **asked},
    )


def planned(three, scorer="ensemble", **asked):
    request = Request(
        scorers=[(scorer, [0])],
        task="compression",
        model=str(three / "llama"),
        dtype="float32",
        task_options=options(three),
        **asked,
    )
    return plan(request, default_host(), three / "cache")[0]


def test_the_others_are_steps_that_their_own_runs_share(three):
    cell, alone = planned(three), planned(three, "lrp")
    step = scores_of(cell, "task")
    assert isinstance(step, Combined)
    shared = {one.cell.scorer.name: one for one in step.inputs["lent"]}
    assert list(shared) == ["wanda", "gradient", "lrp"]
    assert shared["lrp"].key == Score(alone, "task").key
    assert scores_of(alone, "task").key == Score(alone, "task").key
    place = Place(three / "cache", Reporter())
    place.turn_to(cell, "ensemble")
    found = place.get(step)
    (reference,) = cell.references(None).values()
    expected = cell.scorer.score(make_view("llama"), reference)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("memory", [None, 1000])
@pytest.mark.parametrize("model", ["llama", "gpt2", "opt"])
def test_by_row_over_the_model_and_block_by_block(three, model, memory):
    asked = {"memory": memory} if memory else {}
    for group in ("row", "model", "2:4"):
        (result,) = run(three, model=model, group=group, **asked)
        assert result.status == "ok", result.error
        assert {"scorer wanda", "scorer gradient", "scorer lrp"} <= result.spec.code.keys()
    for unit in ("neuron", "head"):
        (result,) = run(three, model=model, unit=unit, **asked)
        assert result.status == "ok", result.error


def test_an_allocation_may_look_at_one_and_its_code_is_recorded_for_its_own_runs(three):
    ensemble, wanda = run(three, ["ensemble", "wanda"], group="row")
    assert "scorer lrp" in ensemble.spec.code
    assert not any(name.startswith("scorer ") for name in wanda.spec.code)
    (result,) = run(three, "wanda", group="row", allocation="borrowed:between=ensemble")
    assert result.status == "ok", result.error


def test_a_strangers_is_scored_in_memory_and_in_runs(three):
    model, ids = make_model("llama"), torch.randint(3, 40, (4, 16)).tolist()
    one = {n: sb.score(model, scorer=n, reference=ids) for n in ("wanda", "gradient")}
    found = sb.score(model, scorer=Product, reference=ids)
    for name, values in found.items():
        assert torch.equal(values, one["wanda"][name] * one["gradient"][name])
    (result,) = run(three, Product)
    assert result.status == "ok", result.error


@pytest.mark.parametrize(
    ("scorer", "asked", "told"),
    [
        ("ensemble", {"schedule": "blockwise"}, "combines scores of the dense model"),
        ("ensemble", {"scorer_options": {"of": "wanda+nothing"}}, "Unknown scorer 'nothing'"),
        (OfProduct, {}, "is combined of 'ensemble', which combines scores itself"),
    ],
)
def test_what_cannot_be_is_refused(three, scorer, asked, told):
    with pytest.raises(sb.Sparc3Error, match=told):
        run(three, scorer, **asked)
