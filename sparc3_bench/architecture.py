"""What the suite must know of a model: where its blocks are, what is in them, where it is from."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar


class Role(enum.StrEnum):
    """What a module inside a decoder block does; adapters name roles, rules are chosen by role."""

    QUERY = "query"
    """A matrix whose outputs are the queries."""
    KEY = "key"
    """A matrix whose outputs are the keys."""
    VALUE = "value"
    """A matrix whose outputs are the values."""
    QUERY_KEY_VALUE = "query-key-value"
    """One matrix whose rows are queries, then keys, then values, a third each."""
    ATTENTION_OUTPUT = "attention-output"
    """The matrix that reads what the heads put out."""
    GATE = "gate"
    """The matrix of an MLP before the activation whose output gates that of `UP`."""
    UP = "up"
    """The matrix of an MLP that makes its hidden units."""
    DOWN = "down"
    """The matrix of an MLP that reads its hidden units."""
    ACTIVATION = "activation"
    """The activation function of an MLP."""
    RMS_NORM = "rms-norm"
    """A norm that divides by the root mean square."""
    LAYER_NORM = "layer-norm"
    """A norm that subtracts the mean and divides by the standard deviation."""


class ModelAdapter(ABC):
    """What the suite must know of an architecture: where its blocks are and what is in them.

    The model's own forward runs, always; an adapter only names things.
    """

    name: ClassVar[str]
    """Typed by users, kebab-case."""
    model_types: ClassVar[tuple[str, ...]]
    """The ``config.model_type`` values served."""
    blocks: ClassVar[str]
    """Path of the list of decoder blocks, e.g. ``"model.layers"``."""
    transposed: ClassVar[bool] = False
    """Whether ``module.weight`` is stored ``[in_features, out_features]``."""

    @abstractmethod
    def roles(self, config: Any) -> Mapping[str, Role]:
        """Return the role of every module of a block that has one, by path inside the block."""

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the normalisations outside the blocks, by path in the model."""
        return {}

    def heads(self, config: Any) -> int:
        """Return the number of query heads of a block."""
        return int(config.num_attention_heads)

    def tiny_config(self, model_type: str) -> Any:
        """Return a small configuration to check the adapter with; None when the usual sizes do.

        The usual ones are `hidden_size`, `num_hidden_layers` and so on; see
        `sparc3_bench.testing`.
        """
        return None


class ModelSource(ABC):
    """A model with a name of its own that does not come from a hub."""

    name: ClassVar[str]
    """Typed by users, kebab-case."""
    title: ClassVar[str]
    """Shown to readers."""
    label: ClassVar[str]
    """Printed beside every result, e.g. how the weights differ from the original ones."""
    licence: ClassVar[str]
    """Under which the weights may be used."""

    @abstractmethod
    def fetch(self, cache: Path) -> Path:
        """Return a local folder that transformers can load, making it on first use."""
