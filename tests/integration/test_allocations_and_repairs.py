"""Allocations and repairs in runs, in `sparc3 prune`, in Python and from a stranger's plugin."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import pytest
import torch
from circuits import call
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import sparc3_bench as sb
from sparc3_bench.record.files import read_result
from sparc3_bench.testing.tiny import make_model

TASK_OPTIONS = {"reference_length": 24, "evaluation_length": 24, "reference_windows": 4}
ALLOCATIONS = ("uniform", "global", "normalised", "borrowed", "owl", "sensitivity")
REPAIRS = ("obs", "energy", "admm")
README = Path(__file__).resolve().parents[2] / "plugins/README.md"


@pytest.fixture(scope="module")
def run(three):
    def made(model="llama", scorer="wanda", **asked):
        texts = {f"{name}_text": str(three / f"{name}.txt") for name in ("reference", "evaluation")}
        results = sb.run(
            scorer,
            model=str(three / model),
            amounts=asked.pop("amounts", (0.5,)),
            task_options={**texts, **TASK_OPTIONS, "evaluation_windows": 4},
            results=three / "results",
            cache=three / "cache",
            **{"group": "row", **asked},
        )
        return results[0]

    return made


def kept_by_block(result) -> list[int]:
    return [sum(counts) for counts in zip(*result.points[1].kept.values(), strict=True)]


@pytest.mark.parametrize("model", ["llama", "gpt2", "opt"])
def test_every_allocation_and_repair_is_measured_beside_random_removals(run, model):
    for allocation, repair in zip(ALLOCATIONS, itertools.cycle(REPAIRS), strict=False):
        result = run(model, "gradient", allocation=allocation, repair=repair, controls=1)
        assert result.status == "ok", result.error
        asked = result.spec.allocation, result.spec.repair
        assert [text.partition(":")[0] for text in asked] == [allocation, repair]
        assert result.points[1].control, "a random removal of as many, repaired alike"
        total = sum(sum(counts) for counts in result.points[0].kept.values())
        assert sum(kept_by_block(result)) == pytest.approx(total / 2, rel=0.05)


def test_global_is_group_model_and_a_repair_moves_the_number_and_no_mask(run):
    joint, model = run(allocation="global"), run(group="model")
    assert joint.points[1].samples == model.points[1].samples
    plain, repaired = run(), run(repair="energy")
    assert repaired.points[1].kept == plain.points[1].kept
    assert repaired.points[1].samples != plain.points[1].samples
    assert repaired.points[0].samples == plain.points[0].samples


def test_what_says_nothing_of_them_has_the_key_it_always_had(run):
    spec = run().spec
    assert not {"allocation", "repair"} & {*spec.model_dump(mode="json")}
    assert {"allocation", "repair"} <= {*run(allocation="owl", repair="obs").spec.code}


def test_units_are_allocated_and_repaired_too(run):
    for unit in ("neuron", "head"):
        result = run(unit=unit, group="layer", allocation="normalised", repair="obs")
        assert result.status == "ok", result.error


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"group": "model", "allocation": "owl"}, "divides a fraction of the lowest among rows"),
        ({"group": "2:4", "allocation": "owl"}, "divides a fraction of the lowest among rows"),
        ({"removal": "highest", "allocation": "owl"}, "divides a fraction of the lowest"),
        ({"ablation": "mean", "repair": "obs"}, "makes up for weights that read zero"),
        ({"schedule": "blockwise", "repair": "obs"}, "hands on what each block does pruned"),
        ({"schedule": "blockwise", "allocation": "owl"}, "cannot divide an amount among them"),
        ({"allocation": "nothing"}, "Unknown allocation 'nothing'"),
        (
            {"repair": "bias"},
            "Repair 'bias' changes biases, and no matrix in scope has one; choose",
        ),
        ({"repair": "obs:damping=0"}, "Option `damping` of repair 'obs' must be"),
    ],
)
def test_what_does_not_go_together_is_refused(run, asked, told):
    with pytest.raises(sb.Sparc3Error, match=re.escape(told)):
        run(**asked)


def test_prune_writes_the_repaired_model_that_was_measured(three):
    out = three / "pruned"
    words = ["prune", "--model", str(three / "llama"), "--out", str(out), "--amount", "0.5"]
    words += ["--allocation", "owl:width=0.1", "--repair", "obs", "--controls", "1"]
    words += ["--reference", str(three / "reference.txt")]
    words += ["--held-out", str(three / "evaluation.txt"), "--cache", str(three / "cache")]
    for option in ("reference_length", "evaluation_length"):
        words += ["--task-option", f"{option}=24"]
    words += ["--task-option", "reference_windows=4", "--task-option", "evaluation_windows=4"]
    assert call(*words) == 0
    result = read_result(out / "result.json")
    assert "OWL" in (out / "report.md").read_text() or "owl" in (out / "report.md").read_text()
    keep, dense = sb.load_mask(out), load_file(three / "llama/model.safetensors")
    model = AutoModelForCausalLM.from_pretrained(out)
    stored = dict(model.named_parameters())
    moved = [n for n, kept in keep.items() if not torch.equal(stored[n][kept], dense[n][kept])]
    assert moved, "what is kept has new values"
    assert all(not stored[name][~kept].any() for name, kept in keep.items())
    assert result.points[-1].metrics["perplexity"] > 0
    report, card = ((out / name).read_text() for name in ("report.md", "README.md"))
    for text in (report, card):
        assert "; what is kept is repaired by obs:" in text
        assert "no other has changed" not in text
        assert "has its bits" not in " ".join(text.split())


def test_python_has_them_for_a_model_in_memory(three):
    model, ids = make_model("llama"), torch.randint(3, 40, (6, 16)).tolist()
    scores = sb.score(model, scorer="magnitude")
    wanda = sb.score(model, scorer="wanda", reference=ids)
    mask = sb.mask(scores, 0.5, group="row", allocation="owl:width=0.2", lent={"wanda": wanda})
    assert len({float(keep.float().mean()) for keep in mask.values()}) > 1
    with pytest.raises(sb.Sparc3Error, match="looks at the scores of 'wanda'"):
        sb.mask(scores, 0.5, group="row", allocation="owl")
    with pytest.raises(sb.Sparc3Error, match="measures losses"):
        sb.mask(scores, 0.5, group="row", allocation="sensitivity")
    values = sb.repair(model, mask, "obs", reference=ids)
    given = torch.tensor(ids)
    dense = model(given).logits
    with sb.prune(model, mask):
        plain = model(given).logits
    with sb.prune(model, mask, values=values):
        repaired = model(given).logits
        assert all(not model.get_parameter(name)[~keep].any() for name, keep in mask.items())
    assert (repaired - dense).norm() < (plain - dense).norm()
    assert torch.equal(model(given).logits, dense)
    sb.save_pruned(model, mask, three / "saved", values=values)
    again = AutoModelForCausalLM.from_pretrained(three / "saved")
    assert torch.equal(again(given).logits, repaired)


def test_a_strangers_allocation_and_repair_are_used_by_name(run, monkeypatch, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    text = next(block for block in blocks if "sparc3_register_repairs" in block)
    assert len(text.splitlines()) <= 45  # some twenty lines each
    (tmp_path / "strangers.py").write_text(text)
    info = tmp_path / "strangers-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sparc3_bench]\nstrangers = strangers\n")
    monkeypatch.syspath_prepend(tmp_path)
    from sparc3_bench.host import default_host

    default_host.cache_clear()
    try:
        names = re.findall(r'    name = "(.*)"', text)
        result = run(allocation=names[0], repair=names[1])
        assert result.status == "ok", result.error
        assert (result.spec.allocation, result.spec.repair) == (names[0], names[1])
        assert result.points[1].kept != run().points[1].kept
    finally:
        default_host.cache_clear()
        sys.modules.pop("strangers", None)
