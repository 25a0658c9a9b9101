"""What every plugin has: names, and options that are declared, typed, recorded and hashed."""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from sparc3_bench.errors import Sparc3Error


def option_fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a plugin class that are options: those its constructor takes."""
    if not dataclasses.is_dataclass(cls):
        return ()
    return tuple(field for field in dataclasses.fields(cls) if field.init)


def option_types(cls: type) -> dict[str, TypeAdapter[Any]]:
    """Return by option what checks its values, ranges of an `Annotated` type among them."""
    return _option_types(cls)


@cache
def _option_types(cls: type) -> dict[str, TypeAdapter[Any]]:
    fields, found = option_fields(cls), dict[str, TypeAdapter[Any]]()
    hints = typing.get_type_hints(cls, include_extras=True) if fields else {}
    for field in fields:
        try:
            found[field.name] = TypeAdapter(hints[field.name])
        except PydanticSchemaGenerationError:  # a type that no command line can give
            continue
    return found


def option_values(cls: type, name: str) -> str:
    """Return in words what an option may be: choices, a range, or its type."""
    try:
        return _values(option_types(cls)[name].json_schema())
    except (KeyError, PydanticInvalidForJsonSchema):  # of a type that no command line can give
        return "what its class takes"


def _values(schema: dict[str, Any]) -> str:
    if some := schema.get("anyOf"):
        return " or ".join(_values(one) for one in some if one.get("type") != "null")
    if choices := schema.get("enum") or [one for one in (schema.get("const"),) if one is not None]:
        return ", ".join(map(str, choices))
    least, most = (
        [f"{word} {schema[bound]}" for bound, word in bounds.items() if bound in schema]
        for bounds in (
            {"minimum": "at least", "exclusiveMinimum": "above"},
            {"maximum": "at most", "exclusiveMaximum": "below"},
        )
    )
    return ", ".join([_TYPES.get(schema.get("type", ""), "any value"), *least, *most])


_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true, false",
    "string": "text",
    "array": "list",
}


def refusal(what: str, value: Any, error: ValidationError) -> Sparc3Error:
    """Return the error that an option has a value that it cannot have."""
    reason = error.errors()[0]["msg"].replace("Input should be", "must be")
    return Sparc3Error(f"{what} {reason}, got '{value}'.")


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
    unsaid_options: ClassVar[tuple[str, ...]] = ()
    """Options that came later: recorded only with other values than their defaults."""

    def __post_init__(self) -> None:
        """Refuse values that an option cannot have, however the plugin is made.

        Raises
        ------
        Sparc3Error
            Naming the option, its rule and the value.
        """
        for name, known in option_types(type(self)).items():
            value = getattr(self, name)
            try:
                known.validate_python(value)
            except ValidationError as error:
                raise refusal(f"Option `{name}` of '{self.name}'", value, error) from None

    def options(self) -> dict[str, Any]:
        """Return every option with its value, as JSON types; see `unsaid_options`."""
        options = {
            field.name: value
            for field in option_fields(type(self))
            if (value := getattr(self, field.name)) != field.default
            or field.name not in self.unsaid_options
        }
        for name in self.file_options:
            # The digest of what is in it is recorded with the data.
            if options[name] and (path := Path(options[name])).exists():
                options[name] = path.name or path.resolve().name
        return options
