"""Runs of task `attribution-sanity` on a tiny model: planted facts, numbers by hand, resumed."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from integration.installing import host_with
from scipy.stats import spearmanr
from sparc3_tasks.attribution_sanity.checks import CHECKS
from sparc3_tasks.attribution_sanity.prepared import PreparedSanity, permuted
from sparc3_tasks.attribution_sanity.untrained import SEED
from transformers import AutoModelForCausalLM

from sparc3_bench import ModelView, ReferenceSamples, Scorer, Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import save_model, save_text

NAMES = [check.name for check in CHECKS]
WINDOWS, LENGTH = 4, 24


class Keyed(Scorer):
    """Noise that depends on all there is: the worst scorer that passes every randomisation."""

    name, title = "keyed", "Keyed"
    stops_at: ClassVar[str | None] = None
    seen: ClassVar[list[str]] = []

    def score(self, model: ModelView, reference: ReferenceSamples) -> Any:
        state = [p.detach().double().sum().item() for p in model.model.parameters()]
        content = [state, reference.digest]
        Keyed.seen.append(reference.variant or str(reference.alteration))
        if Keyed.stops_at is not None and Keyed.stops_at in Keyed.seen[-1]:
            raise KeyboardInterrupt
        return noise(model, content)


class Blind(Scorer):
    """Noise that depends on the samples alone, and so never on the model."""

    name, title = "blind", "Blind"

    def score(self, model: ModelView, reference: ReferenceSamples) -> Any:
        return noise(model, reference.samples)


def noise(model: ModelView, content: object) -> dict[str, torch.Tensor]:
    seed = int(hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12], 16)
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.rand(w.matrix.shape, generator=generator) for n, w in model.weights().items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sanity")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 600, 1)
    save_text(folder / "evaluation.txt", 200, 2)
    return folder


def made(folder: Path, *scorers: str | tuple[str, list[int]], **asked: Any) -> tuple[Cell, ...]:
    host = host_with("sane", scorers=[Keyed, Blind])
    options = {
        "reference_text": folder / "reference.txt",
        "evaluation_text": folder / "evaluation.txt",
        "reference_windows": WINDOWS,
        "reference_length": LENGTH,
        "evaluation_length": LENGTH,
        **asked.pop("task_options", {}),
    }
    request = Request(
        scorers=[(name, [0]) if isinstance(name, str) else name for name in scorers],
        task="attribution-sanity",
        model=str(folder / "llama"),
        dtype="float32",
        task_options={name: str(value) for name, value in options.items()},
        **asked,
    )
    return plan(request, host, folder / "assets")


def weights(place: Place, cell: Cell) -> dict[str, torch.Tensor]:
    """Return the weights as they are now, of the model that is in memory."""
    place.turn_to(cell, "")
    state = place.get(DenseModel(cell)).model.state_dict()
    return {name: value.clone() for name, value in state.items()}


def run(folder: Path, cache: Path, *scorers: Any, **asked: Any) -> list[Result]:
    cells, place = made(folder, *scorers, **asked), Place(cache, Reporter())
    before = weights(place, cells[0])
    results = [run_cell(cell, place, cell.scorer.name)[0] for cell in cells]
    after = weights(place, cells[0])
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert [(result.status, result.error) for result in results] == [("ok", None)] * len(results)
    return results


def spearmans(result: Result) -> list[float]:
    return [result.curve[f"{name}_spearman"].value for name in NAMES]


def notes(result: Result) -> dict[str, str]:
    return {n: result.curve[f"{n}_spearman"].note.removeprefix("does not use ") for n in NAMES}


def test_planted_facts(folder, tmp_path):
    scorers = ("keyed", "blind", "magnitude", "wanda", "gradient", ("random", [0, 1]))
    found = {r.spec.scorer.name: r for r in run(folder, tmp_path, *scorers)}
    # Order: later, model, labels, references, objective.
    expected = {
        "keyed": [0, 0, 0, 0, 0],
        "blind": [1, 1, 1, 0, 1],
        "random": [1, 1, 1, 0, 1],
        "magnitude": [1, 0, 1, 1, 1],
    }
    for name, numbers in expected.items():
        assert spearmans(found[name]) == pytest.approx(numbers, abs=0.06), name
        overlaps = [found[name].curve[f"{check}_overlap"].value for check in NAMES]
        assert overlaps == pytest.approx([n or 1 / 3 for n in numbers], abs=0.03), name
    unused = {
        "later": "later blocks",
        "model": "the model",
        "labels": "labels",
        "references": "reference samples",
        "objective": "the objective",
    }
    assert set(notes(found["keyed"]).values()) == {""}
    assert notes(found["blind"]) == notes(found["random"]) == {**unused, "references": ""}
    assert notes(found["magnitude"]) == {**unused, "model": ""}
    wanda = notes(found["wanda"])
    assert wanda == {**unused, "model": "", "references": ""}
    assert 0.5 < spearmans(found["wanda"])[3] < 1
    assert set(notes(found["gradient"]).values()) == {""}
    for number in spearmans(found["gradient"])[2:]:
        assert 0.3 < number < 0.9999


def test_both_losses_are_those_of_the_trained_and_of_a_new_model(folder, tmp_path):
    (result,) = run(folder, tmp_path, "magnitude")
    (point,) = result.points
    assert point.metrics["loss"] == pytest.approx(np.mean(point.samples["loss"]))
    # A model that was just made gives every word about the same chance.
    assert point.metrics["untrained_loss"] == pytest.approx(np.log(96), abs=0.1)
    assert abs(point.metrics["loss"] - point.metrics["untrained_loss"]) > 0.1
    assert result.cost["assessment"].seconds >= 0
    path = tmp_path / result.spec.path
    write_result(path, result)
    assert read_result(path).curve == result.curve


@pytest.mark.parametrize(
    ("unit", "group"),
    [("weight", "row"), ("weight", "layer"), ("weight", "model"), ("neuron", "layer")],
)
def test_numbers_are_those_of_scoring_by_hand(folder, tmp_path, unit, group):
    (result,) = run(folder, tmp_path, "gradient", unit=unit, group=group)
    (cell,) = made(folder, "gradient")
    view, prepared = Place(tmp_path / "other", Reporter()).get(DenseModel(cell)), cell.prepared
    assert isinstance(prepared, PreparedSanity)
    scorer = default_host().get("scorer", "gradient").cls()
    task = prepared.references("label-log-probability")["task"]

    def scored(**changes: Any) -> dict[str, torch.Tensor]:
        fields = {"samples": task.samples, "objective": task.objective, **changes}
        scores = scorer.score(view, ReferenceSamples(**fields)).weights
        if unit == "weight":
            return dict(scores)
        # A neuron is its rows of the gate and the up matrix; the tiny llama has no biases.
        rows = {n: v.sum(1) for n, v in scores.items() if "gate" in n or "up_proj" in n}
        return {str(b): sum(v for n, v in rows.items() if f".{b}." in n) for b in range(3)}

    own = scored()
    config = copy.deepcopy(view.config)
    torch.manual_seed(SEED)
    new = AutoModelForCausalLM.from_config(config).state_dict()
    old = {name: value.clone() for name, value in view.model.state_dict().items()}
    others = {"references": scored(samples=prepared.again.rows)}

    def wrong_labels(logits, batch):
        logs = logits[:, :-1].log_softmax(-1)
        return logs.gather(-1, batch.targets[..., None]).sum()

    def logit(logits, batch):
        return logits[:, :-1].gather(-1, batch.input_ids[:, 1:, None]).sum()

    others["labels"] = scored(objective=wrong_labels, targets=permuted(prepared.reference.rows))
    others["objective"] = scored(objective=logit)
    view.model.load_state_dict(new)
    others["model"] = scored()
    later = {n: v for n, v in new.items() if ".layers.1." in n or ".layers.2." in n}
    view.model.load_state_dict({**old, **later})
    others["later"] = scored()

    def alike(one: torch.Tensor, other: torch.Tensor) -> float:
        if group == "row":
            return float(
                np.mean([spearmanr(*pair).statistic for pair in zip(one, other, strict=True)])
            )
        return float(spearmanr(one.flatten(), other.flatten()).statistic)

    for name, other in others.items():
        first = [n for n in own if name != "later" or ".0." in n or n == "0"]
        expected = np.mean([alike(own[n], other[n]) for n in first])
        estimate = result.curve[f"{name}_spearman"]
        assert estimate.value == pytest.approx(expected, abs=1e-5), name
        low, high = estimate.interval or (estimate.value, estimate.value)
        assert low <= estimate.value <= high
    assert result.curve["references_spearman"].low < result.curve["references_spearman"].high


def test_intervals_draw_whole_blocks(folder, tmp_path):
    (result,) = run(folder, tmp_path, "gradient")
    # One block alone is compared where the later ones are new: nothing tells how blocks differ.
    assert result.curve["later_spearman"].interval is None


def test_scores_are_kept_apart_and_asked_for_once(folder, tmp_path):
    Keyed.seen.clear()
    (first,) = run(folder, tmp_path, "keyed")
    assert len(Keyed.seen) == 6
    assert len(list((tmp_path / "steps/Score").rglob("*.safetensors"))) == 6
    (again,) = run(folder, tmp_path, "keyed")
    assert len(Keyed.seen) == 6
    assert again.curve == first.curve


def test_an_interrupted_run_leaves_the_model_and_goes_on(folder, tmp_path, monkeypatch):
    (whole,) = run(folder, tmp_path / "whole", "keyed")
    (cell,), place = made(folder, "keyed"), Place(tmp_path / "cache", Reporter())
    before = weights(place, cell)
    monkeypatch.setattr(Keyed, "stops_at", "1: untrained'")
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, place, "keyed")
    after = weights(place, cell)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    monkeypatch.setattr(Keyed, "stops_at", None)
    Keyed.seen.clear()
    result, _ = run_cell(cell, place, "keyed")
    assert len(Keyed.seen) == 4
    assert result.curve == whole.curve


def test_seed_of_the_reference_is_added_to_that_of_the_run(folder, tmp_path):
    one, other = run(folder, tmp_path, ("random", [0, 1_000_003]))
    assert one.curve["references_spearman"] != other.curve["references_spearman"]
    (cell,), place = made(folder, "random"), Place(tmp_path, Reporter())
    ready = [place.ready(r, cell, lambda *_: None) for r in cell.references(None).values()]
    assert [reference.seed for reference in ready] == [0, 0, 0, 0, 1_000_003, 0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"schedule": "blockwise"},
            "Task 'attribution-sanity' compares scores of the dense model; leave schedule "
            "'blockwise' out.",
        ),
        (
            {"objective": "label-logit"},
            "`other_objective` is 'label-logit', which is the objective itself; choose another "
            "one of the two.",
        ),
        ({"task_options": {"other_objective": "joy"}}, "Unknown objective 'joy'."),
        ({"task_options": {"reference_windows": 40}}, "80 are needed"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_computed(folder, asked, message):
    with pytest.raises(Sparc3Error) as caught:
        made(folder, "wanda", **asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_heads_have_their_numbers_too(folder, tmp_path):
    (result,) = run(folder, tmp_path, "wanda", unit="head", group="layer")
    assert set(result.curve) == {f"{n}_{kind}" for n in NAMES for kind in ("spearman", "overlap")}
