"""Planted circuit: scores judged against a circuit that is known, in a model trained for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sparc3_bench import (
    Assessment,
    Evaluation,
    Means,
    Metric,
    ModelSource,
    PreparedTask,
    Sparc3Error,
    Task,
    hookimpl,
)
from sparc3_tasks.planted_circuit import data
from sparc3_tasks.prompts.names import OBJECTIVES, Tokenized, record, tokenize
from sparc3_tasks.texts.begin import beginning

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import (
        DatasetRecord,
        Estimate,
        Group,
        ModelView,
        ReferenceSamples,
        ScoreMap,
        Unit,
    )

_FOLDER = Path(__file__).with_name("model")


class PlantedIoi(ModelSource):
    """Two blocks that solve IOI and sums modulo ten, and noise that reaches no output."""

    name = "planted-ioi"
    title = "Planted IOI"
    label = "trained for the task, with planted noise"
    licence = "Apache-2.0"

    def fetch(self, cache: Path) -> Path:
        """Return the folder that is installed with this file."""
        return _FOLDER


def assessed(
    prepared: PreparedTask,
    model: ModelView,
    scores: Mapping[str, ScoreMap],
    unit: Unit,
    group: Group,
) -> Mapping[str, Estimate]:
    """Return how well the scores rank what is the circuit above what is not.

    Only what there is to remove is judged: a weight that is not zero, a neuron or head that
    has such weights.
    """
    import numpy as np

    from sparc3_bench import ScoreMap, rankable
    from sparc3_tasks.planted_circuit.layout import Kind
    from sparc3_tasks.planted_circuit.ranking import estimates

    (own,) = scores.values()
    kinds = known(model, own)
    present = {name: (codes != Kind.ABSENT).float() for name, codes in kinds.items()}
    circuit = {name: (codes == Kind.CIRCUIT).float() for name, codes in kinds.items()}
    ranked, there, wanted = (
        rankable(values, model, unit) for values in (own, ScoreMap(present), ScoreMap(circuit))
    )
    judged = {name: values > 0 for name, values in there.items()}
    chosen = [ranked[name].cpu()[mask].double().numpy() for name, mask in judged.items()]
    truth = [(wanted[name] > 0)[mask].numpy() for name, mask in judged.items()]
    return estimates(np.concatenate(chosen), np.concatenate(truth))


@dataclass(frozen=True)
class PlantedCircuit(Task):
    """How well scores find the weights, neurons and heads that are known to be the circuit.

    Parameters
    ----------
    reference_count, test_count
        How many prompts steer the scores, and how many the pruned models are measured on.
    """

    name = "planted-circuit"
    title = "Planted circuit"
    version = 1
    metrics = (
        Metric("accuracy", "higher", "1", "Accuracy, IO before S"),
        Metric("logit_difference", "higher", "logits", "Logit difference"),
    )
    assessment = Assessment(
        (
            Metric("auroc", "higher", "1", "AUROC against the true circuit"),
            Metric(
                "average_precision", "higher", "1", "Average precision against the true circuit"
            ),
        ),
        assessed,
    )
    amounts = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.988)
    default_objective = "logit-difference"
    objectives = OBJECTIVES
    sample_counts = ("reference_count", "test_count")
    tiny_options = {"reference_count": 8, "test_count": 16}  # noqa: RUF012  # of the class
    tiny_model = PlantedIoi.name

    reference_count: Annotated[int, Field(ge=1, le=2000)] = 64
    test_count: Annotated[int, Field(ge=1, le=2000)] = 200

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the means over prompts."""
        return {metric.name: means[metric.name] for metric in self.metrics}

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedPlanted:
        """Draw the prompts; refuse a model that does not speak the language."""
        if tokenizer.get_vocab() != data.vocabulary():
            raise Sparc3Error(_refusal(model_id))
        first = beginning(tokenizer, "auto")
        drawn, described = {}, []
        for part, count, drawn_with in (
            ("reference", self.reference_count, seed),
            ("test", self.test_count, 0),
        ):
            prompts = data.ioi_prompts(part, count, drawn_with)
            places = [f"Prompt {index + 1}" for index in range(count)]
            drawn[part] = tokenize(tokenizer, prompts, places, first)
            said = {
                "purpose": "evaluation" if part == "test" else part,
                "source": f"the language of {PlantedIoi.name}, part '{part}'",
                "choice": f"drawn with seed {drawn_with}",
            }
            described.append(record(prompts, drawn[part], first, **said))
        return PreparedPlanted(drawn["reference"], drawn["test"], tuple(described))


@dataclass(frozen=True)
class PreparedPlanted(PreparedTask):
    """The prompts in memory."""

    reference: Sequence[Tokenized]
    test: Sequence[Tokenized]
    datasets: tuple[DatasetRecord, ...]
    has_counterparts = True

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference prompts with their two answers."""
        from sparc3_tasks.prompts.answers import answered

        return {"task": answered(self.reference, objective)}

    def sequences(self) -> Sequence[Sequence[int]]:
        """Return the test prompts."""
        return [prompt.ids for prompt in self.test]

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure every test prompt."""
        from sparc3_tasks.prompts.answers import measure_prompts

        found = measure_prompts(model, self.test, dense, progress)
        kept = {metric.name: found.samples[metric.name] for metric in PlantedCircuit.metrics}
        return Evaluation(kept, found.memory)


def known(model: ModelView, scores: ScoreMap) -> dict[str, Tensor]:
    """Return the kind of every weight that has a score; see `layout.Kind`."""
    import torch
    from safetensors.torch import load_file

    truth = load_file(_FOLDER / "truth.safetensors")
    weights = model.weights()
    for name in scores:
        matrix = weights[name].matrix.cpu()
        if name not in truth or not torch.equal(matrix != 0, truth[name] != 0):
            raise Sparc3Error(_refusal(model.config.name_or_path))
    return {name: truth[name] for name in scores}


def _refusal(model_id: str) -> str:
    return (
        f"Task '{PlantedCircuit.name}' knows the circuit of model '{PlantedIoi.name}' alone, not "
        f"of '{model_id}'; add `--model {PlantedIoi.name}`."
    )


@hookimpl
def sparc3_register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [PlantedCircuit]


@hookimpl
def sparc3_register_models() -> list[type[ModelSource]]:
    """Register the model."""
    return [PlantedIoi]
