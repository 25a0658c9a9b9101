"""Exported circuits: what others load is what was measured, bit for bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from circuits import READER, call, made_again, options, run, save_inputs, sentence, windows
from safetensors.torch import load_file

from sparc3_bench.assets import file_digest
from sparc3_bench.record.files import read_result
from sparc3_bench.testing.tiny import ARCHITECTURES

UNITS = ("weight", "neuron", "head")
CASES = [(a, unit, "float32") for a in ARCHITECTURES for unit in UNITS]
CASES += [(a, "weight", "bfloat16") for a in ARCHITECTURES]


class World(NamedTuple):
    """A folder with models, texts, results and exports, and the results by what they are of."""

    folder: Path
    results: dict[tuple[str, str, str], Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("circuits")
    save_inputs(folder)
    results = {}
    for architecture, unit, dtype in CASES:
        group = "layer" if unit == "head" else "model"
        made = run(folder, model=architecture, unit=unit, group=group, dtype=dtype)
        results[architecture, unit, dtype] = made
        for size in ("0.4", "0.35"):
            out = folder / "out" / f"{architecture}-{unit}-{dtype}-{size}"
            code = call("circuit", "export", made, "--size", size, "--out", out, *options(folder))
            assert code == 0
    torch.save(windows(folder), folder / "ids.pt")
    outs = sorted((folder / "out").iterdir())
    command = [sys.executable, "-c", READER, folder / "in/evaluation.txt", folder / "ids.pt", *outs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return World(folder, results)


@pytest.mark.parametrize("size", ["0.4", "0.35"])
@pytest.mark.parametrize(("architecture", "unit", "dtype"), CASES)
def test_what_others_load_gives_the_same_logits(world, architecture, unit, dtype, size):
    folder = world.folder / "out" / f"{architecture}-{unit}-{dtype}-{size}"
    theirs = torch.load(folder / "logits.pt")
    path = world.results[architecture, unit, dtype]
    made = made_again(world.folder, path)
    keep = made.circuit({"0.4": 0.6, "0.35": 0.65}[size]).mask
    ids = windows(world.folder)
    with torch.no_grad():
        dense = made.view.model(ids).logits
        with made.view.masked(keep):
            ours = made.view.model(ids).logits
    assert theirs["masked"].dtype == theirs["pruned"].dtype == ours.dtype
    assert str(ours.dtype) == f"torch.{dtype}"
    kind = torch.int32 if dtype == "float32" else torch.int16
    assert torch.equal(theirs["masked"].view(kind), ours.view(kind))
    assert torch.equal(theirs["pruned"].view(kind), ours.view(kind))
    assert not torch.equal(dense, ours)


@pytest.mark.parametrize(("architecture", "unit", "dtype"), CASES)
def test_the_pruned_model_has_the_losses_of_the_record(world, architecture, unit, dtype):
    folder = world.folder / "out" / f"{architecture}-{unit}-{dtype}-0.4"
    theirs = torch.load(folder / "logits.pt")
    point = read_result(world.results[architecture, unit, dtype]).points[2]
    rough = 1e-5 if dtype == "float32" else 2e-2
    assert list(point.samples["loss"]) == pytest.approx(theirs["losses"].tolist(), rel=rough)
    words = (world.folder / "in/evaluation.txt").read_text().split()
    assert theirs["words"].tolist() == [[int(word[1:]) for word in words]]
    about = json.loads((folder / "circuit.json").read_text())
    assert about["agreement"] == 1
    assert about["kept"] == {role: list(row) for role, row in point.kept.items()}
    assert about["measured"]["metrics"] == point.metrics
    assert about["size"]["weights_removed"] == point.amount.weights_removed
    assert about["spec"] == json.loads(world.results[architecture, unit, dtype].read_text())["spec"]


@pytest.mark.parametrize(("architecture", "unit", "dtype"), CASES)
def test_the_pruned_model_is_stored_in_the_format_of_the_original(world, architecture, unit, dtype):
    folder = world.folder / "out" / f"{architecture}-{unit}-{dtype}-0.4"
    whole = load_file(world.folder / "in" / architecture / "model.safetensors")
    pruned = load_file(folder / "pruned/model.safetensors")
    assert {n: v.dtype for n, v in pruned.items()} == {n: v.dtype for n, v in whole.items()}
    assert f'from_pretrained("pruned", dtype="{dtype}")' in (folder / "README.md").read_text()


def test_settings_of_generation_at_odds_are_exported_as_they_are(world, circuit, tmp_path):
    model = world.folder / "in/chatty"
    shutil.copytree(world.folder / "in/llama", model)
    settings = {"do_sample": False, "num_return_sequences": 4, "temperature": 0.9}
    (model / "generation_config.json").write_text(json.dumps(settings))
    path = run(world.folder, model="chatty")
    done = circuit(
        "export", path, "--size", "0.4", "--out", tmp_path / "out", *options(world.folder)
    )
    assert done.code == 0, done.err
    saved = tmp_path / "out/pruned/generation_config.json"
    assert json.loads(saved.read_text()) == settings


def test_circuit_json_names_every_file_by_its_digest(world):
    folder = world.folder / "out/gpt2-head-float32-0.35"
    about = json.loads((folder / "circuit.json").read_text())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {*about["files"], "circuit.json", "logits.pt"}
    for name, digest in about["files"].items():
        assert file_digest(folder / name) == digest
    assert about["measured"] is None
    assert about["agreement"] is None
    assert about["size"]["size"] == "0.35"
    assert (about["size"]["units"], about["size"]["units_kept"]) == (8, 4)


def test_mask_of_heads_is_stored_as_the_model_stores_it(world):
    masks = load_file(world.folder / "out/gpt2-head-float32-0.4/mask.safetensors")
    assert sorted(masks) == [f"transformer.h.{n}.attn.c_proj.weight" for n in range(2)]
    for mask in masks.values():
        heads = mask.view(4, 8, 32)  # rows are inputs in GPT-2
        assert mask.dtype == torch.bool
        assert sorted(head.all().item() == head.any().item() for head in heads) == [True] * 4
        assert sum(head.all().item() for head in heads) == 2


def test_export_without_the_model_and_with_the_track_layout(world, circuit, tmp_path):
    path, out = world.results["opt", "neuron", "float32"], tmp_path / "out"
    arguments = ("export", path, "--size", "0.5", "--out", out, *options(world.folder))
    done = circuit(*arguments, "--no-model", "--mib", "some-task_some.model")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{out}: ")
    there = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert there == [
        "README.md",
        "circuit.json",
        "mask.safetensors",
        "mib/neuron/some-task_some.model/importances.pt",
        "mib/node/some-task_some.model/importances.json",
    ]
    notes = json.loads((out / "circuit.json").read_text())["notes"]
    assert any("hidden units of MLPs" in note for note in notes)
    assert "The pruned model was not saved" in (out / "README.md").read_text()
    again = circuit(*arguments)
    assert again.code == 0, again.err
    assert sorted(p.name for p in out.iterdir()) == [
        *("README.md", "circuit.json", "mask.safetensors", "pruned")
    ]


@pytest.mark.parametrize("name", ["", "ioi", "IOI_gpt2", "a/b_c", "--no-model"])
def test_a_name_that_the_track_cannot_read_is_refused_first(world, circuit, tmp_path, name):
    path, out = world.results["opt", "neuron", "float32"], tmp_path / "below" / "out"
    arguments = ("export", path, "--size", "0.5", "--out", out, "--cache", tmp_path / "cache")
    refusal = sentence(circuit(*arguments, "--files", world.folder / "in", "--mib", name))
    assert refusal.startswith("`--mib` must be TASK_MODEL,")
    assert f"got '{name}'" in refusal
    assert list(tmp_path.iterdir()) == []


def test_the_whole_and_the_empty_circuit_can_be_exported(world, circuit, tmp_path):
    path = world.results["llama", "weight", "float32"]
    for size, count in (("1", 0), ("0", 21)):
        done = circuit(
            *("export", path, "--size", size, "--out", tmp_path / size),
            *("--no-model", *options(world.folder)),
        )
        assert done.code == 0, done.err
        assert len(load_file(tmp_path / size / "mask.safetensors")) == count


@pytest.fixture(scope="module")
def mean(world) -> Path:
    return run(world.folder, ablation="mean", unit="head")


def test_a_mask_of_replaced_inputs_is_exported_without_a_model(world, mean, circuit, tmp_path):
    arguments = ("export", mean, "--size", "0.4", "--out", tmp_path / "out")
    arguments += tuple(options(world.folder))
    assert "Ablation 'mean' replaces inputs" in sentence(circuit(*arguments))
    assert not (tmp_path / "out").exists()
    assert circuit(*arguments, "--no-model").code == 0
    assert "another model than the one measured" in (tmp_path / "out/README.md").read_text()


def test_counts_are_sizes_too(world, circuit, tmp_path):
    path = run(world.folder, unit="head", group="model", amounts="0,5", **{"count": ""})
    result = read_result(path)
    assert result.spec.amount_kind == "count"
    out = tmp_path / "out"
    done = circuit("export", path, "--remove", 5, "--out", out, *options(world.folder))
    assert done.code == 0, done.err
    about = json.loads((out / "circuit.json").read_text())
    assert (about["size"]["remove"], about["size"]["units_kept"]) == ("5", 7)
    assert "5 heads with" in circuit("show", path, "--remove", 5).out
    refusal = sentence(circuit("export", path, "--size", "0.5", "--out", tmp_path / "b"))
    assert "give `--remove`" in refusal


def test_folders_that_cannot_be_written_are_refused(world, circuit, tmp_path):
    path = world.results["llama", "weight", "float32"]
    (tmp_path / "file").touch()
    arguments = ("export", path, "--size", "0.5", "--out")
    assert "holds other things" in sentence(circuit(*arguments, tmp_path))
    assert "is a file" in sentence(circuit(*arguments, tmp_path / "file"))
    assert "is a file" in sentence(circuit(*arguments, tmp_path / "file" / "out"))


def test_scores_are_made_again_where_the_cache_is_empty(world, circuit, tmp_path):
    path = world.results["gpt2", "weight", "float32"]
    before = world.folder / "out/gpt2-weight-float32-0.35/mask.safetensors"
    arguments = ("export", path, "--size", "0.35", "--out", tmp_path / "out", "--no-model")
    done = circuit(*arguments, "--files", world.folder / "in", "--cache", tmp_path / "cache")
    assert done.code == 0, done.err
    assert (tmp_path / "out/mask.safetensors").read_bytes() == before.read_bytes()
