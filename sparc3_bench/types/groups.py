"""Comparison groups: the set ranked together, by the name that users type."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_PATTERN = r"^([1-9][0-9]{0,2}):([1-9][0-9]{0,2})$"
_TILES = r"^([1-9][0-9]{0,5})x([1-9][0-9]{0,5})?$|^x([1-9][0-9]{0,5})$"
_GROUPS = ("row", "layer", "model")


def _is_group(value: str) -> str:
    if value not in _GROUPS and pattern_of(value) is None and tiles_of(value) is None:
        known = "'row', 'layer', 'model', a pattern n:m with n below m, or tiles such as 16x16"
        raise PydanticCustomError("literal_error", f"Input should be {known}")
    return value


Group = Annotated[
    str,
    AfterValidator(_is_group),
    WithJsonSchema(
        {"type": "string", "pattern": rf"{'|'.join(f'^{g}$' for g in _GROUPS)}|{_PATTERN}|{_TILES}"}
    ),
]
"""The set ranked together: one output `row`, one matrix (or one block's units; `layer`), the whole
`model`; a pattern `n:m`: every m consecutive inputs of a row, or heads, of which n are kept; or
tiles of a matrix, so many rows by so many columns, all where no number is: `16x16`, `x128`."""


@dataclass(frozen=True)
class Pattern:
    """Of every so many consecutive inputs of a row, so many are kept."""

    kept: int
    of: int

    @property
    def amount(self) -> float:
        """The fraction that is removed: the only one but none and all."""
        return float(1 - Fraction(self.kept, self.of))

    def takes(self, amount: float) -> bool:
        """Return whether an amount is the pattern's own, up to how it was printed."""
        return math.isclose(amount, self.amount, rel_tol=1e-9)


def pattern_of(group: str | None) -> Pattern | None:
    """Return the pattern that a comparison group is; None for any other group."""
    found = re.match(_PATTERN, group or "")
    pattern = Pattern(*map(int, found.groups())) if found else None
    return pattern if pattern and pattern.kept < pattern.of else None


@dataclass(frozen=True)
class Tiles:
    """Parts of a matrix, each ranked by itself: so many rows by so many columns; None for all."""

    rows: int | None
    columns: int | None

    def within(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return the rows and columns of a tile of a matrix ``[out, in]``."""
        return self.rows or shape[0], self.columns or shape[1]


def tiles_of(group: str | None) -> Tiles | None:
    """Return the tiles that a comparison group is; None for any other group."""
    if (found := re.match(_TILES, group or "")) is None:
        return None
    rows, columns, alone = (int(side) if side else None for side in found.groups())
    return Tiles(rows, columns or alone)
