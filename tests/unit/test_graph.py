"""The graph by itself: names of steps, the loop over a recipe, memory and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from toy_steps import COST, Above, Halved, Number, Spread, Sum, Toy, files, halves

from sparc3_bench.graph.cost import total
from sparc3_bench.graph.drive import Recipe, drive
from sparc3_bench.graph.step import Hold, Step, each


@pytest.fixture
def at(tmp_path) -> Toy:
    return Toy(tmp_path)


# Names


def test_a_step_is_named_by_its_recipe_and_by_what_it_is_made_of():
    assert Number(3).key == Number(3).key
    assert Sum([Number(3), Number(4)]).key == Sum((Number(3), Number(4))).key
    others = [
        *(Number(4), Number(3, "x"), Halved(Number(3)), Spread(Number(3)), Halved(Number(4))),
        *(Sum([Number(3), Number(4)]), Sum([Number(4), Number(3)]), Above(Number(3), 3)),
    ]
    assert len({one.key for one in others} | {Number(3).key}) == len(others) + 1
    assert [one.key for one in each(Sum([Number(3), Number(4)]).inputs)] == [
        Number(3).key,
        Number(4).key,
    ]


def test_an_input_that_only_makes_it_is_not_in_its_name():
    @dataclass(frozen=True, eq=False)
    class Read(Step[int]):
        text: Step[int]
        by: Step[int]
        unnamed: ClassVar[frozenset[str]] = frozenset({"by"})

        def make(self, at: Any, got: Mapping[str, Any]) -> int:
            return got["text"] + got["by"]

    assert Read(Number(1), Number(2)).key == Read(Number(1), Number(3)).key
    assert Read(Number(1), Number(2)).key != Read(Number(2), Number(2)).key


def test_a_step_is_made_once_and_read_afterwards(at, tmp_path):
    whole = Sum([Number(3), Number(4), Number(3)])
    assert at.get(whole) == at.get(Sum([Number(3), Number(4), Number(3)])) == 10
    assert at.made == ["3", "4", "sum"]
    later = Toy(tmp_path)
    assert later.get(whole) == 10
    assert later.made == []
    assert later.store.header("Number", Number(4).key, Number(4).codec).cost.tokens == 4


def test_what_turns_out_to_be_the_same_is_made_once_and_linked(at, tmp_path):
    one, other = Spread(Halved(Number(8))), Spread(Halved(Number(9)))
    assert one.key != other.key
    assert torch.equal(at.get(one), at.get(other))
    assert at.made == ["8", "halved", "spread 4", "9", "halved"]
    assert len(files(tmp_path, ".safetensors")) == 1
    assert len(files(tmp_path, ".link")) == 2
    # By the link neither the number nor its half is needed to know that it is there.
    later = Toy(tmp_path)
    assert later.get(other).sum() == 4
    assert later.made == []
    assert later.store.header("Spread", other.key, other.codec) is not None


# Memory


def held(hold: Hold, name: str = "") -> type[Step[str]]:
    level = hold

    @dataclass(frozen=True, eq=False)
    class Held(Step[str]):
        name: str
        hold: ClassVar[Hold] = level

        def make(self, at: Toy, got: Mapping[str, Any]) -> str:
            at.made.append(self.name)
            return self.name

    return Held


STEPS = {hold: held(hold)(hold.name) for hold in Hold}


def test_values_stay_in_memory_for_as_long_as_they_are_held(at):
    def recipe() -> Recipe[Step[Any]]:
        for _ in range(2):
            yield [*STEPS.values(), *STEPS.values()]
        return Number(0)

    at.run(recipe())
    batch = ["USE", "BATCH", "RUN", "SESSION", "USE"]
    assert at.made == [*batch, "USE", "BATCH", "USE", "0"]
    at.made = []
    at.run(recipe())
    assert at.made == ["USE", "BATCH", "RUN", "USE", "USE", "BATCH", "USE", "0"][: len(at.made)]
    assert "SESSION" not in at.made
    at.release(Hold.SESSION)
    at.made = []
    at.get(STEPS[Hold.SESSION])
    assert at.made == ["SESSION"]


def test_a_batch_is_released_before_the_next_is_made(at):
    seen = []

    @dataclass(frozen=True, eq=False)
    class Counted(Step[int]):
        of: Step[Any]

        def make(self, at: Toy, got: Mapping[str, Any]) -> int:
            seen.append(sum(hold is Hold.BATCH for hold, _ in at._held.values()))
            return 0

    def recipe() -> Recipe[Step[Any]]:
        for value in range(4):
            yield [Counted(Spread(Number(value)))]
        return Number(0)

    at.run(recipe())
    assert seen == [1, 1, 1, 1]


def test_a_run_that_breaks_off_holds_nothing_of_itself(at):
    def recipe() -> Recipe[Step[Any]]:
        yield [STEPS[Hold.RUN], STEPS[Hold.SESSION]]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        at.run(recipe())
    at.made = []
    for hold in (Hold.RUN, Hold.SESSION):
        at.get(STEPS[hold])
    assert at.made == ["RUN"]


def test_what_was_made_beside_another_is_not_made(at):
    at.put(Number(3), 5)
    assert at.get(Sum([Number(3), Number(4)])) == 9
    assert at.made == ["4", "sum"]


# Costs


def test_a_step_counts_once_by_its_phase_whoever_made_it(at, tmp_path):
    def recipe() -> Recipe[Step[Any]]:
        yield [
            Number(3),
            Number(4),
            Number(3),
            Spread(Halved(Number(8))),
            Spread(Halved(Number(9))),
        ]
        yield [Number(4), Sum([Number(3)])]
        return Sum([Number(4)])

    at.run(recipe())
    later = Toy(tmp_path)
    later.run(recipe())
    assert later.made == []
    for place in (at, later):
        costs = {phase: total(some) for phase, some in place.costs().items()}
        assert costs.keys() == {"counting", "spreading"}
        assert len(place.costs()["spreading"]) == 1
        # Also what is behind a value that was there, and not looked at.
        assert costs["counting"].tokens == 3 + 4 + 8 + 9


def test_what_is_made_inside_another_step_is_its_own_cost_too(at):
    @dataclass(frozen=True, eq=False)
    class Outer(Step[int]):
        phase = "outer"

        def make(self, at: Toy, got: Mapping[str, Any]) -> int:
            inner = at.get(Number(5))
            at.meter.recall(COST)
            at.count += 1
            return inner

    def recipe() -> Recipe[Step[Any]]:
        yield [Outer()]
        return Outer()

    assert at.run(recipe()) == 5
    (outer,), (inner,) = at.costs()["outer"], at.costs()["counting"]
    assert inner.tokens == 5
    assert outer.tokens == 5 + 1 + COST.tokens
    assert outer.seconds >= COST.seconds


# The loop


def test_a_recipe_decides_by_the_values_that_it_is_sent(at):
    assert at.run(halves(9)) == 9 + 4 + 2 + 1
    assert at.run(halves(9, bar=3)) == 9 + 4 + 2
    kinds = []

    def guesses(wanted: Sequence[Step[Any]]) -> list[Any]:
        kinds.extend(type(one).__name__ for one in wanted)
        return [one.guess() for one in wanted]

    assert len(drive(halves(9), guesses).of) == 9  # a guess is an upper bound
    assert kinds.count("Above") == 9
    assert at.made.count("9") == 1


def test_a_run_again_makes_nothing_and_goes_on_where_it_broke_off(tmp_path):
    first = Toy(tmp_path / "a")
    expected = first.run(halves(20))
    again = Toy(tmp_path / "a")
    assert again.run(halves(20)) == expected
    assert again.made == []

    class Stopping(Toy):
        def get(self, step: Step[Any]) -> Any:
            if len(self.made) > 4:
                raise KeyboardInterrupt
            return super().get(step)

    stopping = Stopping(tmp_path / "b")
    with pytest.raises(KeyboardInterrupt):
        stopping.run(halves(20))
    resumed = Toy(tmp_path / "b")
    assert resumed.run(halves(20)) == expected
    kept = {name for name in stopping.made if name != "halved"}
    assert kept & set(resumed.made) == set()
    assert kept | set(resumed.made) == set(first.made)


# Orders, stores, processes

CELLS = (40, 20, 9, 10)


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in files(folder, "") if path.is_file()]


def test_another_order_and_another_store_give_equal_keys(tmp_path):
    one, other = Toy(tmp_path / "one"), Toy(tmp_path / "other")
    results = {cell: one.run(halves(cell)) for cell in CELLS}
    assert {cell: other.run(halves(cell)) for cell in reversed(CELLS)} == results
    assert names(tmp_path / "one") == names(tmp_path / "other")
    third = Toy(tmp_path / "one")
    third.run(halves(CELLS[-1]))
    assert third.made == []
