"""The judge detoxify: the usual classifier of toxic comments, for machines that have its weights.

Weights come from GitHub, where the package detoxify [hanu2020detoxify] has them, configuration and
tokenizer from a model hub, or all from local files. No code in a checkpoint is run.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sparc3_bench import Judge, LoadedJudge, Sparc3Error, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["original", "unbiased", "multilingual", "original-small", "unbiased-small"]
"""The package's names: three on BERT, RoBERTa and XLM-RoBERTa (base), two on ALBERT."""

_RENAMED = {
    "toxic": "toxicity",
    "identity_hate": "identity_attack",
    "severe_toxic": "severe_toxicity",
}
"""Labels of the first models, which the package shows under the later names."""

_FAMILIES = ("albert", "bert", "roberta", "xlm-roberta")
"""Types of the transformers that the package's models are."""


@dataclass(frozen=True)
class Detoxify(Judge):
    """Detoxify's transformers, trained on the comments of three Jigsaw contests.

    Parameters
    ----------
    model
        Which of the package's models to download; not used with `checkpoint`.
    checkpoint
        A local file in the package's format instead; of it weights, names and numbers are read, and
        code in it is refused.
    config
        A folder with ``config.json`` and the tokenizer's files of the transformer, e.g. those of
        bert-base-uncased; empty for the hub. (The package's own option for this asks the hub all
        the same.)
    label
        Which label is the score, under the package's names: toxicity, severe_toxicity, obscene,
        threat, insult, identity_attack, and what else the model has.
    batch_size
        Texts at a time.

    Notes
    -----
    Scores are as the package predicts them [hanu2020detoxify]: sigmoids, of the first 512 tokens or
    what the transformer has positions for. Equal texts are read once.
    """

    name = "detoxify"
    title = "Detoxify"
    citation = "hanu2020detoxify"

    model: Model = "original"
    checkpoint: str = ""
    config: str = ""
    label: str = "toxicity"
    batch_size: Annotated[int, Field(ge=1)] = 32

    def load(self, cache: Path) -> LoadedJudge:
        """Load weights, configuration and tokenizer.

        Downloads lie where the package has them too, in the caches of torch and transformers.

        Raises Sparc3Error when the package, a file or a folder is missing, a download fails, or the
        checkpoint is of the wrong shape, does not fit its configuration or lacks the label.
        """
        # Without it transformers takes the values of its own, silently.
        if self.config and not Path(self.config, "config.json").is_file():
            raise Sparc3Error(
                f"Option `config` of judge 'detoxify' is '{self.config}', which is no folder with "
                "a config.json; give one with that and the tokenizer's files."
            )
        content, source = self._read()
        origin, outputs, classes, weights = _parts(content, source)
        if self.label not in classes:
            known = ", ".join(classes)
            raise Sparc3Error(f"Unknown label '{self.label}' of {source}. Available: {known}.")
        origin = self.config or origin
        model, tokenizer = _built(origin, outputs, weights, source)
        _check_tokenizer(tokenizer, model, origin, self.config)
        return _Loaded(
            _digest(weights, tokenizer),
            model,
            tokenizer,
            classes.index(self.label),
            self.batch_size,
        )

    def _read(self) -> tuple[Any, str]:
        """Return what the checkpoint holds, and its name in a sentence."""
        import torch

        if not self.checkpoint:
            address = _package().MODEL_URLS[self.model]
            try:
                content = torch.hub.load_state_dict_from_url(
                    address, map_location="cpu", weights_only=True, check_hash=True
                )
            except Exception as error:  # network, disk, unpickling
                raise Sparc3Error(
                    f"Detoxify's model '{self.model}' cannot be downloaded ({_told(error)}); give "
                    "its file by option `checkpoint`, or use judge 'tox-block', which needs none."
                ) from None
            return content, f"Detoxify's model '{self.model}'"
        path = Path(self.checkpoint)
        if not path.is_file():
            raise Sparc3Error(
                f"Option `checkpoint` of judge 'detoxify' is '{path}', which is no file; give a "
                "checkpoint of Detoxify, or leave the option out to download one."
            )
        try:
            return torch.load(path, map_location="cpu", weights_only=True), f"checkpoint {path}"
        except Exception as error:  # torch raises a dozen kinds
            raise Sparc3Error(
                f"The checkpoint {path} cannot be read ({_told(error)}); give one of Detoxify."
            ) from None


class _Loaded(LoadedJudge):
    """A classifier with its tokenizer; its scores are those of one label."""

    def __init__(self, digest: str, model: Any, tokenizer: Any, column: int, rows: int) -> None:
        self.digest, self._column, self._rows = digest, column, rows
        self._model, self._tokenizer = model.eval(), tokenizer
        positions = model.config.max_position_embeddings
        if "roberta" in model.config.model_type:
            # Its positions are counted from behind the index of padding.
            positions -= model.config.pad_token_id + 1
        self._longest = min(tokenizer.model_max_length, positions)

    def to(self, device: str) -> bool:
        """Read on a device."""
        return bool(self._model.to(device))

    def score(
        self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> list[float]:
        """Return the probability of the label, [0, 1]; one that is no number raises.

        A text's score depends on the others by errors of rounding only, about 1e-7.
        """
        # Texts of like length together: then there is little padding.
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        scores: dict[str, float] = {}
        for start in range(0, len(distinct), self._rows):
            batch = distinct[start : start + self._rows]
            scores.update(zip(batch, self._probabilities(batch), strict=True))
            progress(sum(text in scores for text in texts), len(texts))
        return [scores[text] for text in texts]

    def _probabilities(self, texts: list[str]) -> list[float]:
        import torch

        inputs = self._tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=self._longest
        )
        with torch.inference_mode():
            outputs = self._model(**inputs.to(self._model.device))[0][:, self._column]
        found: list[float] = torch.sigmoid(outputs).tolist()
        if not all(map(math.isfinite, found)):
            raise Sparc3Error(
                "Judge 'detoxify' found a score that is no number; give an undamaged checkpoint."
            )
        return found


def _package() -> Any:
    try:
        return importlib.import_module("detoxify.detoxify")
    except ModuleNotFoundError as error:
        raise Sparc3Error(
            f"Judge 'detoxify' needs the package {error.name}, which is not installed; "
            "pip install 'sparc3-bench[run,toxicity]'."
        ) from None


def _parts(content: Any, source: str) -> tuple[str, int, list[str], Mapping[str, Tensor]]:
    """Return the transformer that a checkpoint is of, its outputs, labels and weights."""
    from torch import Tensor

    try:
        arguments = content["config"]["arch"]["args"]
        origin, outputs = str(arguments["model_type"]), arguments["num_classes"]
        spare = outputs - len(content["config"]["dataset"]["args"]["classes"])
        labels = [str(name) for name in content["config"]["dataset"]["args"]["classes"]]
        weights = dict(content["state_dict"])
        if not all(isinstance(weight, Tensor) for weight in weights.values()):
            raise TypeError("`state_dict` holds something else than tensors")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Sparc3Error(
            f"The content of {source} is not as Detoxify's ({_told(error)}); it must have `config` "
            "with the arguments of model and data set, and `state_dict`."
        ) from None
    # There may be more outputs than labels: some models were trained on further ones.
    if not 0 <= spare < 1_000:
        raise Sparc3Error(
            f"The content of {source} has {len(labels)} labels and {outputs} outputs; it must have "
            "an output a label, or a few more."
        )
    return origin, outputs, [_RENAMED.get(name, name) for name in labels], weights


def _built(
    origin: str, outputs: int, weights: Mapping[str, Tensor], source: str
) -> tuple[Any, Any]:
    """Return model and tokenizer, having made sure that every weight was used."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(origin, num_labels=outputs, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(origin, trust_remote_code=False)
    except Exception as error:  # no such folder, no hub, a damaged file
        raise Sparc3Error(
            f"Configuration and tokenizer of {source} cannot be had from '{origin}' ({_told(error)}"
            "); give option `config` a folder with config.json and the tokenizer's files."
        ) from None
    if config.model_type not in _FAMILIES:
        raise _unfit(source, origin, f"type {config.model_type}, not {' or '.join(_FAMILIES)}")
    config._attn_implementation = None  # how to compute is not the folder's to say
    build = functools.partial(
        AutoModelForSequenceClassification.from_config, config, trust_remote_code=False
    )
    try:
        if config.num_hidden_layers > len(weights):
            raise ValueError(f"{config.num_hidden_layers:,} layers, {len(weights):,} tensors")
        with torch.device("meta"):  # compared before memory is taken
            empty = build()
        missing, further = empty.load_state_dict(weights, strict=False, assign=True)
        needed = {name for name, _ in empty.named_parameters()}
        # What is missing would be made at random, and layers that are too many dropped.
        if unlike := sorted(needed & {*missing} | _further(further, needed)):
            raise _unfit(source, origin, f"{len(unlike)} are on one side only, e.g. {unlike[0]}")
        with torch.random.fork_rng(devices=[]):
            model = build(dtype=torch.float32)
        model.load_state_dict(weights, strict=False)
    except Sparc3Error:
        raise
    except Exception as error:  # weights of another shape, sizes that make no model, …
        raise _unfit(source, origin, _told(error)) from None
    return model, tokenizer


def _unfit(source: str, origin: str, reason: str) -> Sparc3Error:
    return Sparc3Error(
        f"The weights of {source} do not fit the configuration in '{origin}' ({reason}); give the "
        "two that belong together."
    )


def _check_tokenizer(tokenizer: Any, model: Any, origin: str, folder: str) -> None:
    """Refuse the empty tokenizer that transformers makes when the files of one are missing.

    To it all words are unknown, so that all texts would be found equally harmless.
    """
    names = dict(type(tokenizer).vocab_files_names)
    whole = names.pop("tokenizer_file", "tokenizer.json")
    missing = [name for name in names.values() if not Path(folder, name).is_file()]
    if folder and missing and not Path(folder, whole).is_file():
        raise Sparc3Error(
            f"Option `config` of judge 'detoxify' is '{folder}', which has neither {whole} nor "
            f"{missing[0]}; give a folder with the tokenizer's files."
        )
    # Embeddings may be padded to a round number, but only by so many.
    words, embedded = len(tokenizer), model.config.vocab_size
    if not 0 <= embedded - words < 128:
        raise Sparc3Error(
            f"The tokenizer in '{origin}' knows {words:,} tokens but the model of judge 'detoxify' "
            f"{embedded:,}; give by option `config` a folder with the tokenizer that belongs to it."
        )


def _further(names: Iterable[str], needed: Iterable[str]) -> set[str]:
    """Return the names that differ from a needed one only in a number: those of more layers.

    Others are let pass, e.g. buffers and poolers that older versions of transformers saved.
    """
    kinds = {re.sub(r"\d+", "0", name) for name in needed}
    return {name for name in names if re.sub(r"\d+", "0", name) in kinds}


def _digest(weights: Mapping[str, Tensor], tokenizer: Any) -> str:
    """Return a digest of the weights and of the vocabulary that texts are cut by."""
    import torch

    vocabulary = sorted(tokenizer.get_vocab().items())
    digest = hashlib.sha256(repr(vocabulary).encode())
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(weight.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _told(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(".: ")


@hookimpl
def sparc3_register_judges() -> list[type[Judge]]:
    """Register the judge."""
    return [Detoxify]
