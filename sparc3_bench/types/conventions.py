"""The conventions that flip rankings, each a recorded choice by a name that users type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from sparc3_bench.types.groups import Group, pattern_of, tiles_of

Unit = Literal["weight", "neuron", "head", "block"]
"""What is removed as a whole: one weight, one MLP neuron, one attention head, or one decoder block:
what is in scope of it, its attention, its MLP or both, adds nothing to what passes it."""

Schedule = Literal["one-shot", "blockwise"]
"""Scores of the dense model, or of each block behind the blocks already pruned."""

Scope = Literal["all", "attention", "mlp", "mlp-in", "mlp-out"]
"""Which matrices of the decoder blocks may be pruned; of the MLP those that make its hidden units
(`mlp-in`: up and gate), the one that reads them (`mlp-out`: down), or both. Embeddings and
`lm_head` never are."""

Ablation = Literal["zero", "mean", "resample"]
"""What removed weights read in place of their inputs: nothing, the mean of those inputs over the
reference samples, or what they are when the dense model runs the corrupted counterpart. Zero is
pruning; for neurons and heads the other two are activation patching."""

Removal = Literal["lowest", "highest"]
"""Which end of the ranking goes. `highest` at amount x removes exactly what `lowest` at 1 - x
keeps: the circuit goes and the rest stays."""

AmountKind = Literal["fraction", "count"]
"""Whether an amount is a fraction of each comparison group or a number of units in all."""

Part = Literal["test", "selection", "control", "paired"]
"""What a task measures on: reported; chosen by; random controls, which may be a sample of test; and
random controls beside what was chosen, the samples of test with only what the choice needs."""

Aggregation = Literal["signed-mean", "abs-of-mean", "mean-of-abs", "token-abs", "token-rms"]
"""How contributions of samples and tokens are combined into one score a weight.

Over samples ``s``, with ``G_s = g_s.T @ a_s`` the gradient of a matrix with inputs ``a`` and output
gradients ``g``: `signed-mean` is mean(G), `abs-of-mean` is abs(mean(G)), `mean-of-abs` is
mean(abs(G)). Over tokens: `token-abs` is mean(abs(g).T @ abs(a)) and `token-rms` is
sqrt(mean((g²).T @ (a²))), means over samples of sums over tokens.
"""

AGGREGATIONS: tuple[str, ...] = get_args(Aggregation)
"""The names above."""

Controls = Annotated[int, Field(ge=0, le=1000)]
"""How many random circuits are measured beside a run."""

StabilitySeeds = Annotated[int, Field(ge=0, le=100)]
"""How many other reference seeds a ranking is compared with."""


def groups_of(unit: Unit, group: str) -> tuple[str, ...]:
    """Return the groups that a unit is ranked in, the usual one first; a pattern as it is given."""
    pattern = () if pattern_of(group) is None else (group,)
    tiles = () if tiles_of(group) is None else (group,)
    return {
        "weight": ("row", "layer", "model", *pattern, *tiles),
        "neuron": ("layer", "model"),
        "head": ("layer", "model", *pattern),
        "block": ("model",),
    }[unit]


UNIFORM, NO_REPAIR = "uniform", "none"
"""The allocation and the repair of what says nothing of them: keys of before have none."""

TypedPlugin = Annotated[str, Field(min_length=1, max_length=200)]
"""A plugin with its options as users type them, and all of them in records."""


@dataclass(frozen=True)
class Phrases:
    """How a convention is told to readers.

    In the words, `{value}` is what was chosen, `{left}` and `{right}` what stands on both sides of
    a colon in it, `{units}` and `{Units}` are what is removed, `{inputs}` what a pattern counts,
    and `{matrix}` and `{layer}` the part of the model that a layer is for it.

    Attributes
    ----------
    clause
        By value, its part of a sentence; empty where it goes without saying.
    brief
        The same in a few words.
    brief_of
        By value, other few words.
    of_removal
        Whether it says what happens to what is removed, which is told after what is ranked.
    open, open_clause
        How values are written that have no clause of their own, and by a sign that is in one what
        its clause is; empty where there are none.
    """

    clause: Mapping[str, str]
    brief: str = "{value}"
    brief_of: Mapping[str, str] = field(default_factory=dict)
    of_removal: bool = False
    open: tuple[str, ...] = ()
    open_clause: Mapping[str, str] = field(default_factory=dict)

    def said(self, value: str) -> str:
        """Return the clause of a value."""
        told = (clause for sign, clause in self.open_clause.items() if sign in value)
        return self.clause[value] if value in self.clause else next(told, "")

    def briefly(self, value: str) -> str:
        """Return the few words of a value."""
        return self.brief_of.get(value, self.brief)


_UNIT = Phrases(
    {
        "weight": "single weights are removed",
        "neuron": "whole MLP neurons are removed",
        "head": "whole attention heads are removed",
        "block": "whole decoder blocks are removed",
    },
    "{Units}",
)
_GROUP = Phrases(
    {
        "row": "ranked within each output row",
        "layer": "ranked within each {matrix}",
        "model": "ranked across the whole model",
    },
    "by {value}",
    {"layer": "by {layer}"},
    open=("n:m", "RxC"),
    open_clause={
        ":": "{left} of every {right} consecutive {inputs} kept",
        "x": "ranked within tiles of {left} rows by {right} columns",
    },
)
_SCHEDULE = Phrases(
    {
        "one-shot": "scored once, on the dense model",
        "blockwise": "scored block by block, behind the blocks already pruned",
    }
)
_SCOPE = Phrases(
    {
        "all": "in all matrices of the decoder blocks",
        "attention": "in the attention matrices only",
        "mlp": "in the MLP matrices only",
        "mlp-in": "in the up and gate matrices only",
        "mlp-out": "in the down matrices only",
    },
    "{value} only",
    {"all": "all matrices"},
)
_ABLATION = Phrases(
    {
        "zero": "removed weights read zero",
        "mean": "removed weights read the mean of their inputs over the reference samples",
        "resample": "removed weights read their inputs on the corrupted prompt",
    },
    "{value} ablation",
    of_removal=True,
)
_REMOVAL = Phrases(
    {
        "lowest": "the lowest are removed",
        "highest": "the highest are removed: the circuit goes and the rest stays",
    },
    "{value} removed",
    of_removal=True,
)
_AMOUNT_KIND = Phrases({"fraction": "", "count": "counted in {units}"}, "{value}s")
_PLUGIN = ("NAME or NAME:OPTION=VALUE,…",)
_ALLOCATION = Phrases(
    {UNIFORM: ""},
    "allocation {value}",
    {UNIFORM: ""},
    open=_PLUGIN,
    open_clause={"": "as much of each as allocation {value} says"},
)
_REPAIR = Phrases(
    {NO_REPAIR: ""},
    "repair {value}",
    {NO_REPAIR: ""},
    of_removal=True,
    open=_PLUGIN,
    open_clause={"": "what is kept is repaired by {value}"},
)


def _absent(usual: str) -> Any:
    return Field(exclude_if=lambda value: value == usual)


class Conventions(BaseModel):
    """All conventions of a run. What is told of one stands in this file, and is read from here."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    unit: Annotated[Unit, _UNIT]
    """What is removed as a whole."""
    group: Annotated[Group, _GROUP]
    """The set ranked together."""
    schedule: Annotated[Schedule, _SCHEDULE]
    """Whether scores come from the dense model or block by block."""
    scope: Annotated[Scope, _SCOPE]
    """Which matrices of the decoder blocks may be pruned."""
    ablation: Annotated[Ablation, _ABLATION]
    """What removed weights read in place of their inputs."""
    removal: Annotated[Removal, _REMOVAL]
    """Which end of the ranking is removed."""
    amount_kind: Annotated[AmountKind, _AMOUNT_KIND]
    """Whether amounts are fractions of each comparison group or counts of units."""
    allocation: Annotated[TypedPlugin, _ALLOCATION, _absent(UNIFORM)] = UNIFORM
    """How much goes of each comparison group."""
    repair: Annotated[TypedPlugin, _REPAIR, _absent(NO_REPAIR)] = NO_REPAIR
    """What becomes of the weights that are kept."""

    def conventions(self) -> dict[str, Any]:
        """Return the conventions alone, by name: what is ranked, then what becomes of the rest."""
        return {name: getattr(self, name) for name in CONVENTIONS}


class AskedConventions(Conventions):
    """Conventions as asked for; where nothing is said, as usual."""

    unit: Unit = "weight"
    group: Group | None = None  # type: ignore[assignment]  # the scorer's
    schedule: Schedule = "one-shot"
    scope: Scope = "all"
    ablation: Ablation = "zero"
    removal: Removal = "lowest"
    amount_kind: AmountKind | None = None  # type: ignore[assignment]  # the task's


def phrases_of(convention: str) -> Phrases:
    """Return how a convention is told."""
    metadata = Conventions.model_fields[convention].metadata
    return next(one for one in metadata if isinstance(one, Phrases))


def values_of(convention: str) -> tuple[str, ...]:
    """Return what a convention may be, in reading order; of open ones, those that have a name."""
    return tuple(phrases_of(convention).clause)


def written_of(convention: str) -> tuple[str, ...]:
    """Return what users may write for a convention."""
    return (*values_of(convention), *phrases_of(convention).open)


def place_of(convention: str, value: str) -> int:
    """Return where a value stands among those of a convention: open ones behind the others."""
    known = values_of(convention)
    if value in known:
        return known.index(value)
    return len(known) + int.from_bytes(value.encode(), "big")


CONVENTIONS = tuple(sorted(Conventions.model_fields, key=lambda name: phrases_of(name).of_removal))
"""The names of the conventions: what is ranked, then what becomes of what is removed."""
