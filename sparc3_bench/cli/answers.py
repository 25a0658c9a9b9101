"""Answers: what commands print with `--json`, one object each, all in one schema."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead; see `sparc3 schema answers`.")
]


class Part(BaseModel):
    """A part of an answer; numbers that are not finite are null."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=True
    )


class Answer(Part):
    """What one command answers; `command` names it, as a literal with a default."""

    command: str

    def tell(self) -> None:
        """Print it."""
        typer.echo(self.model_dump_json(indent=2))


def answers_schema() -> dict[str, Any]:
    """Return the JSON Schema of all answers of the commands that are loaded."""
    kinds = sorted(Answer.__subclasses__(), key=lambda kind: kind.__name__)
    schemas = (TypeAdapter(kind).json_schema(mode="serialization") for kind in kinds)
    definitions: dict[str, Any] = {}
    for kind, schema in zip(kinds, schemas, strict=True):
        definitions |= schema.pop("$defs", {})
        definitions[kind.__name__] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answers of the command `sparc3`",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": definitions,
    }
