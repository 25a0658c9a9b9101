"""Options of a plugin: its dataclass fields, declared, typed, recorded and hashed."""

from __future__ import annotations

import dataclasses
from typing import Any


def option_fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a plugin class that are options: those its constructor takes."""
    if not dataclasses.is_dataclass(cls):
        return ()
    return tuple(field for field in dataclasses.fields(cls) if field.init)


class Configurable:
    """Options of a plugin are its dataclass fields: declared, typed, recorded and hashed."""

    def options(self) -> dict[str, Any]:
        """Return every option with its value, as JSON types."""
        return {field.name: getattr(self, field.name) for field in option_fields(type(self))}
