"""The steps that are timed and whose memory is measured, and the floors that they stand beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from sparc3_tasks.texts.losses import measure_window
from torch import Tensor, nn

from sparc3_bench import ModelView, PreparedTask, ReferenceSamples
from sparc3_bench.assets import default_cache
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.model.products import product_dtype
from sparc3_bench.selection.select import select

MODEL = "smollm2-135m"
WINDOWS = 4
"""Of reference text, for steps of which a part is there once, however many windows are read.

Task compression reads 16.
"""

Step = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """The default model, a window of reference text or several, and one that is measured on."""

    view: ModelView
    several: ReferenceSamples
    prepared: PreparedTask
    dtype: str

    @property
    def reference(self) -> ReferenceSamples:
        return self.several.part(0, 1)

    @classmethod
    def load(cls, dtype: str) -> Bench:
        host, cache = default_host(), default_cache()
        view = find_model(MODEL, host, cache, dtype, "cpu").load("all")
        task = host.get("task", "compression").cls(reference_windows=WINDOWS)
        prepared = task.prepare(view.tokenizer, MODEL, cache, seed=0)
        reference = prepared.references(task.default_objective)["task"]
        products = product_dtype(dtype, "cpu")
        return cls(view, dataclasses.replace(reference, product_dtype=products), prepared, dtype)

    def forward(self, reference: ReferenceSamples) -> Step:
        """Run the model as its own forward does, all logits formed: `run` leaves them out."""

        def step() -> None:
            with torch.no_grad():
                for batch in reference.batches():
                    self.view.forward(batch)

        return step

    def forward_and_backward(self, reference: ReferenceSamples) -> Step:
        """Do what a training step does: form the gradient of every prunable weight."""

        def step() -> None:
            with self.training() as parameters:
                for batch in reference.batches():
                    reference.objective(self.view.forward(batch), batch).backward()
                for parameter in parameters:
                    parameter.grad = None

        return step

    @contextmanager
    def training(self) -> Iterator[list[nn.Parameter]]:
        parameters = [weight.parameter for weight in self.view.weights().values()]
        before = [
            (parameter, parameter.requires_grad) for parameter in self.view.model.parameters()
        ]
        for parameter, _ in before:
            parameter.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        yield parameters
        # What has no gradient torch multiplies another way: a head in copies.
        for parameter, needed in before:
            parameter.requires_grad_(needed)

    def scoring(self, name: str, reference: ReferenceSamples | None = None, **options: Any) -> Step:
        scorer = default_host().get("scorer", name).cls(**options)
        return lambda: scorer.score(self.view, reference or self.reference)

    def lxt(self, reference: ReferenceSamples) -> Step:
        """Score as lxt publishes it: gradients under its patches, each times its weight.

        The package changes classes of the whole process, for good.
        """
        from sparc3_scorers import lxt_worker

        model, embed = self.view.model, self.view.model.get_input_embeddings()
        lxt_worker.patch(type(model).__module__, self.view.config.model_type)

        def step() -> dict[str, Tensor]:
            with self.training() as parameters:
                for batch in reference.batches():
                    inputs = embed(batch.input_ids).detach().requires_grad_()
                    logits = model(inputs_embeds=inputs, use_cache=False).logits
                    reference.objective(logits, batch).backward()
                scores = {}
                for name, parameter in zip(self.view.weights(), parameters, strict=True):
                    scores[name] = parameter.detach().float() * parameter.grad
                    parameter.grad = None
            return scores

        return step

    def perplexity(self, with_divergence: bool = False) -> Step:
        held_out: Any = self.prepared
        window, begin = held_out.evaluation.rows[0], held_out.evaluation.begin.ids
        kept = measure_window(self.view, window, None, begin)[1] if with_divergence else None
        return lambda: measure_window(self.view, window, kept, begin)

    def masked_by_wanda(self) -> None:
        """Go from reference text to a model without half of every row."""
        scorer = default_host().get("scorer", "wanda").cls()
        from sparc3_bench.attribution.scores import checked

        with torch.no_grad():
            scores = checked(scorer.score(self.view, self.several), self.view.weights(), "wanda")
            mask = select(scores, 0.5, self.view, group="row")
            with self.view.masked(mask):
                pass

    def published_wanda(self) -> None:
        """Do the same as the authors' loop does: block by block, each run before and after.

        Written anew from the paper's description [sun2024wanda, sec. 3]; the model stays pruned.
        """
        with torch.no_grad():
            states, options = self._entering()
            for block in self.view.model.model.layers:
                _prune(block, states, options)
                states = [block(state, **options) for state in states]

    def restored(self) -> Mapping[str, Tensor]:
        return {name: value.clone() for name, value in self.view.model.state_dict().items()}

    def _entering(self) -> tuple[list[Tensor], dict[str, Any]]:
        """Return what the first block reads of every window, and what else it is given."""
        states: list[Tensor] = []
        options: dict[str, Any] = {}

        class Caught(Exception):
            pass

        def catch(module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
            states.append(args[0])
            options.update(given)
            raise Caught

        first = self.view.model.model.layers[0]
        with first.register_forward_pre_hook(catch, with_kwargs=True):
            for batch in self.several.batches():
                try:
                    self.view.forward(batch)
                except Caught:
                    continue
        return states, options


STEPS: dict[str, Callable[[Bench], Step]] = {
    "forward": lambda bench: bench.forward(bench.reference),
    "forward, several windows": lambda bench: bench.forward(bench.several),
    "forward and backward": lambda bench: bench.forward_and_backward(bench.reference),
    "forward and backward, several windows": lambda bench: bench.forward_and_backward(
        bench.several
    ),
    "lrp": lambda bench: bench.scoring("lrp"),
    "lrp, several windows": lambda bench: bench.scoring("lrp", bench.several),
    "gradient": lambda bench: bench.scoring("gradient"),
    "gradient, several windows": lambda bench: bench.scoring("gradient", bench.several),
    "fisher": lambda bench: bench.scoring("fisher"),
    "fisher, several windows": lambda bench: bench.scoring("fisher", bench.several),
    "wanda": lambda bench: bench.scoring("wanda"),
    "wanda, several windows": lambda bench: bench.scoring("wanda", bench.several),
    "sparsegpt": lambda bench: bench.scoring("sparsegpt"),
    "sparsegpt, several windows": lambda bench: bench.scoring("sparsegpt", bench.several),
    "perplexity": lambda bench: bench.perplexity(),
    "perplexity and divergence": lambda bench: bench.perplexity(with_divergence=True),
    "lrp, signed-mean": lambda bench: bench.scoring("lrp", aggregation="signed-mean"),
    "lrp, signed-mean, several windows": lambda bench: bench.scoring(
        "lrp", bench.several, aggregation="signed-mean"
    ),
    "lxt": lambda bench: bench.lxt(bench.reference),
    "lxt, several windows": lambda bench: bench.lxt(bench.several),
    "wanda to a masked model": lambda bench: bench.masked_by_wanda,
    "wanda's published loop": lambda bench: bench.published_wanda,
}
"""By name, what makes a step ready."""


def _prune(block: nn.Module, states: list[Tensor], options: Mapping[str, Any]) -> None:
    matrices = [module for module in block.modules() if isinstance(module, nn.Linear)]
    norms = {module: torch.zeros(module.in_features) for module in matrices}
    seen = dict.fromkeys(matrices, 0)

    def add(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        # The mean over windows of the squared norm of every feature.
        norms[module] *= seen[module] / (seen[module] + 1)
        seen[module] += 1
        rows = args[0].reshape(-1, args[0].shape[-1]).float()
        norms[module] += rows.norm(dim=0).square() / seen[module]

    handles = [module.register_forward_hook(add) for module in matrices]
    for state in states:
        block(state, **options)
    for handle in handles:
        handle.remove()
    for module in matrices:
        metric = module.weight.abs() * norms[module].sqrt()
        lowest = metric.sort(dim=1, stable=True).indices[:, : module.in_features // 2]
        module.weight.scatter_(1, lowest, 0)
