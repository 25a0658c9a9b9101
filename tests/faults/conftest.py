"""Makes the hostile plugins importable here, too, and has forty cells run undisturbed, once."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cells import Commands, save_suite

sys.path.append(str(Path(__file__).parent / "hostile"))


class Undisturbed(NamedTuple):
    """What an undisturbed run left: by name what results say, and how often steps were made."""

    found: dict[str, Any]
    made: Counter[str]


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Return the folder with the model and the texts."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="session")
def suite(made) -> Path:
    return save_suite(made)


@pytest.fixture(scope="session")
def undisturbed(suite, tmp_path_factory) -> Undisturbed:
    commands = Commands(suite, tmp_path_factory.mktemp("undisturbed"))
    done = commands.run()
    assert done.code == 0, done.said[-2000:]
    return Undisturbed(commands.found(), commands.made())
