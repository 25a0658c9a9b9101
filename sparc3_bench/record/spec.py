"""RunSpec: everything that determines a run, and the key that names it."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from operator import not_
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

from sparc3_bench.printable import hidden_in
from sparc3_bench.types.conventions import Controls, Conventions, StabilitySeeds
from sparc3_bench.types.samples import ProductDtype

PLUGIN_NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"
"""What a plugin may be called."""

MOST_TITLE = 200
"""Characters of a title."""

MOST_AMOUNTS = 1_000
"""Points of a curve."""


def _shown(text: str, *, line: bool = False) -> str:
    if (found := hidden_in(text, line=line)) is not None:
        why = "does not belong into one line" if line else "is one that no reader sees"
        raise ValueError(f"the character {found} {why}; leave it out")
    return text


Line = Annotated[str, Field(max_length=500), AfterValidator(partial(_shown, line=True))]
"""A name, an id or a title of others."""

Words = Annotated[str, Field(max_length=20_000), AfterValidator(_shown)]
"""What others say, of several lines perhaps."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]*$", max_length=64)]
"""Hex digits; none in some old records."""


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, without spaces, refusing numbers that are not finite."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(value: Any, digits: int = 12) -> str:
    """Return the first hex digits of the SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:digits]


class OnDisk(BaseModel):
    """A frozen part of a result file; a field it does not know is an error.

    One that came later than a record is left out of it while it is empty, so that keys stay.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class PluginRef(OnDisk):
    """A plugin class as used: name, options and where it came from."""

    name: Annotated[str, Field(pattern=PLUGIN_NAME)]
    """The name users type."""
    title: Annotated[Line, Field(max_length=MOST_TITLE)]
    """The name readers see."""
    options: Annotated[dict[Line, JsonValue], Field(max_length=1_000)]
    """Every option with its value, defaults included."""
    distribution: Line
    """The Python distribution that supplied the class."""
    version: Line
    """The version of that distribution."""
    source_digest: Digest
    """SHA-256 over the plugin's Python files, first 16 hex digits."""


class TaskRef(PluginRef):
    """A task as used."""

    task_version: int
    """The task's own version; results of different versions are never ranked together."""


class JudgeRef(PluginRef):
    """A judge of texts as used."""

    weights_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of what its scores depend on: weights, vocabulary, word list."""


class ModelRef(OnDisk):
    """The model that was scored and pruned."""

    id: Annotated[Line, Field(max_length=200)]
    """What the user typed: a name, a hub id, or the name of a local folder."""
    slug: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
    """The id as a file name."""
    label: Line
    """How these weights differ from the original ones; empty when they do not."""
    model_type: Line
    """The architecture, as in the model's configuration."""
    adapter: Line
    """The adapter that presented the model."""
    weight_digest: Digest
    """SHA-256 over the weight files, by name."""
    tokenizer_digest: Digest
    """SHA-256 over the tokenizer's vocabulary and settings."""
    dtype: Line
    """The number format the model ran in; statistics are always float32 or better."""
    device: Line
    """The kind of device the model ran on."""


class DatasetRecord(OnDisk):
    """A text as used by a run."""

    purpose: Line
    """`reference` (steers the scores); anything else is measured on, e.g. `evaluation`."""
    source: Line
    """Where the text comes from."""
    digest: Digest
    """SHA-256 of the text, after cleaning."""
    token_digest: Digest
    """SHA-256 of the token ids of the windows used, in order."""
    item: Annotated[Line, Field(max_length=40)] = "window"
    """What a sample is: a window of running text, a prompt."""
    windows: int
    """How many samples were used."""
    window_length: int
    """Tokens in a sample, without `begin`; in the longest, where they differ."""
    tokens: int
    """Tokens used in all, without `begin`."""
    choice: Words
    """How the windows were chosen from the text."""
    begin: Annotated[
        tuple[Annotated[str, Field(max_length=500)], ...], Field(exclude_if=not_, max_length=1_000)
    ] = ()
    """Tokens before every sample, which are read and not scored; none where there are none."""


_MADE_BY = {"distribution", "version", "source_digest"}
"""Of a plugin, what tells only whose code it is."""


class _Subject(OnDisk):
    """What is run on what."""

    scorer: PluginRef
    """The scorer, with its options."""
    task: TaskRef
    """The task, with its options."""
    model: ModelRef
    """The model."""
    judge: JudgeRef | None
    """The judge of what models wrote; null for a task without texts, or without a judge."""
    objective: Line | None
    """The scalar that was attributed; null for a scorer that needs no reference."""
    datasets: Annotated[tuple[DatasetRecord, ...], Field(max_length=1_000)]
    """Every text used."""


class RunSpec(Conventions, _Subject):
    """Everything that determines the numbers of a run."""

    amounts: Annotated[tuple[FiniteFloat, ...], Field(max_length=MOST_AMOUNTS)]
    """Amounts asked for, rising; the first is 0."""
    controls: Controls
    """How many random circuits with the same counts were measured at every amount."""
    stability_seeds: StabilitySeeds
    """How many other reference seeds the ranking was compared with."""
    seed: int
    """Seed of the reference sampling and of stochastic scorers."""
    batch_size: Annotated[int | None, Field(ge=1, exclude_if=lambda size: size == 1)] = 1
    """How many reference samples were run at once; null for short ones together, up to 512 tokens
    with padding. In bfloat16 scores depend on it."""
    product_dtype: Annotated[ProductDtype, Field(exclude_if=lambda dtype: dtype == "float32")] = (
        "float32"
    )
    """The format that the factors of products in sums over tokens were rounded to, and a sample's
    product; sums are float32 or better."""
    limit: Annotated[int | None, Field(ge=1, exclude_if=lambda most: most is None)] = None
    """How many samples of each kind there are at most in a run that was shortened."""
    code: Annotated[
        dict[Line, Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]],
        Field(default_factory=dict, exclude_if=not_, max_length=1_000),
    ]
    """Digests of all code that the numbers rest on: of what runs a run, and of scorer, task, judge
    and adapter, with what the adapter inferred. None in records of before."""

    @property
    def key(self) -> str:
        """Twelve hex digits that name this run."""
        return content_key(self.model_dump(mode="json"))

    @property
    def question(self) -> str:
        """Twelve hex digits that name what is asked, whatever code answers it.

        Of plugins their distributions, versions and digests do not count (that of a task itself
        does), nor how many samples ran at once and on whose units products were taken.
        """
        made_by = dict.fromkeys(("scorer", "task", "judge"), _MADE_BY)
        left_out: dict[str, Any] = dict.fromkeys(("code", "batch_size", "product_dtype"), True)
        return content_key(self.model_dump(mode="json", exclude={**left_out, **made_by}))

    @property
    def path(self) -> str:
        """Where the result belongs below a results folder."""
        return self.path_of(self.key)

    def path_of(self, key: str) -> str:
        """Return the path of the run whose key is known."""
        return f"{self.task.name}/{self.model.slug}/{self.scorer.name}--{key}.json"
