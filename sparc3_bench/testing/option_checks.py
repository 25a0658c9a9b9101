"""What the contract demands of options: JSON that makes the same plugin again, and frozen."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from sparc3_bench.testing.report import CheckFailure, describe


def check_options_are_json(plugin: Any) -> None:
    """Demand that options survive JSON and make the same plugin again.

    They are written into every result, are part of its key, and a run is repeated from them.
    """
    made = configured(plugin)
    options = made.options()
    why = "options are recorded in result files, and runs are repeated from there"
    remedy = "let fields be str, int, float or bool"
    try:
        again = json.loads(json.dumps(options))
    except (TypeError, ValueError) as error:
        raise CheckFailure(
            f"The options {options} are not JSON ({describe(error)})", why, remedy
        ) from None
    if again != options:
        changed = next(name for name in options if again[name] != options[name])
        raise CheckFailure(
            f"Option `{changed}` is {options[changed]!r}, which JSON makes {again[changed]!r}",
            why,
            remedy,
        )
    if type(made)(**again).options() != options:
        raise CheckFailure(
            f"`{type(made).__name__}(**options)` has other options than {options}",
            why,
            "set no option in `__post_init__`; derive other values when they are used",
        )


def check_options_are_frozen(plugin: Any) -> None:
    """Demand that options cannot be set on a plugin: fields of a frozen dataclass.

    What was recorded before the run must be what the run was made with.
    """
    made = configured(plugin)
    for name, value in made.options().items():
        try:
            setattr(made, name, value)
        except dataclasses.FrozenInstanceError:
            continue
        raise CheckFailure(
            f"Option `{name}` of `{type(made).__name__}` can be set after making",
            "the options recorded would not be those that were run with",
            "decorate the class with `@dataclass(frozen=True)`",
        )


def configured(plugin: Any) -> Any:
    """Return the plugin's object; a class is made with its tiny options, where it has any."""
    if isinstance(plugin, type):
        return plugin(**getattr(plugin, "tiny_options", {}))
    return plugin
