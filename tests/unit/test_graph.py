"""The graph by itself: toy steps, without a model, a task or a scorer."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from sparc3_bench.graph.cost import total
from sparc3_bench.graph.drive import Recipe, drive
from sparc3_bench.graph.local import Local
from sparc3_bench.graph.step import Hold, Step, each
from sparc3_bench.graph.store import AsJson, AsTensors, Kept, Store
from sparc3_bench.record.parts import Phase

TENSORS = AsTensors(lambda value: {"values": value}, lambda tensors: tensors["values"])
COST = Phase(seconds=1.5, peak_bytes=7, tokens=3)


class Toy(Local):
    """Makes toy steps, and notes which it made."""

    def __init__(self, folder: Path, limit: float = float("inf")) -> None:
        super().__init__(Store(folder, limit))
        self.made: list[str] = []
        self.count = 0

    def tokens(self) -> int:
        return self.count


@dataclass(frozen=True, eq=False)
class Number(Step[int]):
    """A number, which takes as many tokens."""

    value: int
    about: str = ""
    codec, phase = AsJson(int), "counting"

    def make(self, at: Toy, got: Mapping[str, Any]) -> int:
        at.made.append(f"{self.value}{self.about}")
        at.count += self.value
        return self.value


@dataclass(frozen=True, eq=False)
class Halved(Step[int]):
    """Half of a number, rounded down; not kept."""

    of: Step[int]

    def make(self, at: Toy, got: Mapping[str, Any]) -> int:
        at.made.append("halved")
        return got["of"] // 2


@dataclass(frozen=True, eq=False)
class Spread(Step[Tensor]):
    """So many ones, dear enough to have a name by what its input turned out to be."""

    count: Step[int]
    codec, phase = TENSORS, "spreading"
    hold = Hold.BATCH

    def also(self, at: Toy) -> str:
        return self.named({"count": at.get(self.count)})

    def make(self, at: Toy, got: Mapping[str, Any]) -> Tensor:
        at.made.append(f"spread {got['count']}")
        return torch.ones(got["count"])


@dataclass(frozen=True, eq=False)
class Sum(Step[float]):
    """All of several."""

    of: Sequence[Step[Any]]
    codec = AsJson(float)

    def make(self, at: Toy, got: Mapping[str, Any]) -> float:
        at.made.append("sum")
        return float(sum(float(torch.as_tensor(one).sum()) for one in got["of"]))


@dataclass(frozen=True, eq=False)
class Above(Step[bool]):
    """A decision."""

    of: Step[Any]
    bar: float
    codec = AsJson(bool)

    def make(self, at: Toy, got: Mapping[str, Any]) -> bool:
        return float(torch.as_tensor(got["of"]).sum()) > self.bar

    def guess(self) -> bool:
        return True


def halves(start: int, bar: float = 1) -> Recipe[Sum]:
    """Halve for as long as it stays above a bar, and add up all on the way."""
    steps: list[Step[Any]] = [Spread(Number(start))]
    while True:
        (above,) = yield [Above(steps[-1], bar)]
        if not above or len(steps) == 9:
            return Sum(steps)
        steps.append(Spread(Halved(Number(start // 2 ** (len(steps) - 1)))))
        yield steps[-1:]


@pytest.fixture
def at(tmp_path) -> Toy:
    return Toy(tmp_path)


def files(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.rglob(f"*{suffix}"))


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


# Making and keeping


def test_a_step_is_made_once_and_read_afterwards(at, tmp_path):
    whole = Sum([Number(3), Number(4), Number(3)])
    assert at.get(whole) == at.get(Sum([Number(3), Number(4), Number(3)])) == 10
    assert at.made == ["3", "4", "sum"]
    later = Toy(tmp_path)
    assert later.get(whole) == 10
    assert later.made == []
    assert later.store.cost("Number", Number(4).key, Number(4).codec).tokens == 4


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
    assert later.store.cost("Spread", other.key, other.codec) is not None


def damaged(path: Path) -> list[bytes]:
    """Return what a file may look like after harm: nothing of it may be believed."""
    whole = path.read_bytes()
    yield_ = [b"", whole[: len(whole) // 2], whole[:-2], b"\xff" + whole[1:]]
    if path.suffix == ".json":
        told = json.loads(whole)
        others = [{**told, "key": "f" * 24}, {**told, "value": "three"}, {**told, "cost": None}, []]
        others += [{n: v for n, v in told.items() if n != left_out} for left_out in told]
        yield_ += [json.dumps(one).encode() for one in others]
    return yield_


@pytest.mark.parametrize("step", [Number(3), Spread(Number(3))], ids=["json", "safetensors"])
def test_what_is_damaged_counts_as_absent_and_is_made_again(at, tmp_path, step):
    at.get(step)
    kind, name = type(step).__name__, at.also(step)
    path = at.store.path(kind, name, step.codec.suffix)
    for content in damaged(path):
        path.write_bytes(content)
        fresh = Toy(tmp_path)
        assert fresh.store.read(kind, step.key, step.codec) is None, content
        assert float(torch.as_tensor(fresh.get(step)).sum()) == 3
        assert len(fresh.made) == 1, content
        assert fresh.store.read(kind, step.key, step.codec) is not None


def test_tensors_under_another_key_and_a_broken_link_count_as_absent(at, tmp_path):
    step, other = Spread(Number(3)), Spread(Number(5))
    for one in (step, other):
        at.get(one)
    paths = [at.store.path("Spread", at.also(one), ".safetensors") for one in (step, other)]
    paths[0].write_bytes(paths[1].read_bytes())
    assert at.store.read("Spread", step.key, TENSORS) is None
    link = at.store.path("Spread", other.key, ".link")
    for content in ("", "[]", '{"key": "x"}', json.dumps({"key": "x", "same_as": at.also(other)})):
        link.write_text(content)
        assert at.store.read("Spread", other.key, TENSORS) is None
        fresh = Toy(tmp_path)
        assert fresh.get(other).sum() == 5  # by its other name
        assert fresh.made == []


def test_numbers_that_are_not_finite_are_kept_as_they_are(tmp_path):
    store, codec = Store(tmp_path), AsJson(list[float])
    store.write("Any", "a" * 24, codec, Kept([math.inf, -math.inf, math.nan, 0.1], COST))
    *ends, nothing, number = store.read("Any", "a" * 24, codec).value
    assert (ends, number, math.isnan(nothing)) == ([math.inf, -math.inf], 0.1, True)


@pytest.mark.parametrize("codec", [AsJson(list[int]), TENSORS], ids=["json", "safetensors"])
def test_a_value_is_written_whole_or_not_at_all(tmp_path, monkeypatch, codec):
    store, value = Store(tmp_path), torch.ones(3) if codec is TENSORS else [1, 2]

    def cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut)
        patch.setattr(os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            store.write("Any", "a" * 24, codec, Kept(value, COST))
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []
    assert store.read("Any", "a" * 24, codec) is None
    store.write("Any", "a" * 24, codec, Kept(value, COST))
    assert store.read("Any", "a" * 24, codec).cost == COST


def test_a_step_that_fails_leaves_nothing_and_is_tried_again(at, tmp_path):
    @dataclass(frozen=True, eq=False)
    class Failing(Step[int]):
        of: Step[int]
        codec = AsJson(int)

        def make(self, at: Toy, got: Mapping[str, Any]) -> int:
            at.made.append("tried")
            raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            at.get(Failing(Number(1)))
    assert at.made == ["1", "tried", "tried"]
    assert [path.parts[-3] for path in files(tmp_path, ".json")] == ["Number"]


# The limit


def keep(store: Store, name: str, used: int) -> None:
    codec = TENSORS
    store.write("Map", name, codec, Kept(torch.zeros(100_000), COST))  # 400 kB
    os.utime(store.path("Map", name, codec.suffix), (used, used))


def kept(folder: Path) -> str:
    return "".join(path.stem for path in files(folder, ".safetensors"))


def test_what_was_used_longest_ago_goes_first_and_reading_is_use(tmp_path):
    store = Store(tmp_path, limit=1e6)  # two of them
    keep(store, "b", 1)
    keep(store, "a", 2)
    assert kept(tmp_path) == "ab"
    assert store.read("Map", "b", TENSORS) is not None
    keep(store, "c", 3)
    assert kept(tmp_path) == "bc"
    assert store.cost("Map", "a", TENSORS) is None


def test_the_newest_stays_even_over_the_limit_and_numbers_always_do(tmp_path):
    store = Store(tmp_path, limit=0)
    store.write("Some", "n", AsJson(int), Kept(1, COST))
    keep(store, "a", 1)
    keep(store, "b", 2)
    assert kept(tmp_path) == "b"
    assert store.read("Some", "n", AsJson(int)).value == 1


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
    assert total(at.costs()["counting"]).tokens == 3 + 4 + 8 + 9
    # What is behind a value that is there was not looked at.
    assert total(later.costs()["counting"]).tokens == 3 + 4


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


def run_all(folder: Path, cells: Sequence[int], begin: Any, told: Any) -> None:
    """Run in another process."""
    at = Toy(folder)
    begin.wait(60)
    told.put({cell: at.run(halves(cell)) for cell in cells})


def test_two_processes_on_one_store_end_with_each_value_once_and_equal_results(tmp_path):
    context = multiprocessing.get_context("spawn")
    begin, told = context.Barrier(2), context.Queue()
    started = [
        context.Process(target=run_all, args=(tmp_path / "both", cells, begin, told))
        for cells in (CELLS, CELLS[::-1])
    ]
    for process in started:
        process.start()
    found = [told.get(timeout=120) for _ in started]
    for process in started:
        process.join(60)
        assert process.exitcode == 0
    alone = Toy(tmp_path / "alone")
    expected = {cell: alone.run(halves(cell)) for cell in CELLS}
    assert found == [expected, expected]
    assert names(tmp_path / "both") == names(tmp_path / "alone")
    later = Toy(tmp_path / "both")
    assert {cell: later.run(halves(cell)) for cell in CELLS} == expected
    assert later.made == []
