"""`sparc3 inspect`: what the suite sees in a model: blocks, roles, prunable weights, rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.tables import print_table
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.contracts import Scorer
    from sparc3_bench.host import PluginHost
    from sparc3_bench.model.view import ModelView

_UNITS = ("weight", "neuron", "head", "block")


class Module(Part):
    """A module that has a role."""

    name: str
    """Its path in the model."""
    role: str
    """What it does."""
    runs: list[tuple[str, int]]
    """Of a fused matrix the roles of its rows, with the numbers of rows, as often as they repeat.
    """
    module: str
    """Name of its class."""
    block: int | None
    """Index of the decoder block that it is in; null outside."""
    shape: tuple[int, int] | None
    """`[out_features, in_features]` of a prunable matrix; null for what has none."""
    shared_with: list[str]
    """Paths of other modules that use the same matrix."""
    rules: dict[str, str]
    """By scorer, its rule for the module."""


class Blocks(Part):
    """The decoder blocks."""

    path: str
    """Where they are in the model."""
    count: int
    """How many there are."""


class Inspected(Answer):
    """What the suite sees in a model."""

    command: Literal["inspect"] = "inspect"
    model: str
    """The model, as it was typed."""
    label: str
    """How its weights differ from the original ones; empty where they do not."""
    model_type: str
    """The architecture, as in the model's configuration."""
    adapter: str
    """The adapter that presents it."""
    inferred: bool
    """Whether the adapter names no architecture and works it out."""
    blocks: Blocks
    """The decoder blocks."""
    heads: int
    """Attention heads of each block."""
    parameters: int
    """All parameters, each counted once."""
    scopes: dict[str, int]
    """By scope, how many weights may be pruned."""
    units: dict[str, int]
    """By kind, how many units may be removed."""
    tied: list[list[str]]
    """Groups of parameters that are one."""
    modules: list[Module]
    """Every module that has a role."""
    refusals: dict[str, str]
    """By scorer, why it refuses the model."""
    warnings: list[str]
    """What a user should know."""


def command(
    model: Annotated[
        str,
        typer.Argument(help=common.MODEL_HELP, autocompletion=common.completion.names_of("model")),
    ],
    scorer: Annotated[
        list[str],
        common.named(
            "scorer",
            "Scorer to show the rules of, repeatable.",
            "--scorer",
            show_default="every one that has rules",
        ),
    ] = [],  # noqa: B006  # typer wants a list
    scorer_option: common.ScorerOptions = [],  # noqa: B006
    cache: common.Cache = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what the suite sees in a model: blocks, roles, prunable weights, units, rules.

    Of a hub's models only the configuration is downloaded and read; a local one is looked at as
    `sparc3 run` would, and refused with the same words.
    """
    from sparc3_bench.model.load import outline_model

    host = common.installed()
    scorers = _scorers(scorer, scorer_option, host)
    view, label = outline_model(model, host, common.cache_folder(cache))
    inspected = _inspected(model, label, view, scorers)
    if as_json:
        inspected.tell()
    else:
        _print(inspected)


def _scorers(names: list[str], options: list[str], host: PluginHost) -> dict[str, Scorer]:
    """Return the scorers to ask; when none is named, all that can be made."""
    from sparc3_bench.run.options import build, check_scorer_options, meant_for, parse_pairs

    given = parse_pairs(options)
    found = {}
    for name in names or host.all("scorer"):
        cls = host.get("scorer", name).cls
        try:
            found[name] = build("scorer", cls, meant_for(name, cls, given))
        except Sparc3Error:
            if names:
                raise
    check_scorer_options(given, found.values())
    return found


def _inspected(model: str, label: str, view: ModelView, scorers: dict[str, Scorer]) -> Inspected:
    from sparc3_bench.model.outline import parts_of, sizes_of_scopes, tied

    rules: dict[str, dict[str, str]] = {}
    refusals: dict[str, str] = {}
    for name, scorer in scorers.items():
        try:
            if found := dict(scorer.rules(view)):
                rules[name] = found
        except Sparc3Error as error:
            refusals[name] = str(error)
    modules = [
        Module.of(part, rules={n: one[part.name] for n, one in rules.items() if part.name in one})
        for part in parts_of(view)
    ]
    return Inspected(
        model=model,
        label=label,
        model_type=view.config.model_type,
        adapter=view.adapter.name,
        inferred=not view.adapter.model_types,
        blocks=Blocks(path=view.adapter.blocks, count=len(view.blocks)),
        heads=view.adapter.heads(view.config),
        parameters=view.parameters,
        scopes=sizes_of_scopes(view),
        units={unit: count for unit in _UNITS if (count := _count(view, unit))},
        tied=tied(view.model),
        modules=modules,
        refusals=refusals,
        warnings=[*view.adapter.warnings, *view.notes],
    )


def _count(view: ModelView, unit: Any) -> int:
    from sparc3_bench.selection.units import count_units

    try:
        return count_units(view, unit)
    except Sparc3Error:
        return 0


def _print(one: Inspected) -> None:
    told = ", inferred" if one.inferred else ""
    label = f" ({one.label})" if one.label else ""
    blocks, total = one.blocks, one.parameters
    typer.echo(f"{one.model}{label}: type {one.model_type}, adapter {one.adapter}{told}")
    typer.echo(
        f"{blocks.count} blocks at `{blocks.path}`, {one.heads} heads each, {total:,} parameters"
    )
    columns = ("module", "role", "times", "matrix", "weights in all")
    print_table(columns, list(_rows(one)), 2)
    lines = [
        f"scope {scope}: {count:,} weights, {count / total:.1%} of the parameters"
        for scope, count in one.scopes.items()
    ]
    units = ", ".join(f"{unit} {count:,}" for unit, count in one.units.items())
    lines += [f"units: {units}", *_rules(one)]
    lines += [f"scorer {name} refuses: {text}" for name, text in one.refusals.items()]
    lines += [f"tied: {' = '.join(names)}" for names in one.tied]
    lines += [f"warning: {warning}" for warning in one.warnings]
    typer.echo("\n".join(lines))


def _rows(one: Inspected) -> Iterator[tuple[str, ...]]:
    """Yield a row for what is alike in all blocks, then one for each module outside."""
    rows: dict[tuple[bool, str, Any], list[Module]] = {}
    for part in one.modules:
        row = (part.block is None, _path(part, one), part.shape)
        rows.setdefault(row, []).append(part)
    for row in sorted(rows, key=lambda row: row[0]):
        parts, (_, path, shape) = rows[row], row
        matrix = weights = ""
        if shape is not None:
            matrix, weights = " × ".join(map(str, shape)), f"{len(parts) * shape[0] * shape[1]:,}"
        yield path, parts[0].role, str(len(parts)), matrix, weights


def _rules(one: Inspected) -> list[str]:
    """Return a line for each rule of each scorer, with the modules that it is for."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for part in one.modules:
        for name, rule in part.rules.items():
            found.setdefault((name, rule), {})[_path(part, one)] = None
    return [f"{name}: {rule}: {', '.join(paths)}" for (name, rule), paths in found.items()]


def _path(part: Module, one: Inspected) -> str:
    """Return the path of a module inside its block, or in the model."""
    if part.block is None:
        return part.name
    return part.name.removeprefix(f"{one.blocks.path}.").partition(".")[2]
