"""The page "From Python" is one script: its blocks run from top to bottom and say what is so."""

from __future__ import annotations

import random
import re
import string
from pathlib import Path

import pytest
import torch
from docs.test_documents import ROOT, blocks
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from sparc3_bench.testing.tiny import make_config

PAGE = (ROOT / "docs/python.md").read_text()
SHORT = 20
"""Lines of the script that the page begins with, without imports, empty lines and docstrings."""


def save_english(folder: Path) -> None:
    """Save a random model with a token for every byte, and two texts of other words."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {token: index for index, token in enumerate(["<s>", "</s>", "<unk>", *letters])}
    inner = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    config = make_config("llama")
    config.vocab_size, config.max_position_embeddings = len(tokens), 512
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    for name, seed in (("reference", 1), ("held-out", 2)):
        draw = random.Random(seed)
        words = ["".join(draw.choices(string.ascii_lowercase, k=6)) for _ in range(1500)]
        (folder / f"{name}.txt").write_text(" ".join(words))


def test_the_blocks_of_the_page_run_in_order(tmp_path, monkeypatch, capsys):
    save_english(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARC3_CACHE", str(tmp_path / "cache"))
    found = blocks(PAGE, "python")
    assert len(found) > 6
    space: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(found):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), space)
    told = capsys.readouterr().out
    assert "| Input norm | 1" in told or "| Wanda | 1" in told
    assert "50.00 %" in told.replace("\N{NO-BREAK SPACE}", " ")
    assert space["results"].to_pandas().shape[0] == len(space["rows"]) > 0
    assert space["scores"].keys() == space["same"].keys() == space["cubed"].keys()


def test_the_script_of_the_page_is_about_twenty_lines():
    lines = [line.strip() for line in blocks(PAGE, "python")[0].splitlines()]
    counted = [line for line in lines if line and not line.startswith(("import", "from", '"""'))]
    assert len(counted) <= SHORT


@pytest.mark.parametrize("name", ["score", "mask", "prune", "run", "compare", "load_results"])
def test_nothing_private_is_used(name):
    assert f"sb.{name}(" in PAGE
    inside = set(re.findall(r"sparc3_bench\.[\w.]+", "".join(blocks(PAGE, "python"))))
    assert inside == {"sparc3_bench.testing"}  # which plugins import, too
