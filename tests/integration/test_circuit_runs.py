"""Runs of a task of circuits: every number by hand, nothing measured twice, and resumed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from integration.answers import (
    DIARY,
    Answers,
    Diary,
    PreparedAnswers,
    made,
    numbers,
    run,
    whole,
)
from scipy.stats import spearmanr, t

from sparc3_bench import ModelView, ReferenceSamples, ScoreMap, Scorer
from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.worker import run_cell
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.membership import jaccard
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.testing.tiny import make_view, save_model

AMOUNTS = (0.0, 0.3, 0.7, 1.0)
CONVENTIONS = [("weight", "row"), ("weight", "model"), ("neuron", "layer"), ("head", "layer")]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("circuits") / "llama")


@pytest.fixture(autouse=True)
def diary() -> Diary:
    """Return a fresh record of what is evaluated."""
    DIARY.__dict__.update(Diary().__dict__)
    return DIARY


def reference(seed: int = 0) -> ReferenceSamples:
    samples = PreparedAnswers(seed).references(Answers.default_objective)["task"]
    return replace(samples, seed=seed)


def scores_of(view: ModelView, name: str, seed: int = 0) -> ScoreMap:
    scorer: Scorer = default_host().get("scorer", name).cls()
    return checked(scorer.score(view, reference(seed)), view.weights(), name)


def samples_of(view: ModelView, keep: Any, ablation: str, part: str = "test") -> list[float]:
    """Measure by hand what a task measures without what `keep` removes."""
    prepared = PreparedAnswers(0, part)
    dense = prepared.evaluate(view, None, lambda done, total: None)
    match ablation:
        case "zero":
            removing = view.masked(keep)
        case "mean":
            removing = view.mean_ablated(keep, mean_inputs(view, reference()))
        case _:
            removing = view.resample_ablated(keep)
    with removing:
        return list(prepared.evaluate(view, dense, lambda done, total: None).samples["x"])


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
@pytest.mark.parametrize(("unit", "group"), CONVENTIONS)
@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_every_point_and_control_is_what_is_measured_by_hand(
    model, tmp_path, unit, group, removal, ablation
):
    asked = {"unit": unit, "group": group, "removal": removal, "ablation": ablation}
    (result,) = whole(run(model, tmp_path, "gradient", amounts=AMOUNTS, controls=2, **asked))
    view = make_view("llama")
    ranking = rankable(scores_of(view, "gradient"), view, unit)
    scope = sum(weight.matrix.numel() for weight in view.weights().values())
    dense, empty = (sum(result.points[n].samples["x"]) / 4 for n in (0, -1))
    for index, (amount, point) in enumerate(zip(AMOUNTS, result.points, strict=True)):
        kept = choose(ranking, amount, unit=unit, group=group, removal=removal)
        keep = as_mask(kept, view, unit)
        assert list(point.samples["x"]) == pytest.approx(samples_of(view, keep, ablation), abs=1e-6)
        mean = sum(point.samples["x"]) / 4
        assert point.metrics["likelihood"] == pytest.approx(mean)
        faithfulness = (mean - empty) / (dense - empty)
        assert point.metrics["faithfulness"] == pytest.approx(faithfulness, abs=1e-9)
        assert point.amount.weights_removed == keep.removed
        assert point.amount.units_removed == sum(int((~m).sum()) for m in kept.values())
        assert point.amount.in_scope == keep.removed / scope
        assert sum(map(sum, point.kept.values())) == scope - keep.removed
        for seed in (0, 1):
            control = as_mask(matched(kept, group, seed), view, unit)
            measured = samples_of(view, control, ablation, "control")
            found = point.control["likelihood"][seed]
            assert found == pytest.approx(sum(measured) / 4, abs=1e-6), (index, seed)


def test_curve_ends_without_its_scope_and_is_one_and_zero_at_the_ends(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "wanda", amounts=[0.3, 0.7], controls=3))
    assert result.spec.amounts == AMOUNTS
    last = result.points[-1]
    assert (last.amount.requested, last.amount.in_scope) == (1, 1)
    for index, value in ((0, 1), (-1, 0)):
        point = result.points[index]
        assert point.metrics["faithfulness"] == value
        assert point.intervals["faithfulness"] == (value, value)
        assert point.control["faithfulness"] == (value,) * 3
    assert 0 < result.points[1].metrics["faithfulness"] < 1
    low, high = result.points[1].intervals["faithfulness"]
    assert low <= result.points[1].metrics["faithfulness"] <= high
    assert len({result.points[2].control["likelihood"][seed] for seed in range(3)}) == 3


def test_whole_curve_has_its_number_interval_and_controls_and_the_judgement_none(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "wanda", controls=2))
    area = result.curve["area"]
    values = [point.metrics["faithfulness"] for point in result.points]
    assert area.value == pytest.approx(sum(values) / 4)
    assert area.low <= area.value <= area.high
    for seed in (0, 1):
        control = [point.control["faithfulness"][seed] for point in result.points]
        assert area.control[seed] == pytest.approx(sum(control) / 4)
    scope = result.points[-1].amount.weights_removed
    units = result.curve["units"]
    assert (units.value, units.low, units.high, units.control) == (scope, 0, 2 * scope, ())
    assert [metric.name for metric in result.curve_metrics] == ["area", "units"]
    assert result.clusters == {"x": (0, 1, 1, 1)}
    assert result.warnings == ("The dense model is at 1.",)


def test_intervals_draw_whole_clusters(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "wanda"))
    point = result.points[1]
    first, *rest = point.samples["x"]
    # A mean of two clusters of different sizes, drawn twice: one, the other, or both.
    ways = np.repeat([first, sum(rest) / 3, (first + sum(rest)) / 4], [1, 1, 2])
    half = t.ppf(0.975, 1) * ways.std() * np.sqrt(2)
    low, high = point.intervals["likelihood"]
    assert (low + high) / 2 == pytest.approx(point.metrics["likelihood"])
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)


def test_direction_and_order_follow_the_end_that_is_removed(model, tmp_path):
    lowest, highest = (
        whole(run(model, tmp_path, "wanda", removal=removal))[0]
        for removal in ("lowest", "highest")
    )
    assert [metric.direction for metric in highest.metrics] == ["lower", "lower"]
    assert highest.spec.amounts == (0.0, 0.3, 0.7, 1.0)
    for low, high in zip(lowest.points, reversed(highest.points), strict=True):
        assert low.amount.requested == float(1 - Fraction(str(high.amount.requested)))
        assert low.amount.weights_removed + high.amount.weights_removed == (
            lowest.points[-1].amount.weights_removed
        )
    assert (highest.sketch, highest.found) == (None, None)


def test_sketch_says_which_weights_each_circuit_has(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "wanda", unit="head", group="model"))
    view = make_view("llama")
    ranking = rankable(scores_of(view, "wanda"), view, "head")
    kept = [choose(ranking, amount, unit="head", group="model") for amount in AMOUNTS]
    levels = [sum(int(k[b][i]) for k in kept) for b in ranking for i in range(4)]
    assert result.sketch.levels == "".join(map(str, levels))
    assert (result.sketch.units, result.sketch.stride) == (12, 1)


def test_stability_compares_with_the_rankings_of_other_references(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "gradient", stability_seeds=2))
    view = make_view("llama")
    own = dict(scores_of(view, "gradient", 0).weights)
    assert [found.seed for found in result.stability] == [1, 2]
    for found in result.stability:
        other = dict(scores_of(view, "gradient", found.seed).weights)
        joined = [torch.cat([v.flatten() for v in m.values()]) for m in (own, other)]
        assert found.spearman == pytest.approx(spearmanr(*joined).statistic, abs=1e-6)
        pairs = [
            [choose(ranking, amount, unit="weight", group="row") for ranking in (own, other)]
            for amount in AMOUNTS
        ]
        assert found.jaccard == pytest.approx([jaccard(*pair) for pair in pairs], abs=1e-3)
        assert 0 < found.jaccard[1] < 1
    assert set(result.cost) >= {"attribution", "evaluation", "stability", "search"}


def test_references_of_other_seeds_are_scored_once(model, tmp_path, monkeypatch):
    seen: list[int] = []
    wanda = default_host().get("scorer", "wanda").cls
    plain = wanda.score

    def score(self: Scorer, view: ModelView, samples: ReferenceSamples) -> Any:
        seen.append(samples.seed)
        return plain(self, view, samples)

    monkeypatch.setattr(wanda, "score", score)
    one, two = whole(run(model, tmp_path, ("wanda", [0, 1]), stability_seeds=1))
    assert sorted(seen) == [0, 1, 2]
    assert one.stability[0].seed == 1
    assert two.stability[0].seed == 2
    whole(run(model, tmp_path, ("wanda", [0, 1]), stability_seeds=1))
    assert len(seen) == 3


def test_scorers_without_a_reference_have_no_stability_and_noise_no_controls(model, tmp_path):
    magnitude, noise = whole(
        run(model, tmp_path, "magnitude", "random", stability_seeds=2, controls=2)
    )
    assert (magnitude.spec.stability_seeds, magnitude.stability) == (0, ())
    assert (noise.spec.controls, noise.points[1].control) == (0, {})
    assert len(magnitude.points[1].control["likelihood"]) == 2


def test_random_circuits_and_the_empty_model_are_measured_once_for_all_scorers(
    model, tmp_path, diary
):
    asked = {"controls": 2, "group": "row"}
    whole(run(model, tmp_path, "wanda", **asked))
    # Two controls at two amounts, and one circuit where nothing is left.
    assert diary.pruned("control") == 5
    searched = diary.pruned("selection")
    whole(run(model, tmp_path, "gradient", **asked))
    assert diary.pruned("control") == 5
    assert diary.pruned("test") == (2 + 1 + 1) + (2 + 1)  # two amounts, what was found; empty
    again = diary.pruned("selection") - searched
    assert again <= 10


def test_equal_masks_are_measured_once_and_different_ablations_apart(model, tmp_path, diary):
    whole(run(model, tmp_path, ("magnitude", [0, 1]), task="plain"))
    assert diary.finished == [("test", "dense"), ("test", "pruned"), ("test", "pruned")]
    diary.finished.clear()
    whole(run(model, tmp_path, "magnitude", task="plain", ablation="mean"))
    assert diary.pruned() == 2


def test_numbers_of_one_ablation_are_not_those_of_another(model, tmp_path):
    found = {}
    for ablation in ("zero", "mean", "resample"):
        asked = {"ablation": ablation, "controls": 1}
        (together,) = whole(run(model, tmp_path, "magnitude", **asked))
        (alone,) = whole(run(model, tmp_path / ablation, "magnitude", **asked))
        assert numbers(together) == numbers(alone)
        found[ablation] = together.points[1].samples["x"]
    assert len(set(found.values())) == 3


def test_means_of_different_references_are_kept_apart(model, tmp_path):
    one, two = whole(run(model, tmp_path, ("magnitude", [0, 1]), ablation="mean"))
    assert one.points[1].samples != two.points[1].samples
    assert one.points[0] == two.points[0]
    (alone,) = whole(run(model, tmp_path / "b", ("magnitude", [1]), ablation="mean"))
    assert numbers(alone) == numbers(two)


@pytest.mark.parametrize(
    ("stop_at", "ablation"),
    [(0, "zero"), (1, "zero"), (2, "mean"), (3, "resample"), (8, "mean"), (12, "resample")],
)
def test_interrupted_run_measures_nothing_twice(model, tmp_path, diary, stop_at, ablation):
    asked = {"controls": 2, "stability_seeds": 1, "ablation": ablation}
    (expected,) = whole(run(model, tmp_path / "once", "gradient", **asked))
    at_once = sorted(what for what in diary.finished if what[1] == "pruned")
    diary.__dict__.update(Diary(stop_at=stop_at).__dict__)
    (cell,), place = made(model, "gradient", **asked), Place(tmp_path / "twice", Reporter())
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, place, "stopped")
    fresh = make_view("llama").model.state_dict()
    for name, values in place.get(DenseModel(cell)).model.state_dict().items():
        assert torch.equal(values, fresh[name]), name
    diary.stop_at = None
    (result,) = whole(run(model, tmp_path / "twice", "gradient", **asked))
    assert numbers(result) == numbers(expected)
    assert sorted(what for what in diary.finished if what[1] == "pruned") == at_once
    assert len(diary.begun) == len(diary.finished) + 1


def test_what_is_found_reaches_the_bar_on_the_selection_part_and_less_does_not(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "gradient"))
    found, view = result.found, make_view("llama")
    ranking = rankable(scores_of(view, "gradient"), view, "weight")

    def samples(amount: float, part: str) -> list[float]:
        kept = choose(ranking, amount, unit="weight", group="row")
        return samples_of(view, as_mask(kept, view, "weight"), "zero", part)

    def faithfulness(amount: float) -> float:
        own, dense, empty = (sum(samples(a, "selection")) for a in (amount, 0, 1))
        return (own - empty) / (dense - empty)

    amount = found.point.amount.requested
    assert (found.metric, found.at_least) == ("faithfulness", 0.8)
    assert found.title == "Smallest faithful circuit"
    assert 0 < amount < 1
    assert faithfulness(amount) >= 0.8
    assert faithfulness(1 - (1 - amount) / 1.05) < 0.8
    assert list(found.point.samples["x"]) == pytest.approx(samples(amount, "test"), abs=1e-6)
    mean, dense, empty = (
        sum(p.samples["x"]) for p in (found.point, result.points[0], result.points[-1])
    )
    assert found.point.metrics["faithfulness"] == pytest.approx((mean - empty) / (dense - empty))
