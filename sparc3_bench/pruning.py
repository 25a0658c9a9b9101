"""Allocation and Repair: what pruning takes beside scores; the door for authors of either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sparc3_bench.configurable import Configurable

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.types.masks import KeepMask
    from sparc3_bench.types.model import Model
    from sparc3_bench.types.samples import ReferenceSamples

GroupShares = Mapping[str, "Tensor | float"]
"""By name of a matrix or block, which share of each of its comparison groups goes: a number in
[0, 1] for all, or ``[groups]``."""


@dataclass(frozen=True)
class Allotting:
    """What an allocation is asked.

    Attributes
    ----------
    amount
        The share of all that goes, in (0, 1).
    scores
        By name of the matrix, or by index of the block as text, the scores of its comparison
        groups, ``[groups, size]``: a group is a row, or with `layer` the whole. The lowest go.
    blocks
        By the same names, the index of the decoder block.
    lent
        By what `Allocation.scorers` says, the scores of that scorer in the same shapes.
    loss
        Runs the model over the reference samples without such shares of the lowest, and returns
        its mean loss in nats a token.
    """

    amount: float
    scores: Mapping[str, Tensor]
    blocks: Mapping[str, int]
    lent: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    loss: Callable[[GroupShares], float] | None = None


class Allocation(Configurable, ABC):
    """How much goes of each comparison group.

    Options are the fields of a frozen dataclass, as for a scorer.
    """

    citation: ClassVar[str] = ""
    """Where it comes from, as for a scorer."""
    needs_loss: ClassVar[bool] = False
    """Whether it measures the model, by `Allotting.loss`."""

    @property
    def scorers(self) -> tuple[str, ...]:
        """The scorers whose scores it looks at beside those that rank."""
        return ()

    @abstractmethod
    def shares(self, asked: Allotting) -> GroupShares:
        """Return which share of each comparison group goes, for every name of `asked.scores`.

        Of a group floor(share × size) go, whatever that comes to in all.
        """


@dataclass(frozen=True)
class NewValues:
    """New values of what is kept; what is not named stays as it is.

    Attributes
    ----------
    weights
        By name ``[out_features, in_features]``; what is removed reads zero whatever is in it.
    biases
        By name of the matrix ``[out_features]``.
    """

    weights: Mapping[str, Tensor] = field(default_factory=dict)
    biases: Mapping[str, Tensor] = field(default_factory=dict)


class Repair(Configurable, ABC):
    """What becomes of weights that are kept when others are removed.

    Options are the fields of a frozen dataclass, as for a scorer.
    """

    citation: ClassVar[str] = ""
    """Where it comes from, as for a scorer."""
    needs_biases: ClassVar[bool] = False
    """Whether a model without biases is refused."""

    @abstractmethod
    def repair(self, model: Model, keep: KeepMask, reference: ReferenceSamples) -> NewValues:
        """Return the new values; leave model and process as they were.

        Parameters
        ----------
        model
            The dense model. Use its `weights`, `observe` and `run`.
        keep
            By name of the matrix what is kept; matrices that it does not name are kept whole.
        reference
            The samples that steered the scores.
        """
