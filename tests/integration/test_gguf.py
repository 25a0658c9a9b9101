"""A GGUF file is a model like any other: converted once, labelled, refused in one sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from sparc3_bench.errors import ModelError
from sparc3_bench.host import default_host
from sparc3_bench.model import gguf as conversion
from sparc3_bench.model.load import FoundModel, find_model, outline_model
from sparc3_bench.testing.tiny import make_config, make_model

WORDS = ["<unk>", "<s>", "</s>", "ab", *map(chr, range(33, 125))]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def model():
    config = make_config("qwen2")
    config.intermediate_size = 64
    return make_model("qwen2", config=config)


def written(path: Path, kind: str = "F32", without: str = "", named: bool = True) -> Path:
    """Write a tiny Qwen 2 as a GGUF file whose matrices are of a type."""
    made = model()
    config = made.config
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if named:
        writer.add_file_type(
            int(gguf.LlamaFileType[f"MOSTLY_{kind}" if kind != "F32" else "ALL_F32"])
        )
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, values in made.state_dict().items():
        inside = name.removeprefix("model.layers.")
        if inside == name:
            stored = OUTSIDE[name]
        else:
            block, _, rest = inside.partition(".")
            owner, _, leaf = rest.rpartition(".")
            stored = f"blk.{block}.{NAMES[owner]}.{leaf}"
        if without and without in stored:
            continue
        numbers = values.float().numpy().astype(np.float32)
        if values.dim() == 2 and kind != "F32":
            type_ = gguf.GGMLQuantizationType[kind]
            writer.add_tensor(stored, gguf.quantize(numbers, type_), raw_dtype=type_)
        else:
            writer.add_tensor(stored, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def found(path: Path, cache: Path) -> FoundModel:
    return find_model(str(path), default_host(), cache, "float32", "cpu")


@pytest.mark.parametrize("kind", ["F32", "Q8_0"])
def test_it_is_the_model_that_was_written(kind, tmp_path):
    source = written(tmp_path / "tiny.gguf", kind)
    one = found(source, tmp_path / "cache")
    assert (one.ref.id, one.ref.model_type) == ("tiny.gguf", "qwen2")
    assert one.ref.label == {"F32": "", "Q8_0": "Q8_0, de-quantised"}[kind]
    loaded, made = one.load("all").model.state_dict(), model().state_dict()
    assert loaded.keys() == made.keys()
    for name, values in made.items():
        allowed = 0 if kind == "F32" or values.dim() == 1 else float(values.abs().max()) / 100
        assert float((loaded[name] - values).abs().max()) <= allowed
    assert one.tokenizer.get_vocab()["</s>"] == 2
    # Under HF_HUB_OFFLINE, as tests are, transformers would write that down, and move the digest.
    assert '"local_files_only": false' in (one.folder / "tokenizer_config.json").read_text()
    view, label = outline_model(str(source), default_host(), tmp_path / "cache")
    assert label == one.ref.label
    assert view.config.model_type == "qwen2"


def test_it_is_converted_once_and_again_when_damaged(tmp_path, capsys):
    source = written(tmp_path / "tiny.gguf")
    folder = found(source, tmp_path / "cache").folder
    assert "once" in capsys.readouterr().err
    source.rename(tmp_path / "other-name")  # without the ending, and with other files beside it
    (tmp_path / "config.json").write_text("{")
    assert found(tmp_path / "other-name", tmp_path / "cache").folder == folder
    assert capsys.readouterr().err == ""
    (folder / "model.safetensors").write_bytes(b"weights")
    assert found(tmp_path / "other-name", tmp_path / "cache").load("all")
    assert "is damaged" in capsys.readouterr().err


def test_of_two_that_convert_at_once_the_first_stays(tmp_path, monkeypatch):
    source, cache = written(tmp_path / "tiny.gguf"), tmp_path / "cache"
    plain = conversion._convert

    def slower(*arguments):
        monkeypatch.setattr(conversion, "_convert", plain)
        assert found(source, cache).load("all")
        plain(*arguments)

    monkeypatch.setattr(conversion, "_convert", slower)
    assert found(source, cache).load("all")
    assert len(list((cache / "models").iterdir())) == 1


def test_the_type_is_that_of_most_numbers_where_the_file_does_not_say(tmp_path):
    source = written(tmp_path / "tiny.gguf", "Q4_1", named=False)
    assert found(source, tmp_path / "cache").ref.label == "Q4_1, de-quantised"


def other_architecture(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_tensor("x", np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def cut(path: Path) -> None:
    written(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])


DAMAGED = {
    "cut short": (cut, "tiny.gguf cannot be read"),
    "no GGUF": (lambda path: path.write_bytes(b"GGUF" + bytes(40)), "tiny.gguf cannot be read"),
    "empty": (lambda path: path.touch(), "tiny.gguf .* is empty"),
    "a pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "Git LFS pointer",
    ),
    "another kind of model": (other_architecture, "clip is not supported"),
    "not whole": (lambda path: written(path, without="blk.1.ffn_up"), r"lack `model\.layers\.1"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_cannot_be_read_is_one_sentence(case, tmp_path):
    damage, words = DAMAGED[case]
    damage(tmp_path / "tiny.gguf")
    for look in (found, lambda path, cache: outline_model(str(path), default_host(), cache)):
        with pytest.raises(ModelError, match=words) as refused:
            look(tmp_path / "tiny.gguf", tmp_path / "cache")
        assert "\n" not in str(refused.value)
        assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_another_file_is_told_to_be_part_of_a_folder(tmp_path):
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="is no GGUF file; give the folder"):
        found(tmp_path / "pytorch_model.bin", tmp_path)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def head(tensors: int, fields: int) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, fields)


ARCHITECTURE = text("general.architecture") + struct.pack("<I", 8) + text("llama")
TENSOR = text("t.weight") + struct.pack("<I", 1) + struct.pack("<QIQ", 1, 0, 0) + bytes(640)
HOSTILE = {
    "no more than its name": (b"GGUF", "it is cut short, after 4 bytes"),
    "tensors without end": (head(2**60, 0), "cannot be read"),
    "fields without end": (head(0, 2**60), "it is cut short"),
    "a name without end": (head(0, 1) + struct.pack("<Q", 2**62), "a field of 4,611,686,018"),
    "a list without end": (
        head(0, 1) + text("a") + struct.pack("<IIQ", 9, 0, 2**60),
        "a field of 1,152,921,504",
    ),
    "a list of texts without end": (
        head(0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 2**60),
        "an array of 1,152,921,504",
    ),
    "lists in lists": (head(0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1), "values of kind 9"),
    "a kind nobody knows": (head(0, 1) + text("a") + struct.pack("<I", 77), "cannot be read"),
    "layers without end": (
        head(1, 2)
        + ARCHITECTURE
        + text("llama.block_count")
        + struct.pack("<II", 4, 10**9)
        + TENSOR,
        r"has llama\.block_count 1000000000, which is more than the 1,000 ",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_promises_more_than_it_holds_is_refused_at_once(tmp_path, name):
    content, told = HOSTILE[name]
    (tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=told) as caught:
        find_model(str(tmp_path / "bad.gguf"), default_host(), tmp_path / "c", "float32", "cpu")
    assert str(caught.value).startswith("The GGUF file bad.gguf ")
