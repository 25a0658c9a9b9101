"""What a run is: its steps in order, and what it decides on the way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sparc3_bench.run.search import largest_amount
from sparc3_bench.run.steps.allot import Allotted
from sparc3_bench.run.steps.assess import Assess
from sparc3_bench.run.steps.blockwise import Blockwise
from sparc3_bench.run.steps.curve import BesideChoice, Curve
from sparc3_bench.run.steps.decide import Best, Chosen, Reaches
from sparc3_bench.run.steps.evaluate import Evaluate
from sparc3_bench.run.steps.facts import learned
from sparc3_bench.run.steps.judge import judged
from sparc3_bench.run.steps.mask import CircuitStep, Matched, Ranked, Uniform
from sparc3_bench.run.steps.model import WeightNotes
from sparc3_bench.run.steps.rank import Rank, Usable, contrasts
from sparc3_bench.run.steps.record import Operating, Record
from sparc3_bench.run.steps.repair import Repaired
from sparc3_bench.run.steps.size import CircuitOverlap, CircuitSize, Membership, RankLikeness
from sparc3_bench.types.groups import pattern_of

if TYPE_CHECKING:
    from sparc3_bench.graph.drive import Recipe
    from sparc3_bench.graph.step import Step
    from sparc3_bench.record.spec import RunSpec
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.responses import Evaluated
    from sparc3_bench.types.conventions import Part


def run_of(cell: Cell) -> Recipe[Record]:
    """Yield what a run is made of, an amount at a time; return its record.

    Masks are as large as the model, so that no two amounts are asked for at once.
    """
    spec, task = cell.spec, cell.task
    chosen = yield from _chosen(cell)
    circuits = [circuit(cell, chosen.contrast, amount) for amount in spec.amounts]
    points, sizes, drawn = [], [], []
    others = [(seed, other, list[CircuitOverlap | None]()) for seed, other in cell.others]
    for one in circuits:
        points.append(measurement(cell, one))
        sizes.append(CircuitSize(cell, one))
        drawn.append([control(cell, one, seed) for seed in range(spec.controls)])
        overlaps = [overlap_with(one, other, chosen.contrast) for _, other, _ in others]
        for (_, _, so_far), found in zip(others, overlaps, strict=True):
            so_far.append(found)
        yield [points[-1], sizes[-1], *filter(None, overlaps), *drawn[-1]]
    operating = None
    if task.choice is not None:
        operating = yield from _at_choice(cell, chosen, points, sizes)
    elif task.bar is not None and _is_graded(spec):
        operating = yield from _at_bar(cell, chosen.contrast, points[0])
    return Record(
        cell=cell,
        chosen=chosen,
        points=points,
        sizes=sizes,
        curve=Curve(cell, spec.amounts, points, [*zip(*drawn, strict=True)]),
        controls=[*zip(*drawn, strict=True)],
        operating=operating,
        stability=[
            (seed, RankLikeness(Rank(cell, chosen.contrast), Rank(other, chosen.contrast)), found)
            for seed, other, found in others
        ],
        membership=_membership(cell, sizes),
        assessment=Assess(cell) if task.assessment else None,
        notes=WeightNotes(cell),
        learned=learned(cell).get("learned") if spec.objective is not None else None,
    )


def _is_graded(spec: RunSpec) -> bool:
    """Return whether there are amounts between any two, of which the lowest scores go."""
    graded = spec.amount_kind == "fraction" and pattern_of(spec.group) is None
    return graded and spec.removal == "lowest"


def circuit(cell: Cell, contrast: str, amount: float) -> CircuitStep | None:
    """Return the step that makes what is kept at an amount; None for the dense model."""
    if amount == 0:
        return None
    if amount == 1 and cell.spec.amount_kind == "fraction":
        return Uniform(cell, amount)
    if cell.spec.schedule == "blockwise":
        return Blockwise(cell, amount)
    rank = Rank(cell, contrast)
    kind = Ranked if cell.allocation is None else Allotted
    return _repaired(cell, kind(cell, amount, rank))


def measurement(cell: Cell, one: CircuitStep | None, part: Part = "test") -> Step[Evaluated]:
    """Return the step that measures what a circuit leaves, as the cell's judge sees it."""
    return judged(cell, Evaluate(cell, part, one))


def control(
    cell: Cell, one: CircuitStep | None, seed: int, part: Part = "control"
) -> Step[Evaluated]:
    """Return the step that measures a random control of a circuit, as the judge sees it."""
    return judged(cell, random_control(cell, one, seed, part))


def random_control(cell: Cell, one: CircuitStep | None, seed: int, part: Part) -> Evaluate:
    """Return the step that measures a random control of a circuit."""
    if one is not None and not isinstance(one, Uniform):  # where nothing is kept, none is drawn
        chosen = one.circuit if isinstance(one, Repaired) else one
        one = _repaired(cell, Matched(cell, chosen.amount, chosen, seed))
    return Evaluate(cell, part, one)


def _repaired(cell: Cell, one: CircuitStep) -> CircuitStep:
    return one if cell.repair is None else Repaired(cell, one.amount, one)


def overlap_with(one: CircuitStep | None, other: Cell, contrast: str) -> CircuitOverlap | None:
    """Return the step that compares a circuit with that of another cell at the same amount."""
    its = one and circuit(other, contrast, one.amount)
    return CircuitOverlap(one, its) if one and its else None


def _chosen(cell: Cell) -> Recipe[Chosen]:
    """Choose a contrast and an amount on the selection part, where the task has a choice."""
    declared = contrasts(cell)
    names = [""]
    if declared is not None:
        (names,) = yield [Usable(cell)]
    if cell.task.choice is None:
        return Chosen(contrast="", amount=0.0)
    tried: dict[str, list[Step[Evaluated]]] = {name: [] for name in names}
    for name, amount in itertools.product(names, cell.spec.amounts):
        tried[name].append(measurement(cell, circuit(cell, name, amount), "selection"))
        yield tried[name][-1:]
    chosen: Chosen = (yield [Best(cell, tried)])[0]
    return chosen


def _at_choice(
    cell: Cell, chosen: Chosen, points: Sequence[Step[Evaluated]], sizes: Sequence[CircuitSize]
) -> Recipe[Operating]:
    """Measure the random controls of the chosen amount on the samples of the test part."""
    place = cell.spec.amounts.index(chosen.amount)
    one, seeds = circuit(cell, chosen.contrast, chosen.amount), range(cell.spec.controls)
    drawn = [control(cell, one, seed, "paired") for seed in seeds] if one else []
    yield drawn
    own = [points[0], points[place]]
    beside = BesideChoice(cell, chosen.amount, own, drawn) if drawn else None
    return Operating(chosen.amount, own[1], sizes[place], controls=drawn, beside=beside)


def _at_bar(cell: Cell, contrast: str, dense: Step[Evaluated]) -> Recipe[Operating]:
    """Look for the largest amount that reaches the task's bar, and measure it on the test part."""

    def selection(amount: float) -> Step[Evaluated]:
        return measurement(cell, circuit(cell, contrast, amount), "selection")

    bar, empty = cell.task.bar, (1.0,) if cell.task.needs_empty else ()
    assert bar is not None
    ends = [selection(amount) for amount in (0.0, *empty)]
    for end in ends:
        yield [end]

    def passes(amount: float) -> Recipe[bool]:
        points = [ends[0], selection(amount), *ends[1:]]
        reached: bool = (yield [Reaches(cell, amount, points)])[0]
        return reached

    amount = yield from largest_amount(passes, bar.ratio)
    one = circuit(cell, contrast, amount)
    own, size = measurement(cell, one), CircuitSize(cell, one)
    yield [own, size]
    rest = [measurement(cell, circuit(cell, contrast, whole)) for whole in empty]
    curve = Curve(cell, (0.0, amount, *empty), [dense, own, *rest])
    return Operating(amount, own, size, curve=curve)


def _membership(cell: Cell, sizes: Sequence[CircuitSize]) -> Membership | None:
    """Return the sketch of nested circuits; blockwise or with an allocation they may not be."""
    by_amount = cell.spec.schedule == "one-shot" and cell.allocation is None
    nested = cell.spec.removal == "lowest" and by_amount
    return Membership(cell, sizes) if nested else None
