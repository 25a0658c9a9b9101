"""OWL: blocks with more outliers keep more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import Allocation, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import Allotting, GroupShares


@dataclass(frozen=True)
class Owl(Allocation):
    """Of a block the more is kept the more of its Wanda scores are outliers [yin2024owl].

    Outliers are scores above M times the mean of their block. The shares of outliers are stretched
    to a band 2λ wide around what would be kept of all.

    Parameters
    ----------
    width
        λ, as published; at most so far a block's sparsity is from the mean.
    outlier
        M, as published: 5 or 7, by model.

    Notes
    -----
    As in the authors' code, and unlike the paper's text, a band of 2λ is filled and then shifted,
    so that the mean over blocks is exact. All matrices of a block lose the same share.
    """

    name = "owl"
    title = "OWL"
    citation = "yin2024owl"

    width: Annotated[float, Field(ge=0, lt=1)] = 0.08
    outlier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0

    @property
    def scorers(self) -> tuple[str, ...]:
        """Whose scores have the outliers."""
        return ("wanda",)

    def shares(self, asked: Allotting) -> GroupShares:
        """Return the share of each block, for all its matrices."""
        from sparc3_bench import banded_shares

        lent = asked.lent["wanda"]
        inside: dict[int, list[str]] = {}
        for name, block in asked.blocks.items():
            inside.setdefault(block, []).append(name)
        outliers = []
        for names in inside.values():
            size = sum(lent[name].numel() for name in names)
            mean = sum(float(lent[name].double().sum()) for name in names) / size
            above = sum(int((lent[name] > self.outlier * mean).sum()) for name in names)
            outliers.append(above / size)
        found = dict(zip(inside, banded_shares(outliers, asked.amount, self.width), strict=True))
        return {name: found[block] for name, block in asked.blocks.items()}


@hookimpl
def sparc3_register_allocations() -> list[type[Allocation]]:
    """Register the allocation."""
    return [Owl]
