"""The planted circuit is what it is said to be, and scores are judged against it rightly."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from sparc3_tasks.planted_circuit import PlantedCircuit, PlantedIoi, data, known
from sparc3_tasks.planted_circuit.fit import Recipe, effects, fit, ioi_answers
from sparc3_tasks.planted_circuit.layout import Kind, draw_layout
from sparc3_tasks.planted_circuit.plant import plant
from sparc3_tasks.planted_circuit.prove import in_float64, prove
from sparc3_tasks.planted_circuit.ranking import estimates
from sparc3_tasks.planted_circuit.train import make_model
from tiny import make_tokenizer, make_view
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from sparc3_bench import ModelView, ReferenceSamples, ScoreMap, Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.runner import Session

FOLDER = PlantedIoi().fetch(Path())
MLP = "model.layers.1.mlp"


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def exact(model) -> nn.Module:
    return in_float64(model)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return load_file(FOLDER / "truth.safetensors")


def view_of(model: nn.Module, **options) -> ModelView:
    return ModelView(model, default_host().get("adapter", "llama").cls(), **options)


def asked(tokenizer, count: int = 120) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, mask and the right name of test prompts."""
    prompts = data.ioi_prompts("test", count, 7)
    found = tokenizer([prompt.text for prompt in prompts], padding=True, return_tensors="pt")
    names = tokenizer.convert_tokens_to_ids([prompt.io for prompt in prompts])
    return found["input_ids"], found["attention_mask"], torch.tensor(names)


def answers(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits
    return torch.stack([row[int(m.sum()) - 1] for row, m in zip(logits, mask, strict=True)])


def changed(model: nn.Module, change) -> nn.Module:
    """Return a copy whose matrices are what `change` makes of name and matrix."""
    other = copy.deepcopy(model)
    for name, module in other.named_modules():
        if name.endswith("_proj"):
            module.weight.data = change(name, module.weight.data)
    return other


# The truth.


def test_the_model_does_both_of_its_tasks(model, tokenizer):
    ids, mask, io = asked(tokenizer)
    logits = answers(model, ids, mask)
    assert (logits.argmax(-1) == io).double().mean() >= 0.95
    texts, right = zip(*data.sums(), strict=True)
    found = tokenizer(list(texts), return_tensors="pt")
    sums = answers(model, found["input_ids"], found["attention_mask"])
    right = torch.tensor(tokenizer.convert_tokens_to_ids(list(right)))
    assert (sums.argmax(-1) == right).double().mean() >= 0.95


def test_test_prompts_share_no_place_and_thing_with_reference_prompts():
    def pairs(part: str) -> set[tuple[str, str]]:
        texts = [prompt.text.split() for prompt in data.ioi_prompts(part, 500, 1)]
        return {
            (next(w for w in text if w in data.PLACES), next(w for w in text if w in data.THINGS))
            for text in texts
        }

    assert len(pairs("reference")) == 24
    assert len(pairs("test")) == 12
    assert pairs("reference").isdisjoint(pairs("test"))


def test_zero_in_place_of_all_that_is_not_the_circuit_changes_no_logit(
    model, exact, tokenizer, truth
):
    ids, mask, _ = asked(tokenizer)
    for dense, error in ((exact, 1e-9), (model, 1e-4)):
        alone = changed(dense, lambda name, weight: weight * (truth[name] == Kind.CIRCUIT))
        moved = (answers(alone, ids, mask) - answers(dense, ids, mask)).abs().max()
        assert moved <= error
    assert answers(exact, ids, mask).abs().max() > 5


@pytest.mark.parametrize("kind", [Kind.SUMS, Kind.DEAD, Kind.HIDDEN_PAIR, Kind.OPEN_PAIR])
def test_every_kind_of_noise_may_go_alone(exact, tokenizer, truth, kind):
    ids, mask, _ = asked(tokenizer, count=30)
    without = changed(exact, lambda name, weight: weight * (truth[name] != kind))
    assert (answers(without, ids, mask) - answers(exact, ids, mask)).abs().max() <= 1e-9
    assert sum(int((codes == kind).sum()) for codes in truth.values()) > 700


@pytest.mark.parametrize("kind", [Kind.SUMS, Kind.DEAD])
def test_what_never_reaches_the_output_may_have_any_value(exact, tokenizer, truth, kind):
    ids, mask, _ = asked(tokenizer, count=30)
    generator = torch.Generator().manual_seed(0)

    def drawn(name: str, weight: Tensor) -> Tensor:
        noise = 3 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        return torch.where(truth[name] == kind, noise, weight)

    moved = (answers(changed(exact, drawn), ids, mask) - answers(exact, ids, mask)).abs().max()
    assert moved <= 1e-9


@pytest.mark.parametrize("kind", [Kind.HIDDEN_PAIR, Kind.OPEN_PAIR])
def test_pairs_are_twins_that_cancel_and_may_be_other_twins(exact, tokenizer, truth, kind):
    ids, mask, _ = asked(tokenizer, count=30)
    part = {Kind.HIDDEN_PAIR: "hidden-pair", Kind.OPEN_PAIR: "open-pair"}[kind]
    other = copy.deepcopy(exact)
    for index, block in enumerate(draw_layout(0).blocks):
        layer = other.model.layers[index]
        for module, rows, writer in (
            *((getattr(layer.self_attn, f"{n}_proj"), block.heads[part], False) for n in "qkv"),
            (layer.self_attn.o_proj, block.heads[part], True),
            (layer.mlp.gate_proj, block.neurons[part], False),
            (layer.mlp.up_proj, block.neurons[part], False),
            (layer.mlp.down_proj, block.neurons[part], True),
        ):
            weight = module.weight.data.T if writer else module.weight.data
            first, second = rows.chunk(2)
            assert weight[first].abs().max() > 0
            sign = -1 if writer else 1
            assert torch.equal(weight[first], sign * weight[second])
            weight[first] *= 1.7
            weight[second] *= 1.7
    assert (answers(other, ids, mask) - answers(exact, ids, mask)).abs().max() <= 1e-9


def test_without_the_circuit_ioi_is_lost_and_the_sums_are_not(exact, tokenizer, truth):
    ids, mask, io = asked(tokenizer)
    without = changed(exact, lambda name, weight: weight * (truth[name] != Kind.CIRCUIT))
    assert (answers(without, ids, mask).argmax(-1) == io).double().mean() <= 0.2
    found = tokenizer([text for text, _ in data.sums()], return_tensors="pt")
    both = (answers(m, found["input_ids"], found["attention_mask"]) for m in (without, exact))
    assert (next(both) - next(both)).abs().max() <= 1e-9


def test_every_weight_of_the_circuit_matters_alone(model, tokenizer, truth):
    """A sample of them; the script that made the model went through all."""
    masks = {name: codes == Kind.CIRCUIT for name, codes in truth.items()}
    for index, mask in enumerate(masks.values()):
        places = mask.nonzero()[index % 7 :: 7]
        mask.zero_()
        mask[places[:, 0], places[:, 1]] = True
    moved = torch.cat(list(effects(model, masks, ioi_answers(tokenizer, 48, 0)).values()))
    assert len(moved) > 150
    assert moved.min() > 0.005


def test_the_proof_refuses_another_truth(model, tokenizer, truth):
    from sparc3_tasks.planted_circuit.fit import ioi_examples, sum_examples

    layout, ioi = draw_layout(0), ioi_examples(tokenizer, "test", 40, 0)
    facts = prove(model, truth, layout, ioi, sum_examples(tokenizer))
    assert facts["largest_change_by_other_noise"] <= 1e-9
    wrong = {name: codes.clone() for name, codes in truth.items()}
    codes = wrong["model.layers.0.mlp.up_proj"]
    codes[tuple((codes == Kind.CIRCUIT).nonzero()[0])] = Kind.DEAD
    with pytest.raises(Sparc3Error, match="largest_change_by_zeroing"):
        prove(model, wrong, layout, ioi, sum_examples(tokenizer))


# The script.


def test_the_noise_of_the_checkpoint_is_what_the_script_draws(model, truth):
    masks = {
        part: {name: codes == kind for name, codes in truth.items()}
        for part, kind in (("circuit", Kind.CIRCUIT), ("sums", Kind.SUMS))
    }
    again = changed(
        model,
        lambda name, weight: weight * (masks["circuit"][name] | masks["sums"][name]),
    )
    kinds = plant(again, draw_layout(0), masks, 0)
    assert kinds.keys() == truth.keys()
    for name, codes in kinds.items():
        assert torch.equal(codes, truth[name])
        assert torch.equal(again.get_submodule(name).weight, model.get_submodule(name).weight)


def test_training_is_deterministic():
    recipe = Recipe(
        steps=3, rounds=2, round_steps=2, last_steps=2, density=0.003, least=0.0, prompts=60
    )
    made = []
    for seed in (0, 0, 1):
        model, layout = make_model(), draw_layout(seed)
        masks = fit(model, data.make_tokenizer(), layout, recipe, seed, lambda text: None)
        kinds = plant(model, layout, masks, seed)
        made.append((model.state_dict(), kinds))
    (weights, kinds), (same_weights, same_kinds), (other_weights, _) = made
    assert all(torch.equal(weights[name], same_weights[name]) for name in weights)
    assert all(torch.equal(kinds[name], same_kinds[name]) for name in kinds)
    assert not all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_the_checkpoint_is_small_and_bfloat16(model):
    files = list(FOLDER.iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {f.name for f in files}
    assert sum(file.stat().st_size for file in files) < 1_000_000
    assert all(torch.equal(p, p.bfloat16().float()) for p in model.parameters())


# The dense formula of one path.


@torch.no_grad()
def one_path(exact, tokenizer, neuron: int, prompt: data.Prompt) -> dict[str, Tensor]:
    """Write out one neuron of the last block, from what it reads to the logit difference.

    Only the last token of this block reaches the answer. There, `x` is what the block's MLP reads,
    `y` what the last norm reads, and `u` the difference of the two names' rows of the head. LRP
    takes the root mean square `r` as constant, lets all relevance through the activation, and
    gives half of the product of gate and up to either side.
    """
    weight = {name: exact.get_submodule(f"{MLP}.{name}_proj").weight for name in ("gate", "up")}
    down = exact.get_submodule(f"{MLP}.down_proj").weight[:, neuron]
    seen: dict[str, Tensor] = {}
    handles = [
        exact.get_submodule(path).register_forward_pre_hook(
            lambda module, args, key=path: seen.update({key: args[0][0, -1].detach()})
        )
        for path in ("model.layers.1.post_attention_layernorm", "model.norm")
    ]
    exact(input_ids=torch.tensor([tokenizer(prompt.text)["input_ids"]]))
    for handle in handles:
        handle.remove()
    x, y = seen["model.layers.1.post_attention_layernorm"], seen["model.norm"]
    a = x / (x.square().mean() + 1e-6).sqrt()
    gate, up = weight["gate"][neuron] @ a, weight["up"][neuron] @ a
    io, s = (tokenizer.convert_tokens_to_ids(name) for name in (prompt.io, prompt.s))
    u, r = exact.lm_head.weight[io] - exact.lm_head.weight[s], (y.square().mean() + 1e-6).sqrt()
    ratio = torch.sigmoid(gate)
    silu = gate * ratio
    h = silu * up
    gradient = u / r - y * (u @ y) / (len(y) * r**3)
    slope = ratio * (1 + gate * (1 - ratio))
    relevance = u / r
    return {
        "written": down * h,
        "without": y - down * h,
        "gradient of down": down * h * gradient,
        "gradient of up": weight["up"][neuron] * a * silu * (down @ gradient),
        "gradient of gate": weight["gate"][neuron] * a * slope * up * (down @ gradient),
        "lrp of down": down * h * relevance,
        "lrp of up": weight["up"][neuron] * a * silu / 2 * (down @ relevance),
        "lrp of gate": weight["gate"][neuron] * a * ratio * up / 2 * (down @ relevance),
    }


def neurons_of(truth, kind: Kind) -> list[int]:
    """Return the neurons of the last block that have weights of a kind on both sides."""
    read = (truth[f"{MLP}.up_proj"] == kind).any(1) & (truth[f"{MLP}.gate_proj"] == kind).any(1)
    return (read & (truth[f"{MLP}.down_proj"] == kind).any(0)).nonzero().flatten().tolist()


@pytest.mark.parametrize("kind", [Kind.CIRCUIT, Kind.OPEN_PAIR])
@pytest.mark.parametrize("scorer", ["gradient", "lrp"])
def test_scores_of_one_path_are_its_dense_formula(exact, tokenizer, truth, scorer, kind):
    prompts = data.ioi_prompts("reference", 4, 3)
    ids = [tokenizer(prompt.text)["input_ids"] for prompt in prompts]
    targets = [tokenizer.convert_tokens_to_ids([prompt.io, prompt.s]) for prompt in prompts]
    objective = PlantedCircuit().prepare(tokenizer, "", Path(), 0).references("logit-difference")
    reference = ReferenceSamples(ids, objective["task"].objective, targets=targets)
    made = {"gradient": Gradient, "lrp": Lrp}[scorer](aggregation="signed-mean")
    scores = made.score(view_of(exact), reference)
    checked = 0
    for neuron in neurons_of(truth, kind):
        paths = [one_path(exact, tokenizer, neuron, prompt) for prompt in prompts]
        if max(path["written"].abs().max() for path in paths) < 1e-3:
            continue  # a pair that reads only zeros
        for part in ("gate", "up", "down"):
            matrix = scores[f"{MLP}.{part}_proj"]
            found = matrix[:, neuron] if part == "down" else matrix[neuron]
            expected = sum(path[f"{scorer} of {part}"] for path in paths) / len(paths)
            assert expected.abs().max() > 1e-6
            assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()
            checked += 1
    assert checked >= 12


def test_a_path_of_the_circuit_is_what_the_model_loses_without_its_neuron(exact, tokenizer, truth):
    neuron = neurons_of(truth, Kind.CIRCUIT)[0]
    prompt = data.ioi_prompts("test", 1, 3)[0]
    path = one_path(exact, tokenizer, neuron, prompt)

    def without(name: str, weight: Tensor) -> Tensor:
        weight = weight.clone()
        if name == f"{MLP}.down_proj":
            weight[:, neuron] = 0
        return weight

    ids = torch.tensor([tokenizer(prompt.text)["input_ids"]])
    found = answers(changed(exact, without), ids, torch.ones_like(ids))[0]
    y = path["without"]
    expected = exact.lm_head.weight @ (y / (y.square().mean() + 1e-6).sqrt())
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)
    assert (found - answers(exact, ids, torch.ones_like(ids))[0]).abs().max() > 1e-3


def test_the_two_paths_of_a_pair_write_opposite_things(exact, tokenizer, truth):
    pair = draw_layout(0).blocks[1].neurons["open-pair"].chunk(2)
    prompt = data.ioi_prompts("test", 1, 3)[0]
    alive = set(neurons_of(truth, Kind.OPEN_PAIR))
    twins = [(a, b) for a, b in zip(*(p.tolist() for p in pair), strict=True) if a in alive]
    assert twins
    written = [[one_path(exact, tokenizer, n, prompt)["written"] for n in two] for two in twins]
    assert all(torch.equal(first, -second) for first, second in written)
    assert max(float(first.abs().max()) for first, _ in written) > 1e-3


# The numbers.


def auroc_of_pairs(scores, truth) -> float:
    """Count the pairs of one inside and one outside that are ranked right; a tie is half."""
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, inside in zip(scores, truth, strict=True)
        if inside
        for b, other in zip(scores, truth, strict=True)
        if not other
    ]
    return sum(pairs) / len(pairs)


def average_precision_of_thresholds(scores, truth) -> float:
    """Sum precision times gain in recall over all thresholds, highest first."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = [inside for score, inside in zip(scores, truth, strict=True) if score >= threshold]
        recall = sum(found) / sum(truth)
        total += (recall - before) * sum(found) / len(found)
        before = recall
    return total


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_both_numbers_equal_their_definitions_with_and_without_ties(levels, seed):
    generator = np.random.default_rng(seed)
    truth = generator.random(60) < 0.3
    scores = generator.integers(levels, size=60) + truth * levels // 3 - levels // 2
    found = estimates(scores.astype(np.float64), truth)
    assert found["auroc"].value == pytest.approx(auroc_of_pairs(scores, truth))
    expected = average_precision_of_thresholds(scores.tolist(), truth.tolist())
    assert found["average_precision"].value == pytest.approx(expected)


def test_constant_scores_are_worth_nothing_and_perfect_ones_everything():
    truth = np.arange(50) < 10
    nothing = estimates(np.zeros(50), truth)
    assert nothing["auroc"].value == nothing["auroc"].low == nothing["auroc"].high == 0.5
    assert nothing["average_precision"].value == pytest.approx(0.2)
    everything = estimates(truth.astype(np.float64), truth)
    for estimate in everything.values():
        assert (estimate.low, estimate.value, estimate.high) == (1, 1, 1)
    worst = estimates(-truth.astype(np.float64), truth)
    assert worst["auroc"].value == 0


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_intervals_are_as_wide_as_fresh_samples_differ(name):
    generator = np.random.default_rng(0)

    def fresh():
        truth = generator.random(300) < 0.3
        return estimates(np.round(generator.normal(size=300) + truth, 1), truth)[name]

    drawn = [fresh() for _ in range(60)]
    spread = np.std([estimate.value for estimate in drawn])
    width = np.mean([estimate.high - estimate.low for estimate in drawn]) / (2 * 1.96)
    assert 0.75 < width / spread < 1.33
    true_value = np.mean([estimate.value for estimate in drawn])
    assert sum(e.low <= true_value <= e.high for e in drawn) >= 0.85 * len(drawn)


def test_intervals_do_not_depend_on_the_order_of_units_being_sorted_and_are_repeatable():
    generator = np.random.default_rng(3)
    truth, scores = generator.random(200) < 0.2, generator.normal(size=200)
    assert estimates(scores, truth) == estimates(scores, truth)
    assert estimates(scores, truth) == estimates(np.exp(scores), truth)


def test_every_scorer_is_judged_on_the_same_draws():
    """Then those of the reversed scores are the mirror image."""
    generator = np.random.default_rng(4)
    truth, scores = generator.random(200) < 0.2, generator.normal(size=200)
    there, back = (estimates(values, truth)["auroc"] for values in (scores, -scores))
    assert (back.low, back.high) == (pytest.approx(1 - there.high), pytest.approx(1 - there.low))


# The judgement.


def test_judge_ranks_exactly_what_is_there(model, tokenizer, truth):
    view = view_of(model, scope="mlp")
    prepared = PlantedCircuit().prepare(tokenizer, "planted-ioi", Path(), 0)
    generator = torch.Generator().manual_seed(1)
    scores = ScoreMap(
        {n: torch.randn(w.matrix.shape, generator=generator) for n, w in view.weights().items()}
    )
    assert len(scores) == 6
    found = prepared.judge(view, scores, "weight")
    inside = torch.cat([scores[n][truth[n] == Kind.CIRCUIT] for n in scores])
    outside = torch.cat([scores[n][truth[n] > Kind.CIRCUIT] for n in scores])
    right = (inside[:, None] > outside).double().mean().item()
    assert found["auroc"].value == pytest.approx(right)

    found = prepared.judge(view, scores, "neuron")
    values, belongs = [], []
    for block in (0, 1):
        gate, up = (f"model.layers.{block}.mlp.{part}_proj" for part in ("gate", "up"))
        for neuron in range(112):
            codes = torch.cat([truth[gate][neuron], truth[up][neuron]])
            if codes.any():
                values.append((scores[gate][neuron].sum() + scores[up][neuron].sum()).item())
                belongs.append(bool((codes == Kind.CIRCUIT).any()))
    assert found["auroc"].value == pytest.approx(auroc_of_pairs(values, belongs), abs=1e-9)
    expected = average_precision_of_thresholds(values, belongs)
    assert found["average_precision"].value == pytest.approx(expected)


def test_the_true_circuit_is_judged_perfect_at_every_unit(model, tokenizer, truth):
    view = view_of(model)
    prepared = PlantedCircuit().prepare(tokenizer, "planted-ioi", Path(), 0)
    best = ScoreMap({name: (truth[name] == Kind.CIRCUIT).float() for name in view.weights()})
    for unit in ("weight", "neuron", "head"):
        found = prepared.judge(view, best, unit)
        assert found["auroc"].value == 1
        assert set(found) == {metric.name for metric in PlantedCircuit.curve_metrics}


def test_another_model_is_refused(model, tokenizer):
    expected = (
        "Task 'planted-circuit' knows the circuit of model 'planted-ioi' alone, not of '{}'; "
        "add `--model planted-ioi`."
    )
    task = PlantedCircuit()
    with pytest.raises(Sparc3Error) as refused:
        task.prepare(make_tokenizer(), "gpt2", Path(), 0)
    assert str(refused.value) == expected.format("gpt2")
    retrained = copy.deepcopy(model)
    retrained.model.layers[0].mlp.up_proj.weight.data[0] += 1
    retrained.config.name_or_path = "mine"
    for view in (view_of(retrained), make_view("opt")):
        scores = ScoreMap({name: weight.matrix for name, weight in view.weights().items()})
        with pytest.raises(Sparc3Error, match="knows the circuit of model 'planted-ioi' alone"):
            known(view, scores)


@pytest.mark.parametrize("option", ["reference_count", "test_count"])
@pytest.mark.parametrize("value", [0, 2001])
def test_counts_are_checked(option, value):
    with pytest.raises(Sparc3Error, match=f"`{option}` must be at least 1 and at most 2000"):
        PlantedCircuit(**{option: value})


def test_most_prompts_that_may_be_asked_for_are_there():
    for part in ("reference", "test"):
        assert len({prompt.text for prompt in data.ioi_prompts(part, 2000, 0)}) == 2000


@pytest.mark.parametrize("unit", ["weight", "neuron"])
def test_lrp_and_gradient_beat_magnitude_and_random(unit, tmp_path):
    names = ("lrp", "gradient", "magnitude", "random")
    request = Request(
        scorers=[(name, [0]) for name in names],
        task="planted-circuit",
        model="planted-ioi",
        amounts=[0.5],
        dtype="float32",
        unit=unit,
        task_options={"test_count": "60"},
    )
    planned = plan(request, default_host(), tmp_path)
    session = Session(planned, tmp_path, Reporter(), batch_size=8)
    results = {cell.scorer.name: session.run(cell, cell.scorer.name) for cell in planned.cells}
    assert [result.error for result in results.values()] == [None] * 4
    assert results["lrp"].points[0].metrics["accuracy"] >= 0.95
    assert results["lrp"].points[0].metrics["logit_difference"] > 5
    assert [metric.name for metric in results["lrp"].curve_metrics] == [
        "auroc",
        "average_precision",
    ]
    for metric in ("auroc", "average_precision"):
        numbers = {name: result.curve[metric] for name, result in results.items()}
        for estimate in numbers.values():
            assert 0 <= estimate.low < estimate.value < estimate.high <= 1
        for better in ("lrp", "gradient"):
            for worse in ("magnitude", "random"):
                assert numbers[better].low > numbers[worse].high, (metric, better, worse)
    random = results["random"].curve["auroc"]
    assert random.low < 0.5 < random.high
