"""Opening: the one way to a model, its configuration and its tokenizer.

No code of a model folder is ever run, and whatever transformers, safetensors or tokenizers raise
becomes one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging

from sparc3_bench.errors import ModelError, Sparc3Error
from sparc3_bench.model import checkpoint
from sparc3_bench.model.bounds import check_counts, check_numbers
from sparc3_bench.model.names import renaming

_NAMED = 3
"""How many tensors a sentence names."""


def open_config(folder: Path, model_id: str) -> Any:
    """Return the configuration of a model folder.

    Raises
    ------
    ModelError
        When it cannot be read, is of a model that cannot be pruned, or needs code of its own.
    """
    checkpoint.check_folder(folder, model_id)
    told = f"config.json of {model_id}"
    check_numbers(checkpoint.in_json(folder / "config.json", model_id), told)
    with telling(f"The {told}", "check it against the model's card"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    check_counts(config, model_id)
    # How to compute is not the folder's to say: it may name a kernel that a hub would give.
    config._attn_implementation = config._experts_implementation = None
    vars(config).pop("transformers_weights", None)  # nor which files, other than are looked at
    return config


def open_tokenizer(folder: Path, model_id: str) -> Any:
    """Return the tokenizer of a model folder.

    Raises
    ------
    ModelError
        When there is none, it cannot be read, or it knows no words.
    """
    checkpoint.check_vocabulary(folder, model_id)
    whole = folder / "tokenizer.json"
    what = whole.name if whole.is_file() else "tokenizer"
    way_out = "download or save it again, or install newer versions of tokenizers and transformers"
    with telling(f"The {what} of {model_id}", way_out):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        special = set(tokenizer.all_special_ids)
        words = sum(index not in special for index in tokenizer.get_vocab().values())
    if not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of {model_id}, {type(tokenizer).__name__}, has no fast version, and "
            "reading the texts with it would take hours; save one with a tokenizer.json there."
        )
    merges = tokenizer.vocab_files_names.get("merges_file")
    if not whole.is_file() and merges and not (folder / merges).is_file():
        raise ModelError(checkpoint.without_tokenizer(model_id, f"{merges} is missing"))
    if not words:
        raise ModelError(checkpoint.without_tokenizer(model_id, "its vocabulary is empty"))
    return tokenizer


def open_model(folder: Path, model_id: str, **options: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the model of a folder; no weight of it is made at random.

    Parameters
    ----------
    folder
        With a configuration and weights.
    model_id
        What to call it in messages.
    options
        Of transformers' `from_pretrained`, e.g. `dtype`; ``device_map="meta"`` reads no numbers.

    Returns
    -------
    tuple
        transformers' causal language model, with all its weights from the files, and what a reader
        of results must know of how they were read.

    Raises
    ------
    ModelError
        When files are missing or damaged, or weights are missing or of other sizes.
    """
    config = open_config(folder, model_id)
    names = list(checkpoint.stored(folder, model_id))
    renamed = renaming(names, empty_model(config, model_id))
    try:
        with telling("generation_config.json", ""):
            GenerationConfig.from_pretrained(folder, local_files_only=True)
    except ModelError:
        if (folder / "generation_config.json").is_file():  # not valid; nothing generates by it
            options["generation_config"] = GenerationConfig()
    with telling(f"The model {model_id}", "download it again, or save it with `save_pretrained`"):
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, by name
            key_mapping=dict.fromkeys(renamed, "") or None,
            **options,
        )
    check_complete(report, model_id)
    notes = []
    if renamed:
        wrappers = ", ".join(f"`{prefix}`" for prefix in renamed.values())
        notes.append(
            f"The names in the weight files were read without {wrappers}, which wrappers add."
        )
    if unused := sorted(report["unexpected_keys"]):
        notes.append(
            f"{len(unused)} tensors of the weight files are not part of the model and were not "
            f"read: {_listed(unused)}."
        )
    return model, tuple(notes)


def empty_model(config: Any, model_id: str) -> Any:
    """Return a model of a configuration on torch's device `meta`, without weights.

    Raises
    ------
    ModelError
        When transformers makes no causal language model of it.
    """
    way_out = "correct it, or install a transformers that knows such models"
    with telling(f"The config.json of {model_id}", way_out), torch.device("meta"):
        try:
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        except KeyError as error:  # of a table of names, such as those of activations
            if (field := _field(config.to_dict(), error.args[0])) is None:
                raise
            raise ModelError(
                f"The config.json of {model_id} has the {field} '{error.args[0]}', which "
                f"transformers does not know; {way_out}."
            ) from None


def check_complete(report: Any, model_id: str) -> None:
    """Refuse what transformers reports of weights that it would make at random.

    Parameters
    ----------
    report
        The loading info of `from_pretrained`.
    model_id
        What to call the model.

    Raises
    ------
    ModelError
        Naming the first ones, with their number.
    """
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"The weight files of {model_id} lack {_listed(missing)}, {len(missing)} of the "
            "model's tensors, which would be made at random; give a whole checkpoint of this "
            "architecture."
        )
    if sizes := sorted(report["mismatched_keys"], key=str):
        name, stored, wanted = sizes[0]
        raise ModelError(
            f"{len(sizes)} tensors of {model_id} have other sizes than its config.json says, the "
            f"first `{name}`, which is {list(stored)} and should be {list(wanted)}; give the "
            "configuration that belongs to the weights."
        )


def _field(config: Mapping[str, Any], value: object) -> str | None:
    """Return the name of the first field of a configuration that has a value, if one has it."""
    for name, own in config.items():
        if isinstance(own, Mapping) and (found := _field(own, value)):
            return found
        if isinstance(own, str) and own == value:
            return f"`{name}`"
    return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"`{name}`" for name in names[:_NAMED]) + more


@contextmanager
def telling(what: str, way_out: str) -> Iterator[None]:
    """Turn whatever is raised inside into one sentence, and let the libraries print nothing.

    Parameters
    ----------
    what
        What is read.
    way_out
        What to do when it cannot be.

    Raises
    ------
    ModelError
        With what was raised, and the way out.
    """
    logging.disable_progress_bar()  # it prints hundreds of lines into a log, for seconds of work
    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    except (Sparc3Error, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # dozens of kinds; a panic of tokenizers is no Exception
        text = str(error)
        if "trust_remote_code" in text:
            raise ModelError(
                f"{what} needs its own code, and code of a model folder is never run; choose a "
                "model whose type transformers itself knows."
            ) from None
        lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
        first = " ".join(lines[: 2 if lines[0].endswith(":") else 1]).rstrip(".")
        reason = f"{type(error).__name__}: {first[:300]}"
        raise ModelError(f"{what} cannot be read: {reason}; {way_out}.") from None
    finally:
        logging.set_verbosity(level)
