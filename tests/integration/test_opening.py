"""A model folder that is not whole is refused in one sentence, before any work, by every door."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import sparc3_bench
from sparc3_bench.errors import ModelError
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.model.opening import open_model
from sparc3_bench.testing.tiny import ARCHITECTURES, CONFIGS, make_view, save_model, save_text

WEIGHTS = "model.safetensors"
ROOT = Path(sparc3_bench.__file__).parents[1]


def rewrite(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def change(folder: Path, how) -> None:
    weights = how({name: value.clone() for name, value in load_file(folder / WEIGHTS).items()})
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def without(*endings: str):
    return lambda folder: change(
        folder, lambda all: {n: v for n, v in all.items() if not n.endswith(endings)}
    )


def cut(share: float):
    def do(folder: Path) -> None:
        whole = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(whole[: int(len(whole) * share)])

    return do


def pointer(name: str):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    return lambda folder: (folder / name).write_text(text)


def shards(folder: Path, ending: str = "safetensors") -> None:
    whole = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    stem = "model" if ending == "safetensors" else "pytorch_model"
    names = [f"{stem}-0000{n}-of-00002.{ending}" for n in (1, 2)]
    where = {name: names[n % 2] for n, name in enumerate(whole)}
    for path in names:
        part = {name: whole[name] for name in whole if where[name] == path}
        if ending == "bin":
            torch.save(part, folder / path)
        else:
            save_file(part, folder / path, metadata={"format": "pt"})
    index = folder / f"{stem}.{ending}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))


def missing_shard(folder: Path) -> None:
    shards(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def missing_index(folder: Path) -> None:
    shards(folder)
    (folder / "model.safetensors.index.json").unlink()


def bin_without_head(folder: Path) -> None:
    whole = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    whole.pop("lm_head.weight")
    torch.save(whole, folder / "pytorch_model.bin")


def cut_bin(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    whole = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(whole[: len(whole) // 2])


def adapter(config: bool):
    def do(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
        save_file({"q.lora_A.weight": torch.zeros(2, 2)}, folder / "adapter_model.safetensors")
        if not config:
            (folder / "config.json").unlink()

    return do


def training_state(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "optimizer.bin")


def other_names(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "consolidated.safetensors")


def quantised(method: str):
    return lambda folder: rewrite(
        folder / "config.json", quantization_config={"quant_method": method, "bits": 4}
    )


def quantised_numbers(folder: Path) -> None:
    change(
        folder,
        lambda all: all | {"model.layers.0.mlp.up_proj.weight": torch.zeros(3, dtype=torch.uint8)},
    )


def wrong_width(folder: Path) -> None:
    rewrite(folder / "config.json", intermediate_size=40)


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def newer_tokenizer(folder: Path) -> None:
    rewrite(folder / "tokenizer.json", pre_tokenizer={"type": "NotYetThere"})


def own_code(folder: Path) -> None:
    (folder / "mine.py").write_text("import pathlib; pathlib.Path('ran').touch()\n")
    rewrite(
        folder / "config.json",
        model_type="mine",
        auto_map={"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"},
    )


def unknown_rope(folder: Path) -> None:
    rope = {"rope_type": "spiral", "factor": 2.0, "rope_theta": 10000.0}
    rewrite(folder / "config.json", rope_parameters=rope, rope_scaling=rope)


def infinite(folder: Path) -> None:
    def do(all):
        all["model.norm.weight"][3] = float("inf")
        return all

    change(folder, do)


def not_a_number(folder: Path) -> None:
    def do(all):
        all["model.layers.1.mlp.down_proj.weight"][0, 0] = float("nan")
        return all

    change(folder, do)


def field(**values: object):
    return lambda folder: rewrite(folder / "config.json", **values)


def header(change):
    """Return a damage of the header of the weight file, whose numbers stay."""

    def do(folder: Path) -> None:
        whole = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(whole[:8], "little")
        told = json.loads(whole[8 : 8 + length])
        change({name: about for name, about in told.items() if name != "__metadata__"}, told)
        text = json.dumps(told).encode()
        (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])

    return do


def first(**values: object):
    return header(lambda tensors, _: next(iter(tensors.values())).update(values))


def overlapping(tensors, _) -> None:
    one, other = sorted(tensors.values(), key=lambda about: about["data_offsets"])[:2]
    size = other["data_offsets"][1] - other["data_offsets"][0]
    other["data_offsets"] = [one["data_offsets"][0], one["data_offsets"][0] + size]


def endless_header(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes((2**63).to_bytes(8, "little") + whole[8:])


def outer_shard(folder: Path) -> None:
    shards(folder)
    index = folder / "model.safetensors.index.json"
    told = json.loads(index.read_text())
    name = next(iter(told["weight_map"]))
    told["weight_map"][name] = "../" + told["weight_map"][name]
    index.write_text(json.dumps(told))


def slow_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps({"<unk>": 0, "a</w>": 1}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    told = {"tokenizer_class": "CTRLTokenizer", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


CASES = {
    "a million layers": (field(num_hidden_layers=10**6), "num_hidden_layers 1000000, .* 1,000 "),
    "no layers": (field(num_hidden_layers=0), "num_hidden_layers 0, which must be 1 or more"),
    "layers below none": (field(num_hidden_layers=-3), "num_hidden_layers -3, which must be 1 or"),
    "no words": (field(vocab_size=0), "vocab_size 0, which must be 1 or more"),
    "a trillion words": (field(vocab_size=10**12), "vocab_size 1000000000000, .* 100,000,000 "),
    "a width without end": (field(hidden_size=10**9), "hidden_size 1000000000, .* 100,000,000 "),
    "a large width": (field(hidden_size=10**7), "config.json"),
    "a width below none": (field(intermediate_size=-5), "cannot be read"),
    "heads without end": (field(num_attention_heads=10**9), "num_attention_heads 1000000000, "),
    "no heads": (field(num_attention_heads=0), "config.json"),
    "a number of 400 digits": (field(extra=10**400), "extra 1000.* more than the 2,147,483,648 "),
    "a word for a number": (field(hidden_size="large"), "config.json of .* cannot be read"),
    "an epsilon that is NaN": (field(rms_norm_eps=float("nan")), "rms_norm_eps nan, which is not"),
    "a rope without a base": (
        field(rope_parameters={"rope_type": "default", "rope_theta": 0.0}),
        r"rope_parameters\.rope_theta 0\.0, which must be above 0",
    ),
    "a rope without end": (
        field(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": float("inf")}),
        r"rope_parameters\.factor inf, which is not finite",
    ),
    "a header without end": (endless_header, r"model\.safetensors .* is no safetensors file"),
    "tensors that overlap": (header(overlapping), "begins inside the tensor before it"),
    "a shape of more than there is": (first(shape=[10**9]), "bytes and by its shape"),
    "a shape below none": (first(shape=[-1, -1]), "is no safetensors file"),
    "a format nobody knows": (first(dtype="Z9"), "in the format 'Z9', which is not known"),
    "a format that is no name": (first(dtype=[]), "is no safetensors file"),
    "a shard outside the folder": (
        outer_shard,
        r"names '\.\./model-.*, which is no file beside it",
    ),
    "a pipe": (lambda folder: os.mkfifo(folder / "vocab.txt"), r"vocab\.txt .* is no file"),
    "a link to nothing": (
        lambda folder: (folder / "added.json").symlink_to("absent"),
        r"added\.json of .* a link to nothing",
    ),
    "a slow tokenizer": (slow_tokenizer, "has no fast version"),
    "a missing head": (without("lm_head.weight"), "`lm_head.weight`"),
    "missing weights": (without("up_proj.weight"), r"lack `model\.layers\.0.*3 of the model"),
    "a missing head in a torch file": (bin_without_head, "`lm_head.weight`"),
    "a torch file that is cut short": (cut_bin, r"pytorch_model\.bin"),
    "a pointer for weights": (pointer(WEIGHTS), r"model\.safetensors .* Git LFS pointer"),
    "a pointer for the tokenizer": (pointer("tokenizer.json"), r"tokenizer\.json .* Git LFS"),
    "half a file": (cut(0.5), r"model\.safetensors .* cut short"),
    "a file that ends in its header": (cut(0.01), r"model\.safetensors .* cut short"),
    "an empty file": (cut(0), r"model\.safetensors .* empty"),
    "a missing shard": (missing_shard, r"model-00002-of-00002\.safetensors .* missing"),
    "a missing index": (missing_index, r"model\.safetensors\.index\.json .* missing"),
    "an adapter": (adapter(config=True), "adapter .* merge it"),
    "an adapter alone": (adapter(config=False), "adapter .* merge it"),
    "an optimiser's state": (training_state, "no weights, only the state of a training run"),
    "weights of another name": (other_names, r"only consolidated\.safetensors"),
    "GPTQ": (quantised("gptq"), r"quantised \(gptq\).* unquantised"),
    "bitsandbytes": (quantised("bitsandbytes"), r"quantised \(bitsandbytes\)"),
    "a method nobody knows": (quantised("newest"), r"quantised \(newest\)"),
    "packed numbers": (quantised_numbers, "quantised .*up_proj"),
    "other sizes": (wrong_width, r"other sizes .*\[32, 48\] and should be \[32, 40\]"),
    "no tokenizer": (no_tokenizer, "no tokenizer"),
    "a newer tokenizer": (newer_tokenizer, r"tokenizer\.json .* cannot be read"),
    "code of its own": (own_code, "needs its own code"),
    "an unknown rope": (unknown_rope, r"`rope_type` 'spiral', which transformers does not know"),
    "an infinite parameter": (infinite, r"`model\.norm\.weight` .* NaN or infinite"),
    "a parameter that is NaN": (not_a_number, r"`model\.layers\.1\.mlp\.down_proj\.weight` "),
}


def untied(folder: Path) -> Path:
    """Save a tiny Llama with a head of its own."""
    from sparc3_bench.testing.tiny import make_config, make_model, make_tokenizer

    config = make_config("llama")
    config.tie_word_embeddings = False
    make_model("llama", config=config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def run(folder: Path, *more: object) -> list[object]:
    texts = {p: save_text(folder.parent / f"{p}.txt", 200, n) for n, p in enumerate(("r", "e"))}
    options = {
        "reference_text": texts["r"],
        "evaluation_text": texts["e"],
        **dict.fromkeys(("reference_windows", "evaluation_windows"), 2),
        **dict.fromkeys(("reference_length", "evaluation_length"), 16),
    }
    told = [
        word for pair in options.items() for word in ("--task-option", "=".join(map(str, pair)))
    ]
    return [
        *("run", "--model", folder, "--scorer", "magnitude", "--amounts", "0,0.5", *told),
        *("--dtype", "float32", "--results", folder.parent / "results"),
        *("--cache", folder.parent / "cache", *more),
    ]


@pytest.mark.parametrize("case", CASES)
def test_run_and_inspect_refuse_alike(case, tmp_path, monkeypatch, sparc3):
    damage, words = CASES[case]
    folder = untied(tmp_path / "model")
    damage(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    sentences = []
    for command in (run(folder), ["inspect", folder, "--cache", tmp_path / "cache"]):
        code, _, err = sparc3(*command)
        assert code == 2, err
        sentences.append(err.strip().splitlines()[-1])
    said = sentences[0].replace(f"{folder}", "model")
    assert said == sentences[1].replace(f"{folder}", "model")
    assert re.search(words, said), said
    assert not list((tmp_path / "results").rglob("*.json"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_folder_without_a_vocabulary_has_no_tokenizer(architecture, tmp_path):
    folder = save_model(architecture, tmp_path / "model")
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(ModelError, match="has no tokenizer"):
        find_model(str(folder), default_host(), tmp_path, "float32", "cpu")


PREFIXES = ("_orig_mod.", "module.", "model.", "module._orig_mod.", "base_model.model.")


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
@pytest.mark.parametrize("prefix", [*PREFIXES, ""])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_prefixes_of_wrappers_are_left_out(architecture, prefix, ending, tmp_path):
    folder = save_model(architecture, tmp_path / "model")
    if prefix:
        change(folder, lambda all: {prefix + name: value for name, value in all.items()})
    else:  # inside, as a compiled or sharded block has it
        change(folder, lambda all: {n.replace(".1.", ".1._orig_mod."): v for n, v in all.items()})
    shards(folder, ending)
    found = find_model(str(folder), default_host(), tmp_path, "float32", "cpu")
    view, made = found.load("all").model.state_dict(), make_view(architecture).model.state_dict()
    assert view.keys() == made.keys()
    assert all(torch.equal(view[name], made[name]) for name in made)
    if prefix != "model.":  # which transformers itself reads, where models have such a part
        assert "wrappers" in " ".join(found.notes)


def test_what_is_not_read_and_what_is_zero_is_in_the_record(tmp_path, sparc3):
    folder = untied(tmp_path / "model")

    def do(all):
        all["model.layers.0.mlp.up_proj.weight"][:] = 0
        return all | {"value_head.weight": torch.zeros(2)}

    change(folder, do)
    code, _, err = sparc3(*run(folder))
    assert code == 0, err
    [path] = (tmp_path / "results").rglob("*.json")
    warnings = json.loads(path.read_text())["warnings"]
    assert any("`value_head.weight`" in one for one in warnings)
    assert any("are already zero" in one and "1,536 of the" in one for one in warnings)
    code, out, _ = sparc3("inspect", folder)
    assert code == 0
    assert all(one in out for one in warnings)


def test_a_snapshot_of_a_hub_has_the_name_of_its_repository(tmp_path):
    snapshots = tmp_path / "hub" / "models--some-lab--A-1B" / "snapshots"
    folder = save_model("llama", snapshots / "0123456789abcdef")
    found = find_model(str(folder), default_host(), tmp_path, "float32", "cpu")
    assert (found.ref.id, found.ref.slug) == ("some-lab/A-1B", "some-lab--A-1B")


def test_a_generation_config_at_odds_stops_no_run(tmp_path):
    folder = save_model("llama", tmp_path / "model")
    rewrite(folder / "generation_config.json", num_return_sequences=4, do_sample=False)
    assert find_model(str(folder), default_host(), tmp_path, "float32", "cpu").load("all")


def test_nothing_in_the_product_may_run_the_code_of_a_folder():
    """Every call that could ask for it says no."""
    silent = []
    for path in (
        p for top in ("sparc3_bench", "plugins", "tasks") for p in (ROOT / top).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = getattr(node.func.value, "id", "")
            if node.func.attr not in ("from_pretrained", "from_config") or owner[:4] != "Auto":
                continue
            said = {one.arg: one.value for one in node.keywords}
            if not isinstance(said.get("trust_remote_code"), ast.Constant) and None not in said:
                silent.append(f"{path.name}:{node.lineno}")
    assert [one.partition(":")[0] for one in silent] == [
        "tiny.py"
    ]  # of configurations that are made there


def test_a_model_is_never_completed_by_chance(tmp_path):
    folder = untied(tmp_path / "model")
    shutil.copytree(folder, tmp_path / "whole")
    without("norm.weight")(folder)
    with pytest.raises(ModelError, match=r"lack `model\.layers\.0\.input_layernorm\.weight`"):
        open_model(folder, "model")
    assert open_model(tmp_path / "whole", "whole")[1] == ()


@pytest.mark.parametrize("named", ["flash_attention_2", "kernels-community/flash-attn", "no-such"])
def test_how_attention_is_computed_and_which_files_are_read_is_not_the_folders_to_say(
    named, tmp_path
):
    folder = save_model("llama", tmp_path / "model")
    plain = find_model(str(folder), default_host(), tmp_path, "float32", "cpu").load("all").model
    for field in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        rewrite(folder / "config.json", **{field: named})
    save_file({"no": torch.zeros(1)}, folder / "other.safetensors")
    rewrite(folder / "config.json", transformers_weights="other.safetensors")
    found = find_model(str(folder), default_host(), tmp_path, "float32", "cpu").load("all").model
    assert found.config._attn_implementation == plain.config._attn_implementation == "sdpa"
    assert found.state_dict().keys() == plain.state_dict().keys()


def test_numbers_that_models_have_are_let_pass():
    from sparc3_bench.model.bounds import check_numbers

    check_numbers(
        {
            "max_position_embeddings": 10_485_760,
            "rope_theta": 10_000_000_000,
            "rope_parameters": {"full": {"rope_theta": 1e6, "factor": 8.0, "short_factor": [1.0]}},
            "sliding_window": 2**31 - 1,
            "num_experts": 512,
            "num_nextn_predict_layers": 0,
            "time_step_limit": [0.0, float("inf")],
            "eos_token_id": [128001, 128008],
            "tie_word_embeddings": True,
            "pad_token_id": -1,
        },
        "config.json of a model",
    )
