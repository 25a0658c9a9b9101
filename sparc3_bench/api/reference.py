"""Reference samples that are given in a call, as a task of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from sparc3_bench.contracts import PreparedTask, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.spec import DatasetRecord
from sparc3_bench.types.samples import ReferenceSamples
from sparc3_bench.types.values import Evaluation, Means, Metric

if TYPE_CHECKING:
    from sparc3_bench.types.model import Model

Reference: TypeAlias = Any
"""Texts, or samples of token ids: lists of them, or a tensor ``[samples, tokens]``."""

_LEAST = 2
"""Tokens of a sample: nothing is asked for the first."""


class GivenReference(Task):
    """The samples that a call gives; what is measured is the loss on these themselves."""

    name = "given-reference"
    title = "Reference samples given in a call"
    version = 1
    metrics = (Metric("loss", "lower", "nats per token", "Loss on the reference itself"),)
    amounts = (0.0,)
    default_objective = "label-log-probability"

    given: ClassVar[Sequence[Any]] = ()
    """Texts or token ids."""

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedReference:
        """Tokenise what is text."""
        texts = [one for one in self.given if isinstance(one, str)]
        if texts and tokenizer is None:
            raise Sparc3Error(
                "Texts are given as reference and no tokenizer; give it as `tokenizer`, or give "
                "token ids."
            )
        samples = [
            list(tokenizer(one, verbose=False)["input_ids"]) if isinstance(one, str) else one
            for one in self.given
        ]
        if min(map(len, samples)) < _LEAST:
            raise Sparc3Error(
                f"Every reference sample must have at least {_LEAST} tokens; give longer ones."
            )
        ids = ";".join(",".join(map(str, one)) for one in samples)
        record = DatasetRecord(
            purpose="reference",
            source="texts given in a call" if texts else "token ids given in a call",
            digest=hashlib.sha256("\0".join(texts).encode() or ids.encode()).hexdigest(),
            token_digest=hashlib.sha256(ids.encode()).hexdigest(),
            item="sample",
            windows=len(samples),
            window_length=max(map(len, samples)),
            tokens=sum(map(len, samples)),
            choice="all of them",
        )
        return PreparedReference(samples, (record,))

    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the mean loss."""
        return {"loss": means["loss"]}


@dataclass(frozen=True)
class PreparedReference(PreparedTask):
    """The samples in tokens."""

    samples: Sequence[Sequence[int]]
    datasets: tuple[DatasetRecord, ...]
    compares = False

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the samples; any objective over text will do."""
        from sparc3_bench.attribution.objectives import find_objective

        return {"task": ReferenceSamples(self.samples, find_objective(objective))}

    def evaluate(
        self, model: Model, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Return the mean loss of every sample over its tokens."""
        import torch

        from sparc3_bench.attribution.objectives import find_objective, loss

        reference = ReferenceSamples(self.samples, find_objective("loss"), progress=progress)
        with torch.no_grad():
            losses = [
                float(one)
                for batch in reference.batches(model.device)
                for one in loss(model.forward(batch), batch)
            ]
        return Evaluation({"loss": losses})


def reference_task(given: Reference) -> type[GivenReference]:
    """Return a task whose reference samples are these."""
    if isinstance(given, str):
        raise Sparc3Error(
            "The reference is one text; give a list of texts, each of which is a sample."
        )
    if hasattr(given, "tolist"):
        given = given.tolist()
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        way = "; give its `input_ids`" if isinstance(given, Mapping) else ""
        raise Sparc3Error(
            "The reference must be a list of texts, or token ids as lists or a tensor, got "
            f"{type(given).__name__}{way}."
        )
    samples = [one.tolist() if hasattr(one, "tolist") else one for one in given]
    for one in samples:
        is_ids = isinstance(one, Sequence) and all(isinstance(token, int) for token in one)
        if not (isinstance(one, str) or is_ids):
            raise Sparc3Error(
                "A reference sample must be a text or a sequence of token ids, got "
                f"{type(one).__name__}; pad nothing, samples may differ in length."
            )
        if is_ids and min(one, default=0) < 0:
            raise Sparc3Error(f"Token ids must be at least 0, got {min(one)}; pad nothing.")
    if not samples:
        raise Sparc3Error("No reference sample is given; give at least one.")
    return type("GivenReference", (GivenReference,), {"given": samples, "__module__": __name__})
