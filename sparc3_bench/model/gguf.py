"""GGUF: a file of llama.cpp as a folder that transformers can load, converted once."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from sparc3_bench.assets import file_digest, known_digest, tell
from sparc3_bench.errors import ModelError
from sparc3_bench.folder.local import Folder
from sparc3_bench.model import checkpoint
from sparc3_bench.model.bounds import check_numbers
from sparc3_bench.model.opening import check_complete, empty_model, telling
from sparc3_bench.source import versions

_MANIFEST = "manifest.json"
_ORIGIN = "gguf.json"
_MAGIC = b"GGUF"
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by its kind in the file."""

_STRING, _ARRAY = 8, 9
_NEWEST = 100
_WIDE = ("F64", "F32", "F16", "BF16")
"""Number formats that nothing was lost in, or no more than in other files."""


def is_gguf(path: Path) -> bool:
    """Return whether a path is of a GGUF file, by its name or how it begins."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.suffix == ".gguf" or file.read(len(_MAGIC)) == _MAGIC


def folder_of(source: Path, cache: Path) -> Path:
    """Return the folder of a GGUF file, kept in the cache under the digest of the file.

    Raises
    ------
    ModelError
        When the file is damaged, or transformers cannot read such models.
    """
    checkpoint.check_no_pointer(source, source.name)
    folder = cache / "models" / f"gguf-{known_digest(source)[:32]}"
    return converted_gguf(folder, lambda: source)


def converted_gguf(folder: Path, find: Callable[[], Path]) -> Path:
    """Return `folder` with the de-quantised model of a GGUF file, made unless it is there intact.

    Parameters
    ----------
    folder
        Where safetensors in float32, configuration and tokenizer belong.
    find
        Returns the path of the file; not called when the folder is there.

    Raises
    ------
    ModelError
        When the file is damaged, or transformers cannot read such models.
    """
    if folder.is_dir():
        if _is_intact(folder):
            return folder
        tell(f"{folder.name} in the cache is damaged, or of another version; making it again.")
        shutil.rmtree(folder)
    source = find()
    tell(f"Converting {source.name} to float32 safetensors, once …")
    with Folder(folder.parent).scratch() as scratch:
        alone, made = scratch / "source", scratch / "model"
        alone.mkdir()
        # Beside other files transformers would read those, too.
        (alone / source.name).symlink_to(source.absolute())
        _convert(alone, source.name, made)
        digests = {path.name: file_digest(path) for path in sorted(made.iterdir())}
        (made / _MANIFEST).write_text(json.dumps(digests, indent=2) + "\n")
        try:
            made.replace(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def label_of(folder: Path) -> str:
    """Return how the weights of a converted folder differ from original ones."""
    return str(json.loads((folder / _ORIGIN).read_text())["label"])


def _convert(folder: Path, name: str, made: Path) -> None:
    way_out = "download it again, or give a folder with safetensors"
    options: dict[str, Any] = {"gguf_file": name, "trust_remote_code": False}
    with telling(f"The GGUF file {name}", way_out), _read_once():
        _check_lengths(folder / name)
        label = _label(folder / name)
        config = AutoConfig.from_pretrained(folder, **options)
        tokenizer = AutoTokenizer.from_pretrained(folder, config=config, **options)
        loaded, report = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, by name
            **options,
        )
    check_complete(report, name)
    # A model that remembers having been quantised refuses to be saved.
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = empty_model(config, name)
    fresh.load_state_dict(loaded.state_dict(), assign=True)
    fresh.tie_weights()
    fresh.save_pretrained(made)
    tokenizer.save_pretrained(made)
    # Whether a hub was to be reached is no part of a tokenizer, whose digest this moves.
    about = made / "tokenizer_config.json"
    text = about.read_text(encoding="utf-8")
    about.write_text(text.replace('"local_files_only": true', '"local_files_only": false'), "utf-8")
    told = {"label": label, "made_by": _made_by()}
    (made / _ORIGIN).write_text(json.dumps(told) + "\n")


@contextlib.contextmanager
def _read_once() -> Iterator[None]:
    """Make a file be read once, and its names: transformers asks for them hundreds of times."""
    import gguf

    read, names = functools.cache(gguf.GGUFReader), functools.cache(gguf.get_tensor_name_map)
    with (
        patch.object(gguf, "GGUFReader", lambda path, *options: read(str(path), *options)),
        patch.object(gguf, "get_tensor_name_map", names),
    ):
        yield


def _check_lengths(path: Path) -> None:
    """Refuse a file whose fields are longer than it is; the package would read them for ever.

    Raises
    ------
    ValueError
        When a field ends behind the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:

        def number(form: str = "Q") -> int:
            content = file.read(struct.calcsize(form))
            if len(content) < struct.calcsize(form):
                raise ValueError(f"it is cut short, after {size:,} bytes")
            return int(struct.unpack(f"<{form}", content)[0])

        def skip(count: int, width: int = 1) -> None:
            if count * width > size - file.tell():
                raise ValueError(f"a field of {count * width:,} bytes in a file of {size:,}")
            file.seek(count * width, 1)

        def value(kind: int) -> None:
            if kind == _STRING:
                skip(number())
            elif kind == _ARRAY:
                inner, count = number("I"), number()
                if inner in _WIDTHS:
                    skip(count, _WIDTHS[inner])
                elif inner == _STRING and count <= size:
                    for _ in range(count):
                        value(inner)
                else:
                    raise ValueError(f"an array of {count:,} values of kind {inner}")
            else:
                skip(1, _WIDTHS[kind])

        skip(len(_MAGIC))
        if number("I") > _NEWEST:
            return  # of the other order of bytes, or newer; the package tells
        skip(8)  # the number of tensors
        for _ in range(number()):
            skip(number())
            value(number("I"))


def _label(path: Path) -> str:
    """Return the type of a file, or of most of its numbers, if it loses some; what is not read."""
    import gguf

    reader = gguf.GGUFReader(path)
    check_numbers(
        {
            name: field.contents()
            for name, field in reader.fields.items()
            if name.endswith(("block_count", "head_count"))
        },
        f"GGUF file {path.name}",
    )
    count: Counter[str] = Counter()
    for tensor in reader.tensors:
        count[tensor.tensor_type.name] += int(tensor.n_elements)
    if not count:
        raise ModelError(f"The GGUF file {path.name} has no tensors; give a file of a model.")
    told = []
    if not set(count) <= set(_WIDE):
        [(kind, _)] = count.most_common(1)
        if field := reader.get_field("general.file_type"):
            with contextlib.suppress(ValueError):  # newer than the package
                kind = gguf.LlamaFileType(int(field.contents())).name.removeprefix("MOSTLY_")
        told.append(f"{kind}, de-quantised")
    # Of scaled rotary positions; transformers passes it over.
    if any(tensor.name.startswith("rope_") for tensor in reader.tensors):
        told.append("without the scaling of its positions")
    return ", ".join(told)


def _made_by() -> str:
    """Return a digest of what converts: this file, and the libraries that read and write."""
    libraries = versions(("gguf", "transformers", "safetensors"))
    content = json.dumps(libraries, sort_keys=True).encode() + Path(__file__).read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _is_intact(folder: Path) -> bool:
    """Return whether every file is as it was made, and would be made so today."""
    try:
        if json.loads((folder / _ORIGIN).read_text()).get("made_by") != _made_by():
            return False
        digests = json.loads((folder / _MANIFEST).read_text())
        return all(known_digest(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False
