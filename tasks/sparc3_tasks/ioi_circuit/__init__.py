"""IOI circuit: which part of a model carries indirect object identification, and is it enough."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import (
    Bar,
    Evaluation,
    Means,
    Metric,
    Part,
    PreparedTask,
    Removal,
    Sparc3Error,
    Summary,
    Task,
    hookimpl,
)
from sparc3_tasks.ioi_circuit.curves import curve_numbers, faithfulness
from sparc3_tasks.ioi_circuit.prompts import NAMES, TEMPLATES, generate
from sparc3_tasks.prompts.names import (
    OBJECTIVES,
    Drawn,
    Tokenized,
    name_token,
    read_prompts,
    record,
    tokenize,
)
from sparc3_tasks.texts.begin import Begin
from sparc3_tasks.texts.ranges import Count, Length
from sparc3_tasks.texts.sources import source_name
from sparc3_tasks.texts.windows import Cutter, Windows, repeated, spread

if TYPE_CHECKING:
    from sparc3_bench import DatasetRecord, Direction, ModelView, ReferenceSamples

_GENERATED = "generated"

_AREAS = Summary(
    (
        Metric("cpr", "higher", "1", "CPR (MIB's formula, of removed weights)"),
        Metric("cmd", "lower", "1", "CMD (MIB's formula, of removed weights)"),
        Metric("auc_linear", "higher", "1", "Mean faithfulness over size"),
        Metric("auc_log", "higher", "1", "Mean faithfulness over log size"),
        Metric("rest_linear", "lower", "1", "Mean faithfulness of the rest over size"),
        Metric("rest_log", "lower", "1", "Mean faithfulness of the rest over log size"),
    ),
    lambda amounts, points, removal: curve_numbers(
        amounts, [point["faithfulness"] for point in points], removal
    ),
)
"""The areas of the faithfulness curve."""

_FALLING = ("faithfulness", "accuracy", "top1", "logit_difference", "io_probability")
_TURNED: dict[str, Direction] = {**dict.fromkeys(_FALLING, "lower"), "kl": "higher"}
"""Which end is better when the circuit is what is removed, where that is another one."""


@dataclass(frozen=True)
class IoiCircuit(Task):
    """Faithfulness of the kept part to the dense model on indirect object identification.

    Parameters
    ----------
    reference_prompts, selection_prompts, test_prompts
        ``generated``, or rows with the fields prompt, io, s, corrupted, such as a JSON Lines file.
    reference_count, selection_count, test_count
        How many prompts of each.
    control_count
        On how many of the test prompts random controls are measured.
    general_text, general_windows, general_length
        Text on which specificity is measured, as for task `compression`; how many windows of it
        and how many tokens each.
    begin
        What stands before every prompt and window, as for task `compression`.
    smallest
        Whether the smallest circuit with a faithfulness of 0.9 is looked for.
    """

    name = "ioi-circuit"
    title = "IOI circuit"
    file_options = ("reference_prompts", "selection_prompts", "test_prompts", "general_text")
    version = 1
    metrics = (
        Metric("faithfulness", "higher", "1", "Faithfulness"),
        Metric("accuracy", "higher", "1", "Accuracy, IO before S"),
        Metric("top1", "higher", "1", "IO first of the vocabulary"),
        Metric("logit_difference", "higher", "logits", "Logit difference"),
        Metric("io_probability", "higher", "1", "Probability of IO"),
        Metric("kl", "lower", "nats", "KL divergence to the dense model"),
        Metric("perplexity", "lower", "1", "Perplexity of general text", scale="log"),
    )
    summary = _AREAS
    amounts = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
    needs_empty = True
    steering = frozenset({"smallest"})
    sample_counts = (
        *("reference_count", "selection_count", "test_count", "control_count"),
        "general_windows",
    )
    default_objective = "logit-difference"
    objectives = OBJECTIVES
    tiny_options = {  # noqa: RUF012  # of the class
        **{"reference_count": 8, "selection_count": 8, "test_count": 16, "control_count": 4},
        **{"general_windows": 2, "general_length": 24},
    }

    reference_prompts: str = _GENERATED
    selection_prompts: str = _GENERATED
    test_prompts: str = _GENERATED
    reference_count: Count = 128
    selection_count: Count = 64
    test_count: Count = 256
    control_count: Count = 22
    general_text: str = "wikipedia"
    general_windows: Count = 4
    general_length: Length = 128
    begin: Begin = "auto"
    smallest: bool = True

    @property
    def bar(self) -> Bar | None:
        """The bar for the smallest circuit."""
        if not self.smallest:
            return None
        return Bar("faithfulness", 0.9, "Smallest circuit with faithfulness of 0.9")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.control_count > self.test_count:
            raise Sparc3Error(
                f"`control_count` is {self.control_count}, more than the {self.test_count} test "
                "prompts it is taken from."
            )

    def metrics_for(self, removal: Removal) -> tuple[Metric, ...]:
        """Return the metrics; where the circuit is removed, the behaviour should fall."""
        if removal == "lowest":
            return self.metrics
        return tuple(
            dataclasses.replace(metric, direction=_TURNED.get(metric.name, metric.direction))
            for metric in self.metrics
        )

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return means over prompts, their faithfulness, and the perplexity of general text."""
        import numpy as np

        assert empty is not None  # needs_empty
        name = "logit_difference"
        found = {"faithfulness": faithfulness(means[name], dense[name], empty[name])}
        found |= {name: value for name, value in means.items() if name != "loss"}
        if "loss" in means:
            found["perplexity"] = np.exp(means["loss"])
        return found

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedIoi:
        """Draw and tokenise the prompts; refuse names of several tokens and leaking prompts."""
        cutter = Cutter(tokenizer, cache, self.begin)
        names = [name for name in NAMES if name_token(tokenizer, name) is not None]
        drawn = {
            part: self._draw(part, cutter, seed if part == "reference" else 0, names)
            for part in ("reference", "selection", "test")
        }
        texts = {part: {prompt.text for prompt in one.prompts} for part, one in drawn.items()}
        for part in ("reference", "selection"):
            if shared := texts[part] & texts["test"]:
                raise Sparc3Error(
                    f"{len(shared)} of the {part} prompts are test prompts, too; a circuit must "
                    "not be judged on what it was found with. Give other prompts."
                )
        general = cutter.held_out(
            self.general_text, self.general_length, self.general_windows, "general"
        )
        return PreparedIoi(
            reference=drawn["reference"].tokens,
            selection=drawn["selection"].tokens,
            test=drawn["test"].tokens,
            control_count=self.control_count,
            general=general,
            datasets=(*(one.record for one in drawn.values()), general.record),
            warnings=(
                *dict.fromkeys(line for one in drawn.values() for line in one.warnings),
                *general.warnings,
            ),
        )

    def _draw(self, part: str, cutter: Cutter, seed: int, names: Sequence[str]) -> Drawn:
        source, count = getattr(self, f"{part}_prompts"), getattr(self, f"{part}_count")
        warnings: tuple[str, ...] = ()
        if source == _GENERATED:
            made = generate(part, count, seed, names)
            places = [f"Prompt {index + 1} of {part}" for index in range(count)]
            dropped = sorted(set(NAMES) - set(names))
            choice = f"drawn with seed {seed}; names of one token: {len(names)}"
            choice += f", left out: {', '.join(dropped)}" if dropped else ""
            about = f"own templates ({len(TEMPLATES[part])} of part '{part}')"
        else:
            made, places, warnings = read_prompts(source, count)
            about, choice = source_name(source), "the first of the file"
        found = tokenize(cutter.tokenizer, made, places, cutter.first)
        if part == "test":
            warnings += repeated([one.ids for one in found], "evaluation prompts")
        purpose = "evaluation" if part == "test" else part
        said = {"purpose": purpose, "source": about, "choice": choice}
        described = record(made, found, cutter.first, **said)
        return Drawn(made, found, described, warnings)


@dataclass(frozen=True)
class PreparedIoi(PreparedTask):
    """The prompts in memory; `test` is what is measured on."""

    reference: Sequence[Tokenized]
    selection: Sequence[Tokenized]
    test: Sequence[Tokenized]
    control_count: int
    general: Windows | None
    datasets: tuple[DatasetRecord, ...]
    warnings: tuple[str, ...]
    has_counterparts = True

    @property
    def clusters(self) -> Mapping[str, Sequence[int]]:
        """Prompts of one template move together."""
        templates = [prompt.template for prompt in self.test]
        return {metric.name: templates for metric in IoiCircuit.metrics[1:-1]}

    def part(self, name: Part) -> PreparedTask:
        """Return selection prompts or a sample of the test prompts, both without general text."""
        if name == "selection":
            return dataclasses.replace(self, test=self.selection, general=None)
        if name == "control":
            spaced = spread(self.test, self.control_count)
            return dataclasses.replace(self, test=spaced, general=None)
        return self

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference prompts with their two answers."""
        from sparc3_tasks.prompts.answers import answered

        return {"task": answered(self.reference, objective)}

    def sequences(self) -> Sequence[Sequence[int]]:
        """Return what is measured on: prompts, their counterparts, windows of general text."""
        prompts = [*self.selection, *self.test]
        general = [] if self.general is None else self.general.samples
        return [*(each for one in prompts for each in (one.ids, one.corrupted)), *general]

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure every test prompt, and the loss of every window of general text."""
        from sparc3_tasks.prompts.answers import measure_prompts
        from sparc3_tasks.texts.losses import measure_windows

        general = self.general
        if general is None:
            return measure_prompts(model, self.test, dense, progress)
        total = len(self.test) + len(general.rows)
        found = measure_prompts(model, self.test, dense, lambda done, _: progress(done, total))
        losses = measure_windows(model, general.rows, general.begin.ids).tolist()
        progress(total, total)
        return Evaluation({**found.samples, "loss": losses}, found.memory)

    def remarks(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Warn of a model that cannot do the task: there is no circuit to find then."""
        chance = 0.5 + 1.645 * math.sqrt(0.25 / len(self.test))
        if metrics["accuracy"] > chance:
            return ()
        return (
            f"The dense model is right on {metrics['accuracy']:.0%} of the prompts, which chance "
            "gives too: it does not do the task, and the numbers of this run mean nothing.",
        )


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [IoiCircuit]
