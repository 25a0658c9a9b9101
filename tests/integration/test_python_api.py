"""Scoring, pruning and running from Python: the same bits as the command line, nothing changed."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from circuits import call, run, save_inputs
from transformers import AutoModelForCausalLM, AutoTokenizer

import sparc3_bench as sb
from sparc3_bench.attribution.scores import from_tensors
from sparc3_bench.graph.tensors import load_tensors
from sparc3_bench.record.files import read_result
from sparc3_bench.selection.select import select
from sparc3_bench.testing import check_scorer
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_tokenizer, make_view


class World(NamedTuple):
    """A folder with models and texts, and the options that name these."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def options(self) -> dict[str, object]:
        return {
            "reference_text": self.folder / "in/reference.txt",
            "evaluation_text": self.folder / "in/evaluation.txt",
            "reference_length": 32,
            "evaluation_length": 32,
            "reference_windows": 3,
            "evaluation_windows": 4,
        }

    def loaded(self, architecture: str):
        place = self.folder / "in" / architecture
        return AutoModelForCausalLM.from_pretrained(place), AutoTokenizer.from_pretrained(place)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("api")
    save_inputs(folder)
    return World(folder)


def bits(model) -> list[torch.Tensor]:
    return [values.detach().clone() for values in model.state_dict().values()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, one, other))


def activation_norm(model, reference):
    """Magnitude times the norm of the input."""
    sums = {name: torch.zeros(w.matrix.shape[1]) for name, w in model.weights().items()}

    def add(name, inputs):
        sums[name] += inputs.square().sum(0)

    with model.observe(add):
        model.run(reference)
    return {name: w.matrix.abs() * sums[name].sqrt() for name, w in model.weights().items()}


@dataclass(frozen=True)
class Power(sb.Scorer):
    """A power of the absolute value."""

    name, title = "power", "Power"
    needs_reference = False
    exponent: float = 2.0

    def score(self, model, reference):
        return {name: w.matrix.abs() ** self.exponent for name, w in model.weights().items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("scorer", ["lrp", "wanda"])
def test_scores_of_a_model_in_memory_are_those_of_the_command(
    world, tmp_path, architecture, scorer
):
    options = [part for n, v in world.options.items() for part in ("--task-option", f"{n}={v}")]
    given = ("--model", world.folder / "in" / architecture, "--cache", world.cache)
    out = tmp_path / "scores.safetensors"
    asked = ("--dtype", "float32", "--out", out, "--seed", 3)
    assert call("score", "--scorer", scorer, *given, *asked, *options) == 0
    model, tokenizer = world.loaded(architecture)
    model.train()
    model.requires_grad_(True)
    before = bits(model)
    ours = sb.score(
        model, tokenizer, scorer, task_options=world.options, seed=3, cache=tmp_path / "own"
    )
    theirs = from_tensors(load_tensors(out)[0], list(ours))
    assert same([*ours.values()], [*theirs.values()])
    assert same(bits(model), before)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    named = sb.score(
        world.folder / "in" / architecture,
        scorer=scorer,
        task_options=world.options,
        dtype="float32",
        seed=3,
        cache=world.cache,
    )
    assert same([*ours.values()], [*named.values()])


def test_a_model_that_was_changed_is_another_one(world, tmp_path):
    model, tokenizer = world.loaded("llama")
    texts = ["w3 w4 w5 w6", "w7 w8 w9"]
    first = sb.score(model, tokenizer, "wanda", reference=texts, cache=tmp_path)
    again = sb.score(model, tokenizer, "wanda", reference=texts, cache=tmp_path)
    assert again.cost == first.cost  # of when they were made
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight[0, 0] += 1
    other = sb.score(model, tokenizer, "wanda", reference=texts, cache=tmp_path)
    name = "model.layers.0.mlp.down_proj"
    assert not torch.equal(other[name], first[name])
    assert other.spec.key != first.spec.key == again.spec.key


def test_texts_and_their_ids_are_one_reference(world, tmp_path):
    model, tokenizer = world.loaded("gpt2")
    texts = ["w3 w4 w5 w6", "w7 w8 w9"]
    by_text = sb.score(model, tokenizer, "lrp", reference=texts, cache=tmp_path / "a")
    ids = [tokenizer(text)["input_ids"] for text in texts]
    by_ids = sb.score(model, scorer="lrp", reference=ids, cache=tmp_path / "b")
    assert same([*by_text.values()], [*by_ids.values()])
    square = torch.tensor(ids[0] * 2).view(2, -1)
    of_tensor = sb.score(model, scorer="lrp", reference=square, cache=tmp_path / "b")
    of_lists = sb.score(model, scorer="lrp", reference=square.tolist(), cache=tmp_path / "c")
    assert same([*of_tensor.values()], [*of_lists.values()])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"reference": "w3 w4"}, "The reference is one text; give a list of texts"),
        ({"reference": [3.5, 2]}, "A reference sample must be a text or a sequence of token ids"),
        ({"reference": [[3]]}, "Every reference sample must have at least 2 tokens"),
        ({"reference": ["w3 w4"], "tokenizer": None}, "Texts are given as reference and no token"),
        ({"tokenizer": None}, "The texts of task 'compression' take a tokenizer"),
        ({"scorer": "wandaa"}, "Unknown scorer 'wandaa'. Did you mean 'wanda'?"),
        ({"scorer": 3}, "3 is no scorer; give a name, a class"),
        ({"scorer": lambda model: {}}, "does not take a model and its reference samples"),
        ({"scorer": dict}, "dict is no scorer"),
        ({"dtype": "float32"}, "A model in memory is used in its own number format"),
        ({"model": 3}, "A model must be a name, a folder or a transformers model, got int."),
        ({"scope": "mpl"}, "Unknown scope 'mpl'. Did you mean 'mlp'?"),
        ({"reference": [[3, 400]]}, "token 400 is in the texts"),
        ({"reference": [[3, 400]], "tokenizer": None}, "token 400 is in the samples; give token"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(world, tmp_path, given, expected):
    model, tokenizer = world.loaded("llama")
    asked = {"model": model, "tokenizer": tokenizer, "scorer": "wanda", "cache": tmp_path, **given}
    with pytest.raises(sb.Sparc3Error) as refused:
        sb.score(**asked)
    assert expected in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_function_is_a_scorer_and_passes_the_kit():
    report = check_scorer(sb.scorer_class(activation_norm))
    assert report.name == "activation-norm"
    assert report.ok, str(report)


def test_classes_objects_and_functions_are_scorers(world, tmp_path):
    model, tokenizer = world.loaded("opt")
    scores = [
        sb.score(model, tokenizer, one, reference=[[3, 4, 5]], cache=tmp_path)
        for one in (Power, Power(exponent=3.0), Power(), activation_norm)
    ]
    name = next(iter(scores[0]))
    weight = model.get_submodule(name).weight.detach().abs()
    assert torch.equal(scores[0][name], weight**2)
    assert torch.equal(scores[1][name], weight**3)
    assert torch.equal(scores[2][name], weight**2)
    assert [one.spec.scorer.name for one in scores] == [*["power"] * 3, "activation-norm"]
    assert scores[1].spec.scorer.options == {"exponent": 3.0}


class Hiding(Power):
    """Holds what no record can say."""

    name = "hiding"

    def __init__(self) -> None:
        object.__setattr__(self, "exponent", 2.0)
        object.__setattr__(self, "secret", 3)


def magnitude(model, reference):
    return {}


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        (Hiding(), "Scorer 'hiding' "),
        (magnitude, "the scorer name 'magnitude' is already taken by sparc3-bench"),
        (type("Nameless", (Power,), {"name": None}), "lacks the class attribute `name`"),
    ],
)
def test_scorers_that_no_record_could_name_are_refused(tmp_path, scorer, expected):
    with pytest.raises(sb.Sparc3Error) as refused:
        sb.score(make_model("llama"), None, scorer, reference=[[3, 4]], cache=tmp_path)
    assert expected in str(refused.value)


def interrupted(model, mask, expected) -> None:
    with sb.prune(model, mask):
        assert same(bits(model), expected)
        raise KeyboardInterrupt


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("unit", "group"), [("weight", "row"), ("neuron", "layer"), ("head", "model")]
)
def test_a_mask_is_what_the_selection_keeps_and_every_bit_comes_back(
    tmp_path, architecture, unit, group
):
    model = make_model(architecture)
    scores = sb.score(model.train(), scorer="magnitude", cache=tmp_path)
    mask = sb.mask(scores, 0.5, unit=unit, group=group)
    assert model.training
    view = make_view(architecture)
    keep = select(scores, 0.5, view, unit=unit, group=group)
    with view.masked(keep):
        expected = bits(view.model)
    before, held = bits(model), [parameter.data_ptr() for parameter in model.parameters()]
    with pytest.raises(KeyboardInterrupt):
        interrupted(model, mask, expected)
    assert same(bits(model), before)
    assert [parameter.data_ptr() for parameter in model.parameters()] == held
    assert mask.removed == keep.removed + keep.removed_biases
    assert f"{mask.removed:,} of" in repr(mask)
    assert "<table>" in mask._repr_html_()
    assert sb.prune(model, mask, in_place=True) is None
    assert same(bits(model), expected)
    assert [parameter.data_ptr() for parameter in model.parameters()] == held


def test_scores_of_ones_own_take_the_model_that_they_are_of(tmp_path):
    model = make_model("gpt2")
    own = {
        name: torch.rand_like(weight.matrix) for name, weight in make_view("gpt2").weights().items()
    }
    with pytest.raises(sb.Sparc3Error, match="do not say of which model they are"):
        sb.mask(own, 0.5)
    mask = sb.mask(own, 0.5, model=model)
    assert all(mask[name].shape == model.get_parameter(name).shape for name in mask)
    with pytest.raises(sb.Sparc3Error, match="must be a transformers model in memory, got str"):
        sb.prune("llama", mask)
    with pytest.raises(sb.Sparc3Error, match="which a LlamaForCausalLM does not have"):
        sb.prune(make_model("llama"), mask)
    with pytest.raises(sb.Sparc3Error, match="taken from the whole model"):
        sb.mask(own, 3, count=True, group="row", model=model)
    assert sb.mask(own, 3, count=True, model=model).removed == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_saved_loads_and_its_mask_is_read_back(tmp_path, dtype):
    model = make_model("llama", dtype)
    scores = sb.score(model, scorer="magnitude", reference=[[3, 4]], cache=tmp_path / "cache")
    mask = sb.mask(scores, 0.37, group="model")
    folder = sb.save_pruned(model, mask, tmp_path / "out", make_tokenizer())
    again = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    with sb.prune(model, mask):
        assert same(bits(again), bits(model))
    assert again.dtype == dtype
    read = sb.load_mask(folder)
    assert read.keys() == mask.keys()
    assert all(torch.equal(read[name], mask[name]) for name in read)
    packed = (folder / "mask.safetensors").stat().st_size
    assert packed < sum(keep.numel() for keep in mask.values()) / 8 + 6000
    assert AutoTokenizer.from_pretrained(folder)("w7")["input_ids"] == [7]
    sb.save_pruned(model, mask, folder)  # its own folder is replaced
    (folder / "mine.txt").touch()
    with pytest.raises(sb.Sparc3Error, match="holds other things than a pruned model"):
        sb.save_pruned(model, mask, folder)
    (folder / "mask.safetensors").write_bytes(b"none")
    with pytest.raises(sb.Sparc3Error, match=r"The mask .* cannot be read"):
        sb.load_mask(folder)


def test_a_named_model_is_saved_in_the_format_of_its_files(world, tmp_path):
    place = world.folder / "in/llama"
    scores = sb.score(place, scorer="magnitude", cache=tmp_path / "cache")
    mask = sb.mask(scores, 0.5)
    folder = sb.save_pruned(place, mask, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(place)
    with sb.prune(model, mask):
        assert same(bits(AutoModelForCausalLM.from_pretrained(folder)), bits(model))
    assert AutoTokenizer.from_pretrained(folder)("w7")["input_ids"] == [7]


@pytest.fixture(scope="module")
def found(world):
    model, tokenizer = world.loaded("llama")
    before = bits(model.train())
    results = sb.run(
        [activation_norm, "wanda", Power(exponent=3.0)],
        "compression",
        model,
        tokenizer,
        amounts=[0.3, 0.6],
        seeds=[0, 1],
        controls=2,
        task_options=world.options,
        results=world.folder / "found",
        cache=world.cache,
    )
    assert same(bits(model), before)
    assert model.training
    return results


def test_a_run_has_the_numbers_of_the_command(world, found):
    theirs = read_result(run(world.folder, "wanda", results=world.folder / "command"))
    (ours,) = [one for one in found if (one.spec.scorer.name, one.spec.seed) == ("wanda", 0)]
    assert [at.metrics for at in ours.points] == [at.metrics for at in theirs.points]
    assert ours.spec.model.label == "as it was in memory"
    assert ours.spec.model.weight_digest != theirs.spec.model.weight_digest


def test_results_display_with_intervals_and_come_back_from_their_folder(world, found):
    assert len(found) == 6
    assert [one.spec.scorer.name for one in found[:2]] == ["activation-norm"] * 2
    text = repr(found)
    assert "| Activation norm | " in text
    assert "| Wanda, seed 1 | " in text
    assert text.count(" [") >= 12
    assert "<table>" in found._repr_html_()
    again = sb.load_results(world.folder / "found")
    assert {one.key for one in again} == {one.key for one in found}
    frame = again.to_pandas()
    assert len(frame) == 6 * 3 * 2
    wanda = frame[(frame.scorer == "wanda") & (frame.seed == 0) & (frame.metric == "perplexity")]
    assert (wanda.low < wanda.value).all()
    assert (wanda.value < wanda.high).all()
    assert wanda.versus_random.notna().sum() == 2
    assert repr(found + found) == repr(sb.Results([*found, *found]))


def test_without_pandas_there_is_a_sentence(found, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(sb.Sparc3Error, match="needs pandas, which is not installed"):
        found.to_pandas()


def test_what_is_there_is_not_run_again_whatever_object_it_was(world, found):
    model, tokenizer = world.loaded("llama")
    written = {path: path.stat().st_mtime_ns for path in (world.folder / "found").rglob("*.json")}
    again = sb.run(
        [Power(exponent=3.0), activation_norm],
        "compression",
        model,
        tokenizer,
        amounts=[0.3, 0.6],
        seeds=[0, 1],
        controls=2,
        task_options=world.options,
        results=world.folder / "found",
        cache=world.cache,
    )
    assert {one.key for one in again} < {one.key for one in found}
    assert {p: p.stat().st_mtime_ns for p in (world.folder / "found").rglob("*.json")} == written


def test_a_comparison_has_ranks_and_paired_differences(found):
    compared = sb.compare(found)
    rows = list(compared.rows())
    assert {row["amount"] for row in rows} == {0.3, 0.6}
    names = {"Activation norm", "Wanda", "Power"}
    assert {row["first"] for row in rows} | {row["second"] for row in rows} == names
    assert all(row["low"] <= row["difference"] <= row["high"] for row in rows)
    both = [row for row in rows if {row["first"], row["second"]} == {"Activation norm", "Wanda"}]
    assert all(np.isclose(row["difference"], 1, atol=1e-3) for row in both)
    assert "| Power | " in repr(compared)
    assert "rank" in repr(compared)
    assert "<table>" in compared._repr_html_()
    with pytest.raises(sb.Sparc3Error, match="No two of these results may be compared"):
        sb.compare(found[:1])


def failing(model, reference):
    raise ValueError("no")


def test_a_scorer_that_fails_is_a_result_and_the_others_go_on(world, tmp_path):
    model, tokenizer = world.loaded("opt")
    found = sb.run(
        [failing, "magnitude"],
        model=model,
        tokenizer=tokenizer,
        amounts=[0.5],
        task_options=world.options,
        results=tmp_path,
        cache=world.cache,
    )
    assert [one.status for one in found] == ["failed", "ok"]
    assert "failed: ValueError: no" in repr(found)
    with pytest.raises(sb.Sparc3Error, match="Unknown task 'compresion'"):
        sb.run("wanda", "compresion", model, tokenizer, results=tmp_path, cache=world.cache)
    with pytest.raises(sb.Sparc3Error, match="Unknown option of task 'compression'"):
        sb.run(
            "wanda",
            model=model,
            tokenizer=tokenizer,
            task_options={"winds": 3},
            results=tmp_path,
            cache=world.cache,
        )
    with pytest.raises(sb.Sparc3Error, match="Two scorers are called 'wanda'"):
        sb.run(["wanda", "wanda"], model=model, tokenizer=tokenizer, results=tmp_path)


def test_nothing_of_a_model_stays_behind(world, tmp_path):
    model, tokenizer = world.loaded("llama")
    sb.score(model, tokenizer, "lrp", reference=[[3, 4, 5]], cache=tmp_path)
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    assert sum(hooks) == 0
    import weakref

    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
