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
from sparc3_bench.testing.tiny import make_model, make_tokenizer, make_view, save_text

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("combined")
    for architecture in ("llama", "gpt2", "opt"):
        make_model(architecture).save_pretrained(folder / architecture)
        make_tokenizer().save_pretrained(folder / architecture)
    save_text(folder / "reference.txt", 600, 1)
    save_text(folder / "evaluation.txt", 600, 2)
    return folder


def options(folder) -> dict[str, str]:
    texts = {f"{name}_text": str(folder / f"{name}.txt") for name in ("reference", "evaluation")}
    sizes = {"reference_length": 24, "evaluation_length": 24, "reference_windows": 3}
    return {**texts, **{n: str(v) for n, v in sizes.items()}, "evaluation_windows": "4"}


def run(folder, scorer="ensemble", model="llama", **asked):
    return sb.run(
        scorer,
        model=str(folder / model),
        task_options=options(folder),
        results=folder / "results",
        cache=folder / "cache",
        **{"amounts": (0.5,), **asked},
    )


def planned(folder, scorer="ensemble", **asked):
    request = Request(
        scorers=[(scorer, [0])],
        task="compression",
        model=str(folder / "llama"),
        dtype="float32",
        task_options=options(folder),
        **asked,
    )
    return plan(request, default_host(), folder / "cache")[0]


def test_the_others_are_steps_that_their_own_runs_share(folder):
    cell, alone = planned(folder), planned(folder, "lrp")
    step = scores_of(cell, "task")
    assert isinstance(step, Combined)
    shared = {one.cell.scorer.name: one for one in step.inputs["lent"]}
    assert list(shared) == ["wanda", "gradient", "lrp"]
    assert shared["lrp"].key == Score(alone, "task").key
    assert scores_of(alone, "task").key == Score(alone, "task").key
    place = Place(folder / "cache", Reporter())
    place.turn_to(cell, "ensemble")
    found = place.get(step)
    (reference,) = cell.references(None).values()
    expected = cell.scorer.score(make_view("llama"), reference)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("memory", [None, 1000])
@pytest.mark.parametrize("model", ["llama", "gpt2", "opt"])
def test_by_row_over_the_model_and_block_by_block(folder, model, memory):
    asked = {"memory": memory} if memory else {}
    for group in ("row", "model", "2:4"):
        (result,) = run(folder, model=model, group=group, **asked)
        assert result.status == "ok", result.error
        assert {"scorer wanda", "scorer gradient", "scorer lrp"} <= result.spec.code.keys()
    for unit in ("neuron", "head"):
        (result,) = run(folder, model=model, unit=unit, **asked)
        assert result.status == "ok", result.error


def test_an_allocation_may_look_at_one_and_its_code_is_recorded_for_its_own_runs(folder):
    ensemble, wanda = run(folder, ["ensemble", "wanda"], group="row")
    assert "scorer lrp" in ensemble.spec.code
    assert not any(name.startswith("scorer ") for name in wanda.spec.code)
    (result,) = run(folder, "wanda", group="row", allocation="borrowed:between=ensemble")
    assert result.status == "ok", result.error


def test_a_strangers_is_scored_in_memory_and_in_runs(folder):
    model, ids = make_model("llama"), torch.randint(3, 40, (4, 16)).tolist()
    one = {n: sb.score(model, scorer=n, reference=ids) for n in ("wanda", "gradient")}
    found = sb.score(model, scorer=Product, reference=ids)
    for name, values in found.items():
        assert torch.equal(values, one["wanda"][name] * one["gradient"][name])
    (result,) = run(folder, Product)
    assert result.status == "ok", result.error


@pytest.mark.parametrize(
    ("scorer", "asked", "told"),
    [
        ("ensemble", {"schedule": "blockwise"}, "combines scores of the dense model"),
        ("ensemble", {"scorer_options": {"of": "wanda+nothing"}}, "Unknown scorer 'nothing'"),
        (OfProduct, {}, "is combined of 'ensemble', which combines scores itself"),
    ],
)
def test_what_cannot_be_is_refused(folder, scorer, asked, told):
    with pytest.raises(sb.Sparc3Error, match=told):
        run(folder, scorer, **asked)
