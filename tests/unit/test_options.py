"""Options typed as text: converted to the types of the fields, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from sparc3_bench import Scorer
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.run.options import build, meant_for, parse_pairs

Colour = Literal["red", "green"]


@dataclass(frozen=True)
class Painter(Scorer):
    """A scorer with an option of every kind."""

    name = "painter"
    title = "Painter"

    colour: Colour = "red"
    strokes: int = 3
    width: Annotated[float, Field(gt=0)] = 0.5
    dry: bool = False
    label: str = ""
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.strokes < 0:
            raise Sparc3Error(f"`strokes` must be at least 0, got {self.strokes}.")

    def score(self, model: Any, reference: Any) -> dict[str, Any]:
        return {}


class Plain(Painter):
    """A scorer that adds no option."""

    name = "plain"


class Bare(Scorer):
    """A scorer without options."""

    name = "bare"
    title = "Bare"

    def score(self, model: Any, reference: Any) -> dict[str, Any]:
        return {}


def test_pairs_are_split_at_the_first_equals_sign():
    pairs = parse_pairs(["a=1", "lrp.b=x=y", "c="])
    assert pairs == {"a": "1", "lrp.b": "x=y", "c": ""}


def test_of_an_option_given_twice_the_last_counts():
    assert parse_pairs(["a=1", "a=2"]) == {"a": "2"}


@pytest.mark.parametrize("pair", ["a", "", "=1", "="])
def test_pair_without_a_name_or_an_equals_sign_is_refused(pair):
    with pytest.raises(Sparc3Error, match=f"Option '{pair}' must have the form NAME=VALUE"):
        parse_pairs([pair])


def test_nothing_given_leaves_every_default():
    assert build("scorer", Painter, {}) == Painter()


def test_texts_become_the_types_of_the_fields():
    made = build(
        "scorer",
        Painter,
        {"colour": "green", "strokes": "7", "width": "1e-3", "dry": "true", "label": "7"},
    )
    assert made == Painter(colour="green", strokes=7, width=0.001, dry=True, label="7")
    assert [type(value) for value in made.options().values()][:5] == [str, int, float, bool, str]


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("True", True), ("1", True), ("false", False)]
)
def test_switches_are_read_in_the_usual_spellings(text, expected):
    assert build("scorer", Painter, {"dry": text}).dry is expected


@pytest.mark.parametrize(
    ("option", "text", "reason"),
    [
        ("colour", "blue", "must be 'red' or 'green', got 'blue'."),
        ("strokes", "3.5", "must be a valid integer"),
        ("strokes", "many", "got 'many'."),
        ("width", "wide", "must be a valid number"),
        ("width", "0", "must be greater than 0, got '0'."),
        ("dry", "perhaps", "must be a valid boolean"),
        ("strokes", "", "got ''."),
    ],
)
def test_value_of_the_wrong_type_is_refused_in_one_sentence(option, text, reason):
    with pytest.raises(Sparc3Error) as caught:
        build("scorer", Painter, {option: text})
    message = str(caught.value)
    assert message.startswith(f"Option `{option}` of scorer 'painter' ")
    assert reason in message
    assert "\n" not in message


def test_value_that_the_plugin_refuses_is_told_in_its_words():
    with pytest.raises(Sparc3Error, match="`strokes` must be at least 0, got -1"):
        build("scorer", Painter, {"strokes": "-1"})


def test_unknown_option_is_refused_with_the_closest_and_all():
    with pytest.raises(UnknownNameError) as caught:
        build("task", Painter, {"stroks": "1"})
    message = str(caught.value)
    assert "Unknown option of task 'painter' 'stroks'. Did you mean 'strokes'?" in message
    assert "colour, dry, label, limit, strokes, width" in message


def test_attributes_of_the_class_are_no_options():
    with pytest.raises(UnknownNameError):
        build("scorer", Painter, {"title": "Mine"})


def test_scorer_without_options_refuses_every_one():
    assert build("scorer", Bare, {}).options() == {}
    with pytest.raises(UnknownNameError, match="Available: none"):
        build("scorer", Bare, {"colour": "red"})


def test_options_are_inherited():
    assert build("scorer", Plain, {"strokes": "9"}).options()["strokes"] == 9


def test_option_that_has_no_default_and_is_not_given_is_refused_by_name():
    @dataclass(frozen=True)
    class Needy(Bare):
        depth: int

    assert build("scorer", Needy, {"depth": "2"}).depth == 2
    with pytest.raises(Sparc3Error, match="depth"):
        build("scorer", Needy, {})


def test_field_that_a_scorer_sets_itself_is_no_option():
    @dataclass(frozen=True)
    class Derived(Bare):
        depth: int = 2
        squared: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "squared", self.depth**2)

    assert build("scorer", Derived, {"depth": "3"}).squared == 9
    with pytest.raises(UnknownNameError, match="'squared'"):
        build("scorer", Derived, {"squared": "4"})


def test_scorer_gets_the_options_it_has_and_those_addressed_to_it():
    given = {"strokes": "1", "other": "2", "painter.dry": "true", "bare.label": "x"}
    assert meant_for("painter", Painter, given) == {"strokes": "1", "dry": "true"}
    assert meant_for("bare", Bare, given) == {"label": "x"}


@pytest.mark.parametrize("names", [("strokes", "painter.strokes"), ("painter.strokes", "strokes")])
def test_option_addressed_to_one_scorer_counts_more_than_the_general_one(names):
    given = {name: "5" if "." in name else "1" for name in names}
    assert meant_for("painter", Painter, given) == {"strokes": "5"}
