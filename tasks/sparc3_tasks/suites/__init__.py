"""Suites of runs that come with the tasks, one TOML file each; `suites.toml` says what they are."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sparc3_bench import Suite, hookimpl

_FOLDER = Path(__file__).parent


def _suite(name: str, title: str, words: str) -> type[Suite]:
    """Return the suite of the file called `name`; its `words` are what a class has as docstring."""
    file = _FOLDER / f"{name}.toml"
    own = {"__module__": __name__, "__doc__": words, "name": name, "title": title, "file": file}
    return type(name.title().replace("-", ""), (Suite,), own)


_TOLD = tomllib.loads((_FOLDER / "suites.toml").read_text(encoding="utf-8"))
_SUITES = [_suite(name, **words) for name, words in _TOLD.items()]
# Found by their names, as classes that are written down.
globals().update((one.__name__, one) for one in _SUITES)


@hookimpl
def sparc3_register_suites() -> list[type[Suite]]:
    """Register the suites."""
    return _SUITES
