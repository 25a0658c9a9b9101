"""Answers: what commands print with `--json`, one object each, all in one schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Self

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

    @classmethod
    def of(cls, *things: object, **more: Any) -> Self:
        """Return what things say by attributes of the fields' names; the first that has one says.

        Fields that no thing has, or says otherwise, are in `more`; those with a default keep it.
        """
        asked = {name for name, field in cls.model_fields.items() if field.is_required()}
        for name in asked - more.keys():
            having = (one for one in things if hasattr(one, name))
            if (thing := next(having, None)) is not None:
                more[name] = getattr(thing, name)
        return cls(**more)


class Answer(Part):
    """What one command answers; `command` names it, as a literal with a default."""

    command: str

    def tell(self, as_json: bool = True, lines: Iterable[object] = ()) -> None:
        """Print it as one JSON object, or else what readers are told, which is made only then."""
        for line in [self.model_dump_json(indent=2)] if as_json else lines:
            typer.echo(line)


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
