"""Cell: one run that is to be made, by its spec and the plugins that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sparc3_bench.run.environment import instructions
from sparc3_bench.source import libraries_of
from sparc3_bench.types.samples import ReferenceSamples

if TYPE_CHECKING:
    from sparc3_bench.contracts import LoadedJudge, PreparedTask, Scorer, Task
    from sparc3_bench.model.load import FoundModel
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.pruning import Allocation, Repair
    from sparc3_bench.record.spec import JudgeRef, RunSpec
    from sparc3_bench.types.conventions import Part


@dataclass(frozen=True)
class ReadyJudge:
    """A judge that can read, with what is recorded of it."""

    ref: JudgeRef  # what is recorded
    judge: LoadedJudge
    code: str  # digest of all code that it comes with
    device: str = "cpu"  # where it reads


@dataclass(frozen=True, eq=False)
class Cell:
    """One run that is to be made.

    It has what its `spec` names, where that is not the usual one; the model's weights are not
    loaded. `others` are the same with the reference samples of other seeds, by seed, for
    `stability_seeds`; `lenders` the same with other scorers, by name: those whose scores the
    allocation or a combined scorer looks at. `remarks` are what a reader must know of how model and
    data fit each other, `asked` is what was asked for, before defaults. With `snapshots` a scorer
    that can go on leaves behind what to go on from. A record counts the cost of scores under the
    word `phase`.
    """

    spec: RunSpec
    scorer: Scorer
    task: Task
    prepared: PreparedTask
    model: FoundModel
    judge: ReadyJudge | None = None
    others: tuple[tuple[int, Cell], ...] = ()
    remarks: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    snapshots: bool = False
    phase: str = "attribution"
    allocation: Allocation | None = None
    repair: Repair | None = None
    lenders: Mapping[str, Cell] = field(default_factory=dict)

    def named(self, *fields: str) -> dict[str, Any]:
        """Return fields of the spec as JSON.

        More names are `measure`, the task without the options that move only what is chosen;
        `data`, the texts that it measures on; and `reference`, those that steer scores.
        """
        whole = self._whole
        found = {name: whole[name] for name in fields if name in whole}
        if "measure" in fields:
            options = whole["task"]["options"].items()
            kept = {name: value for name, value in options if name not in self.task.steering}
            found["measure"] = {**whole["task"], "options": kept}
        for name in {"data", "reference"} & {*fields}:
            texts, steers = whole["datasets"], name == "reference"
            found[name] = [one for one in texts if (one["purpose"] == "reference") == steers]
        return found

    def made_by(self, *plugins: str) -> dict[str, Any]:
        """Return the code of plugins, by kind, and the libraries under it."""
        at_work = {"scorer": self.scorer, "task": self.task, "adapter": self.model.adapter}
        at_work |= {"allocation": self.allocation, "repair": self.repair}
        code = {n: [self.spec.code.get(n), libraries_of(type(at_work[n]))] for n in plugins}
        # Who has an adapter's code runs the model.
        made_with = {"processor": " + ".join(map(instructions, self.model.devices.names))}
        return code | (made_with if "adapter" in plugins else {})

    def part(self, name: Part) -> Part:
        """Return the name of a part of the data; one part has one name."""
        return "test" if self.prepared.part(name) is self.prepared else name

    @property
    def purposes(self) -> tuple[str, ...]:
        """What there are reference samples for; a scorer without a reference has one, called ""."""
        if self.spec.objective is None and not self.scores_all:
            return ("",)
        facts = self.task.facts
        return facts.purposes if facts else tuple(self.references(None))

    @property
    def scores_all(self) -> bool:
        """Whether every reference is scored, even by a scorer that needs none."""
        assessment = self.task.assessment
        return assessment is not None and assessment.every_reference

    @property
    def learns(self) -> bool:
        """Whether the task must ask the dense model before its references are known."""
        return self.task.facts is not None

    def references(self, learned: PreparedTask | None) -> Mapping[str, ReferenceSamples]:
        """Return the reference samples by purpose; `learned` is the task where it asks first."""
        if self.spec.objective is None and not self.scores_all:
            from sparc3_bench.attribution.objectives import find_objective

            return {"": ReferenceSamples([[0, 0]], find_objective("loss"))}
        return self.general_references(learned)

    def general_references(self, learned: PreparedTask | None) -> Mapping[str, ReferenceSamples]:
        """Return the task's reference samples, whether or not the scorer needs any."""
        objective = self.spec.objective or self.task.default_objective
        return (learned or self.prepared).references(objective)

    @cached_property
    def _whole(self) -> dict[str, Any]:
        # Of a plugin's code there is a digest beside it, in which words do not count.
        left_out = {name: {"source_digest"} for name in ("scorer", "task", "judge")}
        return self.spec.model_dump(mode="json", exclude=left_out)

    @property
    def blank(self) -> ModelView:
        """The model without numbers, for what depends on its shapes only."""
        return self.model.blank(self.spec.scope)
