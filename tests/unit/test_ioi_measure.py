"""IOI measurements: objectives at the last real token, per-prompt numbers, faithfulness, areas."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sparc3_tasks.ioi_circuit import IoiCircuit, PreparedIoi
from sparc3_tasks.ioi_circuit.curves import MIB_SIZES, curve_numbers, faithfulness
from sparc3_tasks.prompts.answers import OBJECTIVES, measure_prompts
from sparc3_tasks.prompts.names import Tokenized
from sparc3_tasks.texts.losses import measure_windows

from sparc3_bench import Batch
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.testing.tiny import make_view

PROMPTS = [
    Tokenized((5, 10, 11, 6, 11, 7), (5, 12, 13, 6, 14, 7), 10, 11, 0),
    Tokenized((5, 21, 20, 6, 21, 8, 7), (5, 22, 23, 6, 24, 8, 7), 20, 21, 1),
    Tokenized((9, 30, 31, 6, 31, 7), (9, 32, 33, 6, 34, 7), 30, 31, 0),
]
SPARSITIES = (*(round(1 - size, 6) for size in reversed(MIB_SIZES)), 1.0)


def prepared(count: int = 3) -> PreparedIoi:
    return PreparedIoi(PROMPTS[:count], PROMPTS[:1], PROMPTS[:count], 1, None, (), ())


def by_hand(view, prompt: Tokenized) -> torch.Tensor:
    return view.model(input_ids=torch.tensor([prompt.ids])).logits[0, -1]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_look_behind_the_last_real_token(name, side):
    view = make_view("llama")
    ids, mask = torch.zeros(3, 9, dtype=torch.long), torch.zeros(3, 9, dtype=torch.long)
    logits = torch.full((3, 9, 96), 1e9)
    expected = 0.0
    for row, prompt in enumerate(PROMPTS):
        length = len(prompt.ids)
        place = slice(0, length) if side == "right" else slice(9 - length, 9)
        ids[row, place], mask[row, place] = torch.tensor(prompt.ids), 1
        last = by_hand(view, prompt).detach()
        logits[row, place.stop - 1] = last
        right, wrong = last[prompt.io], last[prompt.s]
        expected += float(
            {
                "logit-difference": right - wrong,
                "io-logit": right,
                "io-log-probability": last.log_softmax(-1)[prompt.io],
                "label-log-probability": last.log_softmax(-1)[prompt.io],
                "loss": -last.log_softmax(-1)[prompt.io],
            }[name]
        )
    targets = torch.tensor([(prompt.io, prompt.s) for prompt in PROMPTS])
    found = OBJECTIVES[name](logits, Batch(ids, mask, targets))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_an_unknown_objective_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'logit-difference'"):
        prepared().references("logit-diference")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_reference_samples_carry_the_two_answers(batch_size):
    reference = dataclasses.replace(
        prepared().references("io-logit")["task"], batch_size=batch_size
    )
    rows = [row for batch in reference.batches() for row in batch.targets.tolist()]
    assert rows == [[10, 11], [20, 21], [30, 31]]


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_measurements_equal_those_by_hand(architecture):
    view = make_view(architecture)
    dense = measure_prompts(view, PROMPTS, None, lambda done, total: None)
    before = [by_hand(view, prompt).detach().log_softmax(-1) for prompt in PROMPTS]
    with torch.no_grad():
        for weight in view.weights().values():
            weight.matrix.mul_(0.7)
    samples = measure_prompts(view, PROMPTS, dense, lambda done, total: None).samples
    assert dense.samples["kl"] == [0.0, 0.0, 0.0]
    for index, prompt in enumerate(PROMPTS):
        last = by_hand(view, prompt).detach()
        difference = float(last[prompt.io] - last[prompt.s])
        assert samples["logit_difference"][index] == pytest.approx(difference, rel=1e-4)
        assert samples["accuracy"][index] == float(difference > 0)
        assert samples["top1"][index] == float(last.argmax() == prompt.io)
        probability = float(last.softmax(-1)[prompt.io])
        assert samples["io_probability"][index] == pytest.approx(probability, rel=1e-4)
        after = last.log_softmax(-1)
        divergence = float((before[index].exp() * (before[index] - after)).sum())
        assert samples["kl"][index] == pytest.approx(divergence, rel=1e-3)


def test_general_text_is_measured_window_by_window():
    view = make_view("llama")
    windows = [[5, 10, 11, 6, 11, 7], [9, 30, 31, 6, 31, 7]]
    for window, loss in zip(windows, measure_windows(view, windows), strict=True):
        ids = torch.tensor([window])
        expected = view.model(input_ids=ids, labels=ids).loss.item()
        assert loss == pytest.approx(expected, rel=1e-4)


def test_faithfulness_is_one_for_the_dense_model_and_zero_for_the_empty_one():
    assert faithfulness(4.0, 4.0, -1.0) == 1
    assert faithfulness(-1.0, 4.0, -1.0) == 0
    assert faithfulness(1.5, 4.0, -1.0) == 0.5
    assert faithfulness(1.5, 2.0, 2.0) == 0
    found = faithfulness(np.array([1.0, 2.0]), np.array([2.0, 2.0]), np.array([0.0, 2.0]))
    assert found.tolist() == [0.5, 0.0]


def test_areas_equal_sums_over_the_ten_sizes():
    values = [1.0, 0.9, 0.8, 0.7, 0.5, 0.4, 0.2, 0.1, -0.1, 0.3, 0.0]  # rising amounts
    found = curve_numbers(SPARSITIES, values, "lowest")
    faithful = list(reversed(values[:-1]))
    cpr = cmd = 0.0
    for i in range(9):
        width = MIB_SIZES[i + 1] - MIB_SIZES[i]
        cpr += width * (faithful[i] + faithful[i + 1]) / 2
        cmd += width * (abs(1 - faithful[i]) + abs(1 - faithful[i + 1])) / 2
    assert found["cpr"] == pytest.approx(cpr)
    assert found["cmd"] == pytest.approx(cmd)
    assert found["auc_linear"] == pytest.approx(cpr / 0.999)
    log = np.trapezoid(faithful, np.log(MIB_SIZES)) / np.log(1000)
    assert found["auc_log"] == pytest.approx(log)


def test_cpr_and_cmd_of_a_perfect_circuit_and_their_identity():
    perfect = curve_numbers(SPARSITIES, [1.0] * 10 + [0.0], "lowest")
    assert perfect["cpr"] == pytest.approx(0.999)
    assert perfect["cmd"] == pytest.approx(0)
    generator = np.random.default_rng(0)
    for _ in range(200):
        found = curve_numbers(SPARSITIES, [1.0, *generator.normal(0.5, 1, 9), 0.0], "lowest")
        assert found["cpr"] + found["cmd"] >= 0.999 - 1e-12


def test_of_what_is_left_only_its_own_areas_are_reported():
    sizes = (0.0, *MIB_SIZES)
    found = curve_numbers(sizes, [1.0] * 5 + [0.0] * 6, "highest")
    assert set(found) == {"rest_linear", "rest_log"}
    assert found["rest_linear"] == pytest.approx((0.009 + 0.005) / 0.999)


def test_other_sizes_give_no_mib_numbers():
    assert set(curve_numbers((0.0, 0.5, 1.0), [1, 0.5, 0], "lowest")) == {"auc_linear", "auc_log"}
    assert curve_numbers((0.0, 1.0), [1, 0], "lowest") == {}


def test_metrics_turn_where_the_circuit_is_removed():
    lowest = {metric.name: metric.direction for metric in IoiCircuit().metrics_for("lowest")}
    highest = {metric.name: metric.direction for metric in IoiCircuit().metrics_for("highest")}
    assert lowest["faithfulness"] == lowest["accuracy"] == "higher"
    assert highest["faithfulness"] == highest["accuracy"] == "lower"
    assert (lowest["kl"], highest["kl"]) == ("lower", "higher")
    assert lowest["perplexity"] == highest["perplexity"] == "lower"


def test_a_model_at_chance_is_remarked_on():
    task = dataclasses.replace(prepared(), test=PROMPTS * 30)
    assert task.remarks({"accuracy": 0.98}) == ()
    (remark,) = task.remarks({"accuracy": 0.52})
    assert "right on 52% of the prompts, which chance gives too" in remark
