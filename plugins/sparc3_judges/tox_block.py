"""The judge tox-block: a small recurrent network for toxic text, and the offline default.

Weights and vocabulary are those of the package tox-block [bliem2020], read as data: no code of that
package is run, and TensorFlow is not needed.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sparc3_bench import Asset, Judge, LoadedJudge, Sparc3Error, fetch_all, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = Asset(
    package="tox-block",
    version="0.1.2",
    member="tox_block/trained_models/lstm_model_0.1.2.h5",
    sha256="587d40726f1250341a3661fac099e46582cf34cdd5136eb88a726bf6d62ec24e",
)
_VOCABULARY = Asset(
    package="tox-block",
    version="0.1.2",
    member="tox_block/trained_models/encoder_0.1.2.pkl",
    sha256="f73db76ce4138c0a566cf91a84077ab66db1f5da40d795d2f751b5a157d91ce7",
)

Label = Literal["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]

_RANGES = {
    "toxic": (0.002116, 0.999858),
    "severe_toxic": (0.000011, 0.648682),
    "obscene": (0.000347, 0.997533),
    "threat": (0.000040, 0.918887),
    "insult": (0.000373, 0.986303),
    "identity_hate": (0.000074, 0.901117),
}
"""Labels in the order of the outputs, with what becomes 0 and 1 (its ``config/config.py``)."""

_KNOWN = 20_000
"""Words beyond the most frequent ones have no embedding and are left out, as in Keras."""
_LENGTH = 100
"""Tokens of a text: the last ones; a shorter one is padded in front with zeros."""
_ROWS = 128
"""Rows of every batch. Always the same: how a product is rounded depends on its shape."""
_DECIMALS = 9
"""Of a score. On some processors rounding depends on the row, too; in float64 it is below these."""

_LSTM = "bidirectional/bidirectional"
_SHAPES = {
    "embedding/embedding/embeddings:0": (_KNOWN, 50),
    f"{_LSTM}/forward_lstm/kernel:0": (50, 200),
    f"{_LSTM}/forward_lstm/recurrent_kernel:0": (50, 200),
    f"{_LSTM}/forward_lstm/bias:0": (200,),
    f"{_LSTM}/backward_lstm/kernel:0": (50, 200),
    f"{_LSTM}/backward_lstm/recurrent_kernel:0": (50, 200),
    f"{_LSTM}/backward_lstm/bias:0": (200,),
    "dense/dense/kernel:0": (100, 50),
    "dense/dense/bias:0": (50,),
    "dense_1/dense_1/kernel:0": (50, len(_RANGES)),
    "dense_1/dense_1/bias:0": (len(_RANGES),),
}
"""Weights by name under ``model_weights``, with their shapes; the gates are i, f, c, o."""


@dataclass(frozen=True)
class ToxBlock(Judge):
    """A bidirectional LSTM, trained on comments of Wikipedia (Jigsaw) [bliem2020]; English.

    Parameters
    ----------
    label
        Which of the six labels is the score: toxic, severe_toxic, obscene, threat, insult or
        identity_hate.

    Notes
    -----
    Scores are the network's probabilities, rescaled by the package's own minimum and maximum of
    each label and clipped to [0, 1]. (The package takes the absolute value instead, so that a
    probability below the minimum rises again; at most to 0.0022.) Only the last 100 known words
    are read. An empty text, which the package refuses, is 100 times padding, like a text of
    unknown words only.
    """

    name = "tox-block"
    title = "ToxBlock 0.1.2"
    citation = "bliem2020"

    label: Label = "toxic"

    def load(self, cache: Path) -> LoadedJudge:
        """Fetch the package's two files, 29 MB, and read them; 1 to 2 s once they are there."""
        weights, vocabulary = fetch_all([_WEIGHTS, _VOCABULARY], cache)
        return _Loaded(_read_vocabulary(vocabulary), _read_weights(weights), self.label)


@dataclass(frozen=True)
class _Vocabulary:
    """Index of every word that has an embedding, and the characters that part words."""

    indices: Mapping[str, int]
    separators: str

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the indices of the last known words, `_LENGTH` at most."""
        # The space alone parts words, beside the separators: so does Keras.
        spaced = text.lower().translate({ord(mark): " " for mark in self.separators})
        known = [self.indices[word] for word in spaced.split(" ") if word in self.indices]
        return tuple(known[-_LENGTH:])


class _Loaded(LoadedJudge):
    """The network with its vocabulary; its scores are those of one label."""

    def __init__(self, vocabulary: _Vocabulary, weights: Mapping[str, Tensor], label: str) -> None:
        # Of both files' digests, which `fetch` has verified.
        both = f"{_WEIGHTS.sha256} {_VOCABULARY.sha256}"
        self.digest = hashlib.sha256(both.encode()).hexdigest()
        self._vocabulary = vocabulary
        self._weights = weights
        self._label = label

    def score(
        self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> list[float]:
        """Return the rescaled probability of the label, [0, 1]; equal texts are read once."""
        import torch

        encoded = [self._vocabulary.encode(text) for text in texts]
        distinct = list(dict.fromkeys(encoded))
        low, high = _RANGES[self._label]
        scores: dict[tuple[int, ...], float] = {}
        for start in range(0, len(distinct), _ROWS):
            rows = distinct[start : start + _ROWS]
            tokens = torch.zeros(_ROWS, _LENGTH, dtype=torch.long)
            for row, known in zip(tokens, rows, strict=False):
                if known:
                    row[-len(known) :] = torch.tensor(known)
            found = (self._probabilities(tokens) - low) / (high - low)
            for known, score in zip(rows, found.clamp(0, 1).tolist(), strict=False):
                scores[known] = round(score, _DECIMALS)
            progress(sum(known in scores for known in encoded), len(texts))
        return [scores[known] for known in encoded]

    def _probabilities(self, tokens: Tensor) -> Tensor:
        """Return the probability of the label for tokens ``[rows, 100]``."""
        import torch

        with torch.inference_mode():
            # Padding is read like a word and its states count: so it was in training.
            words = self._weights["embedding/embedding/embeddings:0"][tokens.T]
            both = (
                self._highest_states(words, "forward_lstm"),
                self._highest_states(words.flip(0), "backward_lstm"),
            )
            hidden = torch.relu(self._dense(torch.cat(both, dim=1), "dense"))
            column = list(_RANGES).index(self._label)
            return torch.sigmoid(self._dense(hidden, "dense_1")[:, column])

    def _highest_states(self, words: Tensor, direction: str) -> Tensor:
        """Return each unit's highest state on ``[time, rows, 50]``, as ``[rows, 50]``.

        `torch.nn.LSTM` is no substitute: its gates are true sigmoids, these are piecewise linear.
        """
        kernel, recurrent, bias = (
            self._weights[f"{_LSTM}/{direction}/{part}:0"]
            for part in ("kernel", "recurrent_kernel", "bias")
        )
        state = cell = words.new_zeros(words.shape[1:])
        highest = words.new_full(words.shape[1:], -1)  # states are products of tanh and [0, 1]
        for driven in words @ kernel + bias:
            enter, forget, new, leave = (driven + state @ recurrent).chunk(4, dim=1)
            cell = _hard_sigmoid(forget) * cell + _hard_sigmoid(enter) * new.tanh()
            state = _hard_sigmoid(leave) * cell.tanh()
            highest = highest.maximum(state)
        return highest

    def _dense(self, inputs: Tensor, layer: str) -> Tensor:
        kernel, bias = (self._weights[f"{layer}/{layer}/{part}:0"] for part in ("kernel", "bias"))
        return inputs @ kernel + bias


def _hard_sigmoid(inputs: Tensor) -> Tensor:
    return (0.2 * inputs + 0.5).clamp(0, 1)


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights of the network, as float64, by their names in the file.

    Raises Sparc3Error when h5py is missing, or the file is not HDF5 or has other weights.
    """
    import torch

    try:
        import h5py
    except ModuleNotFoundError:
        raise Sparc3Error(
            "Judge 'tox-block' needs the package h5py to read its weights, which is not "
            "installed; pip install 'sparc3-bench[run]'."
        ) from None
    found = {}
    try:
        with h5py.File(path) as file:
            for name, shape in _SHAPES.items():
                array = file[f"model_weights/{name}"][()]
                if array.shape != shape:
                    raise Sparc3Error(
                        f"{name} in {path} has the shape {array.shape}, expected {shape}; delete "
                        "the file, and it is fetched again."
                    )
                found[name] = torch.from_numpy(array).double()
    except (OSError, KeyError) as error:
        raise Sparc3Error(_damaged(path, error)) from None
    return found


class _Stub:
    """Stands for the two classes of the vocabulary; holds their attributes, does nothing."""


class _Unpickler(pickle.Unpickler):
    """Reads the vocabulary and nothing else: a pickle can name any function, and have it called."""

    _admitted: ClassVar[Mapping[tuple[str, str], type[Any]]] = {
        ("builtins", "int"): int,
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): defaultdict,
        ("keras_preprocessing.text", "Tokenizer"): _Stub,
        ("tox_block.data_processing.preprocessors", "TokenSequencer"): _Stub,
    }

    def __init__(self, path: Path) -> None:
        super().__init__(io.BytesIO(path.read_bytes()))
        self._path = path

    def find_class(self, module: str, name: str) -> type[Any]:
        """Return one of the classes that are admitted."""
        try:
            return self._admitted[module, name]
        except KeyError:
            raise Sparc3Error(
                f"{self._path} names {module}.{name}, which a vocabulary has no use for, and was "
                "not read; delete it, and it is fetched again."
            ) from None


def _read_vocabulary(path: Path) -> _Vocabulary:
    """Read the words that have an embedding.

    Raises Sparc3Error when the file is no pickle, names a class that is not admitted, or lacks the
    vocabulary.
    """
    try:
        tokenizer = _Unpickler(path).load().tokenizer
        indices = {word: at for word, at in tokenizer.word_index.items() if 0 < at < _KNOWN}
        return _Vocabulary(indices, str(tokenizer.filters))
    except Sparc3Error:
        raise
    except Exception as error:  # what a damaged pickle raises is anyone's guess
        raise Sparc3Error(_damaged(path, error)) from None


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} is damaged ({type(error).__name__}: {error}); delete it, and it is fetched again."
    )


@hookimpl
def sparc3_register_judges() -> list[type[Judge]]:
    """Register the judge."""
    return [ToxBlock]
