"""Ranges of options that several tasks have."""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Length = Annotated[int, Field(ge=2)]
"""Tokens of a window: nothing is asked for the first."""
Share = Annotated[float, Field(gt=0, le=1)]
