"""What every contract demands: that a plugin describes itself, options that are JSON and frozen."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from sparc3_bench.configurable import Configurable
from sparc3_bench.contracts import Scorer, Task
from sparc3_bench.errors import describe
from sparc3_bench.testing.report import Breach, demand
from sparc3_bench.types.architecture import ModelAdapter


@demand(
    "users type the name, results record it, and models find their adapter and readers "
    "their way by the rest",
    "correct the class attribute",
)
def check_describes_itself(plugin: Any) -> None:
    """Demand a kebab-case name, and class attributes that are what others take them for.

    Of all but an adapter a title and a docstring; of a scorer a known group and a formula of one
    line, of a task a version that is a whole number, of an adapter model types as a tuple.
    """
    cls: Any = plugin if isinstance(plugin, type) else type(plugin)
    kebab = re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cls.name)
    rules: dict[str, Any] = {f"the name '{cls.name}' is not kebab-case": kebab}
    if issubclass(cls, Configurable):
        rules["the title is empty"] = cls.title.strip()
        # A docstring that is inherited describes another class.
        rules["the class has no docstring"] = (cls.__doc__ or "").strip()
    if issubclass(cls, Scorer):
        group = cls.default_group in ("row", "layer", "model")
        rules[f"the default group '{cls.default_group}' is none of row, layer, model"] = group
        rules["the formula has more than one line"] = "\n" not in cls.formula
    if issubclass(cls, Task):
        whole = type(cls.version) is int and cls.version >= 1
        rules[f"the version is {cls.version!r}, no whole number from 1 on"] = whole
    if issubclass(cls, ModelAdapter):
        types = isinstance(cls.model_types, tuple) and all(cls.model_types)
        rules[f"`model_types` is {cls.model_types!r}, which is no tuple of names"] = types
    for wrong, kept in rules.items():
        if not kept:
            raise Breach(f"Of `{cls.__name__}` {wrong}")


@demand(
    "options are recorded in result files, and runs are repeated from there",
    "let fields be str, int, float or bool",
)
def check_options_are_json(plugin: Any) -> None:
    """Demand that options survive JSON and make the same plugin again."""
    made = instance_of(plugin)
    options = made.options()
    try:
        again = json.loads(json.dumps(options))
    except (TypeError, ValueError) as error:
        raise Breach(f"The options {options} are not JSON ({describe(error)})") from None
    if again != options:
        changed = next(name for name in options if again[name] != options[name])
        raise Breach(
            f"Option `{changed}` is {options[changed]!r}, which JSON makes {again[changed]!r}"
        )
    if type(made)(**again).options() != options:
        raise Breach(
            f"`{type(made).__name__}(**options)` has other options than {options}",
            "set no option in `__post_init__`; derive other values when they are used",
        )


@demand(
    "the options recorded would not be those that were run with",
    "decorate the class with `@dataclass(frozen=True)`",
)
def check_options_are_frozen(plugin: Any) -> None:
    """Demand that options cannot be set on a plugin: fields of a frozen dataclass."""
    made = instance_of(plugin)
    for name, value in made.options().items():
        try:
            setattr(made, name, value)
        except dataclasses.FrozenInstanceError:
            continue
        raise Breach(f"Option `{name}` of `{type(made).__name__}` can be set after making")


def instance_of(plugin: Any) -> Any:
    """Return the plugin's object; a class is made with its tiny options, where it has any."""
    if isinstance(plugin, type):
        return plugin(**getattr(plugin, "tiny_options", {}))
    return plugin
