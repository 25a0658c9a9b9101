"""What a judge says of what a model wrote, and the samples that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Inputs, Step
from sparc3_bench.run.environment import instructions
from sparc3_bench.run.responses import Evaluated
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.source import libraries_of

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell, ReadyJudge
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.values import Progress, Texts

Scores = dict[str, tuple[tuple[float, ...], ...]]


@dataclass(frozen=True, eq=False)
class Verdict(CellStep[Scores]):
    """The scores of all texts of a step, by the judge of a cell."""

    of: Any
    """A step with a method `texts`, which takes its value."""
    role: str = "judging"
    codec = AsJson(Scores)

    @property
    def phase(self) -> str:
        return self.role

    @property
    def recipe(self) -> dict[str, Any]:
        judge = self._judge
        recipe = {**self.cell.named("judge"), "code": [judge.code, libraries_of(type(judge.judge))]}
        # Scores that were made on the host keep the name that they have without devices.
        return recipe if judge.device == "cpu" else {**recipe, "on": instructions(judge.device)}

    def also(self, at: Place) -> str:
        """Name it by the texts."""
        texts = self.of.texts(at.get(self.of)).items()
        listed = {kind: [list(some) for some in prompts] for kind, prompts in texts}
        return self.named({**self.recipe, "texts": listed})

    def make(self, at: Place, got: Mapping[str, Any]) -> Scores:
        with at.progress(f"judged by {self._judge.ref.name}") as progress:
            return read_by(self._judge, self.of.texts(got["of"]), progress)

    def like(self) -> Mapping[str, Any]:
        """All reading by one judge of as many texts."""
        return {**self.recipe, "of": self.of.like()}

    @property
    def _judge(self) -> ReadyJudge:
        assert self.cell.judge is not None
        return self.cell.judge


@dataclass(frozen=True, eq=False)
class Judged(CellStep[Evaluated]):
    """An evaluation with the samples that follow from what the judge says."""

    of: Any
    spec, code = ("measure",), ("task",)

    @property
    def inputs(self) -> Inputs:
        return {"of": self.of, "verdict": Verdict(self.cell, self.of)}

    def make(self, at: Place, got: Mapping[str, Any]) -> Evaluated:
        raw, judging = got["of"], self.cell.task.judging
        assert judging is not None
        if not raw.texts:
            return raw  # type: ignore[no-any-return]
        samples = {name: tuple(values) for name, values in judging.samples(got["verdict"]).items()}
        return Evaluated(samples={**raw.samples, **samples}, texts={})


def judged(cell: Cell, evaluation: Step[Evaluated]) -> Step[Evaluated]:
    """Return an evaluation as the judge of the cell sees it, if there is one."""
    return Judged(cell, evaluation) if cell.judge else evaluation


def read_by(judge: ReadyJudge, texts: Texts, progress: Progress) -> Scores:
    """Return the judge's scores of all texts, nested as they are.

    Raises Sparc3Error when the judge does not give one number from 0 to 1 for every text.
    """
    flat = [text for prompts in texts.values() for responses in prompts for text in responses]
    scores = [float(score) for score in judge.judge.score(flat, progress)] if flat else []
    if len(scores) != len(flat):
        raise Sparc3Error(
            f"Judge '{judge.ref.name}' returned {len(scores)} scores for {len(flat)} texts; it "
            "must return one a text."
        )
    for score in scores:
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise Sparc3Error(
                f"Judge '{judge.ref.name}' returned the score {score:g}; it must be from 0 to 1."
            )
    rest = iter(scores)
    return {
        kind: tuple(tuple(next(rest) for _ in responses) for responses in prompts)
        for kind, prompts in texts.items()
    }
