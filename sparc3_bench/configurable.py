"""What every plugin has: names, and options that are declared, typed, recorded and hashed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar


def option_fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a plugin class that are options: those its constructor takes."""
    if not dataclasses.is_dataclass(cls):
        return ()
    return tuple(field for field in dataclasses.fields(cls) if field.init)


class Named:
    """What users and readers call a plugin."""

    name: ClassVar[str]
    """Typed by users, kebab-case."""
    title: ClassVar[str]
    """Shown to readers."""


class Configurable(Named):
    """Options of a plugin are its dataclass fields: declared, typed, recorded and hashed."""

    file_options: ClassVar[tuple[str, ...]] = ()
    """Options that may be the path of a local file or folder; recorded without those above it."""

    def options(self) -> dict[str, Any]:
        """Return every option with its value, as JSON types."""
        options = {field.name: getattr(self, field.name) for field in option_fields(type(self))}
        for name in self.file_options:
            # The digest of what is in it is recorded with the data.
            if options[name] and (path := Path(options[name])).exists():
                options[name] = path.name or path.resolve().name
        return options
