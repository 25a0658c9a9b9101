"""Checkpoint: what lies in a model folder, looked at before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from sparc3_bench.errors import ModelError
from sparc3_bench.model.header import damaged, read_header

PATTERNS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.safetensors", "*.bin")
"""Files of a hub's model that may be read."""

CONFIG_PATTERNS = ("config.json", "adapter_config.json", "generation_config.json")
"""Those that tell what a model is, without its weights."""

_SETS = ("model.safetensors", "pytorch_model.bin")
"""Where transformers looks for weights, in this order; each also as an index of shards."""

_TRAINING = ("optimizer*", "scheduler*", "rng_state*", "trainer_state.json", "global_step*")
"""What a training run leaves beside, or in place of, weights."""

_VOCABULARIES = (
    *("tokenizer.json", "*.model", "vocab.json", "vocab.txt", "*.tiktoken", "tekken.json"),
    *("vocab-src.json", "vocab.bpe", "encoder.json"),
)
"""Files that a vocabulary may be in."""

_POINTER = b"version https://git-lfs"

_MOST_WORDS = 200_000_000
"""Bytes of a file with a vocabulary, ten times the largest known; reading takes seconds."""

_MOST_SETTINGS = 100_000_000
"""Bytes of a JSON file."""

_FORMATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


def check_folder(folder: Path, model_id: str) -> None:
    """Refuse a folder that is something else than a model whose weights can be pruned.

    Raises ModelError for an adapter, for quantised weights, for a folder without a configuration,
    and for one with something else than files.
    """
    for path in folder.iterdir():
        if not path.is_file() and not path.is_dir():  # opening a pipe waits for ever
            raise ModelError(
                f"{path.name} of {model_id} is no file, but a pipe, a device or a link to nothing; "
                "remove it or download it again."
            )
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"The folder {model_id} holds an adapter such as LoRA's (adapter_config.json), not a "
            "model; merge it into its base model first (`merge_and_unload` of peft) and give a "
            "folder with the merged model alone."
        )
    if not (folder / "config.json").is_file():
        ending = "that transformers' `save_pretrained` wrote"
        if found := sorted(path.name for path in folder.glob("*.gguf")):
            raise ModelError(
                f"The folder {model_id} has no config.json, but {found[0]}; give that file itself, "
                f"or a folder {ending}."
            )
        raise ModelError(f"The folder {model_id} has no config.json; give a folder {ending}.")
    if method := _quantised(folder, model_id):
        raise ModelError(
            f"Model '{model_id}' is quantised ({method}), and quantised weights cannot be pruned; "
            "give the unquantised model."
        )


def weight_files(folder: Path, model_id: str) -> list[Path]:
    """Return the weight files that transformers reads.

    Raises ModelError when there are none, or one of the shards is missing.
    """
    for name in _SETS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index, model_id)
    raise ModelError(_without_weights(folder, model_id))


def stored(folder: Path, model_id: str) -> dict[str, str]:
    """Return the format of every tensor in the weight files, by name, e.g. ``"BF16"``.

    Raises ModelError, naming the first file that is missing, a Git LFS pointer, cut short, or
    quantised.
    """
    found: dict[str, str] = {}
    for path in weight_files(folder, model_id):
        check_no_pointer(path, model_id)
        found |= names_in(path, model_id)
    for name, kind in found.items():
        if kind not in _FORMATS and name.endswith(("weight", "weight_packed", "_scale")):
            raise ModelError(
                f"Model '{model_id}' is quantised (`{name}` is stored as {kind}), and quantised "
                "weights cannot be pruned; give the unquantised model."
            )
    return found


def names_in(path: Path, model_id: str) -> dict[str, str]:
    """Return the format of every tensor in one weight file, by name; raises as `stored`."""
    return (read_header if path.suffix == ".safetensors" else _unpickled)(path, model_id)


def stored_formats(folder: Path, model_id: str) -> set[torch.dtype]:
    """Return the formats of the floating-point numbers in the weight files."""
    return {_FORMATS[kind] for kind in stored(folder, model_id).values() if kind in _FORMATS}


def tensors(folder: Path, model_id: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of the weight files by name, one safetensors tensor in memory at a time.

    The files must be as `stored` wants them.
    """
    for path in weight_files(folder, model_id):
        if path.suffix == ".safetensors":
            for name in read_header(path, model_id):
                with safe_open(path, "pt") as file:  # what was read of a file goes when it closes
                    yield name, file.get_tensor(name)
        else:
            yield from torch.load(path, map_location="cpu", weights_only=True).items()


def check_vocabulary(folder: Path, model_id: str) -> None:
    """Refuse a folder without a file that a vocabulary may be in, or with a pointer for it."""
    files = [path for pattern in _VOCABULARIES for path in folder.glob(pattern)]
    if not files:
        raise ModelError(without_tokenizer(model_id, "none of the files of a vocabulary is there"))
    for path in files:
        check_no_pointer(path, model_id)
        if path.stat().st_size > _MOST_WORDS:
            raise ModelError(
                f"{path.name} of {model_id} has more than {_MOST_WORDS:,} bytes, more than any "
                "vocabulary; give the tokenizer that belongs to the model."
            )


def without_tokenizer(model_id: str, reason: str) -> str:
    """Return the sentence for a model without a tokenizer that can be used."""
    return (
        f"The folder {model_id} has no tokenizer ({reason}); save it there with `save_pretrained`."
    )


def check_no_pointer(path: Path, model_id: str) -> None:
    """Refuse a file that is empty, or of which Git LFS has fetched the pointer alone."""
    with path.open("rb") as file:
        start = file.read(len(_POINTER))
    if start == _POINTER:
        raise ModelError(
            f"{path.name} of {model_id} is a Git LFS pointer, not the file itself; fetch it with "
            "`git lfs pull`."
        )
    if not start:
        raise damaged(path, model_id, "is empty")


def in_json(path: Path, model_id: str) -> Mapping[str, Any]:
    """Return the object that a JSON file holds.

    Raises ModelError when it holds none.
    """
    check_no_pointer(path, model_id)
    if path.stat().st_size > _MOST_SETTINGS:
        raise damaged(path, model_id, f"has more than {_MOST_SETTINGS:,} bytes", "The ")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise damaged(path, model_id, "is nested too deeply", "The ") from None
    except (OSError, ValueError) as error:
        raise damaged(path, model_id, f"cannot be read: {error}", "The ") from None
    if not isinstance(found, dict):
        raise damaged(path, model_id, "cannot be read: it is no JSON object", "The ")
    return found


def _quantised(folder: Path, model_id: str) -> str:
    """Return by what method a model is quantised; "" where it is not."""
    config = in_json(folder / "config.json", model_id)
    inside = [value for value in config.values() if isinstance(value, dict)]
    for part in (config, *inside):
        for field in ("quantization_config", "compression_config"):
            if isinstance(told := part.get(field), dict):
                return str(told.get("quant_method") or told.get("quantization_method") or field)
    for name in ("quantize_config.json", "quant_config.json"):
        if (folder / name).is_file():
            return name
    return ""


def _shards(index: Path, model_id: str) -> list[Path]:
    told = in_json(index, model_id).get("weight_map")
    if not isinstance(told, dict) or not told:
        raise damaged(index, model_id, "names no files of weights", "The ")
    for file in told.values():
        if not isinstance(file, str) or file != Path(file).name:
            raise damaged(index, model_id, f"names {file!r}, which is no file beside it", "The ")
    names = sorted(set(told.values()))
    if missing := [name for name in names if not (index.parent / name).is_file()]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"{missing[0]}{others} of {model_id} is missing, one of {len(names)} files that "
            f"{index.name} names; download it."
        )
    return [index.parent / name for name in names]


def _without_weights(folder: Path, model_id: str) -> str:
    ending = "give a folder that transformers' `save_pretrained` wrote"
    if parts := sorted(folder.glob("*-*-of-*.safetensors")) + sorted(folder.glob("*-*-of-*.bin")):
        stem = re.sub(r"-\d+-of-\d+", "", parts[0].name)
        return (
            f"{stem}.index.json of {model_id} is missing, which says what is in {parts[0].name} "
            "and the other parts; download it."
        )
    if any(any(folder.glob(pattern)) for pattern in _TRAINING):
        return (
            f"The folder {model_id} has no weights, only the state of a training run such as its "
            f"optimiser's; {ending}."
        )
    others = [
        path.name for end in ("safetensors", "bin", "pt", "pth") for path in folder.glob(f"*.{end}")
    ]
    if others:
        return (
            f"The folder {model_id} has no weights under the names that transformers reads "
            f"({', '.join(_SETS)}), only {sorted(others)[0]}; {ending}."
        )
    return f"The folder {model_id} has no weights (*.safetensors or *.bin); {ending}."


def _unpickled(path: Path, model_id: str) -> dict[str, str]:
    """Return the formats of a torch file's tensors, without their numbers; no code in it is run."""
    again = "download it again, or save the model as safetensors"
    try:
        tensors = torch.load(path, map_location="meta", weights_only=True)
    except Exception as error:  # torch and pickle raise a dozen kinds
        first = (str(error).splitlines() or [""])[0].rstrip(".")
        raise ModelError(
            f"{path.name} of {model_id} cannot be read ({type(error).__name__}: {first}); {again}."
        ) from None
    plain = isinstance(tensors, Mapping)
    if not plain or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ModelError(
            f"{path.name} of {model_id} holds something else than tensors by name; save the model "
            "with `save_pretrained`."
        )
    known = {dtype: name for name, dtype in _FORMATS.items()}
    return {name: known.get(t.dtype, str(t.dtype)) for name, t in tensors.items()}
