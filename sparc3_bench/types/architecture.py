"""What the suite must know of a model: where its blocks are, what is in them, where it is from."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
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
    OFFSET_RMS_NORM = "offset-rms-norm"
    """RMSNorm whose scale is one plus its weight."""
    LAYER_NORM = "layer-norm"
    """A norm that subtracts the mean and divides by the standard deviation."""
    SOFT_CAP = "soft-cap"
    """The module's output, or the attention scores inside it, pass a scaled tanh."""
    UNKNOWN = "unknown"
    """Bends the way of the data as nothing above does."""


@dataclass(frozen=True)
class Fused:
    """Several roles in one matrix: runs of its rows, repeated until every row has its role.

    Queries, keys and values of one block, one below the other, are
    ``Fused(((Role.QUERY, 64), (Role.KEY, 16), (Role.VALUE, 16)))``; those of each head side by
    side, for heads of 8, ``Fused(((Role.QUERY, 8), (Role.KEY, 8), (Role.VALUE, 8)))``.
    """

    runs: tuple[tuple[Role, int], ...]
    """Roles with the numbers of rows that have them."""

    def __str__(self) -> str:
        return "+".join(self.roles)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Each role once."""
        return tuple(dict.fromkeys(role for role, _ in self.runs))

    @property
    def period(self) -> int:
        """Number of rows after which the runs begin again."""
        return sum(rows for _, rows in self.runs)


class ModelAdapter(ABC):
    """What the suite must know of an architecture: where its blocks are and what is in them.

    The model's own forward runs, always; an adapter only names things.
    """

    name: ClassVar[str]
    """Typed by users, kebab-case."""
    model_types: ClassVar[tuple[str, ...]]
    """The ``config.model_type`` values served; none: any that no other adapter serves."""
    blocks: str
    """Path of the list of decoder blocks, e.g. ``"model.layers"``."""
    transposed: bool = False
    """Whether ``module.weight`` is stored ``[in_features, out_features]``."""
    neurons: str = "intermediate_size"
    """The configuration's name for the number of neurons of a block."""
    warnings: tuple[str, ...] = ()
    """What a reader of results must know of how the model was seen."""

    @classmethod
    def for_config(cls, config: Any) -> ModelAdapter:
        """Return the adapter for models of this configuration; the place to find things out.

        Raises
        ------
        ModelError
            With the reason as a clause, "its blocks …", when such models cannot be served.
        """
        return cls()

    @abstractmethod
    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the role of every module of a block that has one, by path inside the block."""

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the normalisations outside the blocks, and soft-caps, by path in the model."""
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
