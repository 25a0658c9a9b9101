"""A random Llama of 1B or 7B shape, scored, pruned and measured in little memory.

`python tests/benchmarks/large_model.py 1B /some/folder` writes the weights there (2 GB; 14 GB for
7B, and twice as much for scores), runs `sparc3 run` on one window of 512 tokens with the
limit that a model of that size is to be run in, prints the peak of resident memory, and removes
all of it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig

from sparc3_bench.testing.tiny import VOCABULARY, make_tokenizer

SHAPES = {
    "tiny": ({"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 4}, 4, "100kB"),
    "1B": ({"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22}, 4, "1GB"),
    "7B, 8 blocks": (
        {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 8},
        32,
        "3GB",
    ),
    **{
        f"{depth} blocks": (
            {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": depth},
            4,
            "1MB",
        )
        for depth in (4, 16, 64)
    },
    "7B": ({"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}, 32, "3GB"),
}
"""Sizes, heads of keys and values, and the memory of a run."""
WINDOW = 512


def write(folder: Path, sizes: dict[str, int], key_heads: int, vocabulary: int = 32_000) -> None:
    """Write a model of random weights in bfloat16, a file a block."""
    folder.mkdir(parents=True)
    width, inner, depth = sizes.values()
    heads = 4 if width < 1000 else 32
    LlamaConfig(
        **sizes,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=vocabulary,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    generator = torch.Generator().manual_seed(0)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        drawn = torch.empty(rows, columns, dtype=torch.bfloat16)
        return drawn.normal_(0, columns**-0.5, generator=generator)

    places: dict[str, str] = {}

    def save(file: str, tensors: dict[str, torch.Tensor]) -> None:
        save_file(tensors, folder / file, metadata={"format": "pt"})
        places.update(dict.fromkeys(tensors, file))

    narrow = width // heads * key_heads
    for index in range(depth):
        rows = {
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (narrow, width),
            "self_attn.v_proj": (narrow, width),
            "self_attn.o_proj": (width, width),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        block = {f"{name}.weight": matrix(*shape) for name, shape in rows.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            block[f"{norm}.weight"] = torch.ones(width, dtype=torch.bfloat16)
        save(
            f"model-{index:05}.safetensors",
            {f"model.layers.{index}.{name}": values for name, values in block.items()},
        )
    save("model-first.safetensors", {"model.embed_tokens.weight": matrix(vocabulary, width)})
    ends = {"lm_head.weight": matrix(vocabulary, width)}
    save(
        "model-last.safetensors",
        {**ends, "model.norm.weight": torch.ones(width, dtype=torch.bfloat16)},
    )
    index_file = folder / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"metadata": {}, "weight_map": places}))


def text(path: Path, seed: int) -> Path:
    """Write random words, enough for one window."""
    words = random.Random(seed)
    path.write_text(" ".join(f"w{words.randrange(3, VOCABULARY)}" for _ in range(4 * WINDOW)))
    return path


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measure(folder: Path, size: str, scorer: str) -> None:
    """Run it, and print what it took."""
    sizes, key_heads, memory = SHAPES[size]
    start = time.perf_counter()
    # In a process of its own: one that is begun has at first the peak of who begins it.
    writer = get_context("spawn").Process(target=write, args=(folder / "model", sizes, key_heads))
    writer.start()
    writer.join()
    say(f"written in {time.perf_counter() - start:.0f} s")
    task = {
        "reference_text": text(folder / "reference.txt", 1),
        "evaluation_text": text(folder / "evaluation.txt", 2),
        "reference_length": WINDOW,
        "evaluation_length": WINDOW,
        "reference_windows": 1,
        "evaluation_windows": 1,
    }
    start = time.perf_counter()
    command = (
        "import sys; from sparc3_bench.cli import main; sys.argv[0] = 'sparc3'; main()",
        *("run", "--scorer", scorer, "--model", str(folder / "model"), "--amounts", "0.5"),
        *("--memory", memory, "--dtype", "bfloat16", "--on", "here"),
        *("--cache", str(folder / "cache"), "--results", str(folder / "results")),
        *(part for name, value in task.items() for part in ("--task-option", f"{name}={value}")),
    )
    process = subprocess.Popen([sys.executable, "-c", *command])
    peak = 0
    while process.poll() is None:  # the process begins its own counts anew with every step
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]) * 1024)
        time.sleep(0.02)
    for path in (folder / "results").rglob("*.json"):
        found = json.loads(path.read_text())
        for phase, cost in found.get("cost", {}).items():
            peak = max(peak, cost["peak_bytes"])
            say(f"{phase}: {cost['seconds']:.0f} s, {cost['peak_bytes'] / 1e9:.2f} GB")
    say(
        f"{size}, {scorer}: peak {peak / 1e9:.2f} GB of {memory}, "
        f"{time.perf_counter() - start:.0f} s, exit code {process.returncode}"
    )


if __name__ == "__main__":
    place = Path(sys.argv[2]) / f"sparc3-large-{os.getpid()}"
    try:
        measure(place, sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else "lrp")
    finally:
        shutil.rmtree(place, ignore_errors=True)
