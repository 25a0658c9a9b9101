"""Answers: made of what has their fields, told as one JSON object or in lines."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from sparc3_bench.cli.answers import Part
from sparc3_bench.cli.withdraw import Withdrawn


class Weighed(Part):
    """A part of no answer."""

    command: str = "weigh"
    name: str
    weight: float


def test_the_first_thing_that_has_a_field_says_it_unless_it_is_given_or_has_a_default():
    one = SimpleNamespace(name="stone", command="sparc3 run", colour="grey")
    other = SimpleNamespace(name="feather", weight=2.0)
    told = Weighed.of(one, other)
    assert (told.command, told.name, told.weight) == ("weigh", "stone", 2.0)
    assert Weighed.of(one, other, weight=3).weight == 3.0
    with pytest.raises(ValidationError, match="weight"):
        Weighed.of(one)


def test_lines_are_made_only_for_readers(capsys):
    told = Withdrawn(path="a.json", reason="old")
    told.tell(False, (f"{told.path}: {number}" for number in (1, 2)))
    assert capsys.readouterr().out == "a.json: 1\na.json: 2\n"
    told.tell(True, (1 / number for number in (0,)))
    assert json.loads(capsys.readouterr().out)["reason"] == "old"
