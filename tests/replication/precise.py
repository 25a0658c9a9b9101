"""Models that compute in float64, and the relevance that reaches a module of them."""

from __future__ import annotations

import torch
from sparc3_scorers.lrp_rules import propagating
from torch import Tensor, nn

from sparc3_bench import Batch, ModelView, ReferenceSamples, Role
from sparc3_bench.testing.tiny import make_reference

LENGTHS = (12, 5, 9)
RMS = (Role.RMS_NORM, Role.OFFSET_RMS_NORM)


class PreciseNorm(nn.Module):
    """RMSNorm scaled by an offset plus a weight; those of transformers round to float32."""

    def __init__(self, norm: nn.Module, role: Role) -> None:
        super().__init__()
        self.weight, self.offset = norm.weight, 1 if role is Role.OFFSET_RMS_NORM else 0
        self.eps = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon

    def forward(self, x: Tensor) -> Tensor:
        rms = (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return x / rms * (self.offset + self.weight)


def make_precise(view: ModelView) -> ModelView:
    """Put norms into the model that compute in the format of their inputs."""
    for name, (module, role) in view.roles().items():
        if role in RMS:
            view.model.set_submodule(name, PreciseNorm(module, role))
    return view


def label_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Sum of the logits of the next tokens of one sample, in the format of the logits."""
    return logits[:, :-1].gather(-1, batch.input_ids[:, 1:, None]).sum()


def relevance_at(view: ModelView, variant: str, module: nn.Module) -> tuple[Tensor, Tensor]:
    """Return Σ x · g over the input of `module`, and the value of the objective."""
    values, relevances = [], []

    def objective(logits: Tensor, batch: Batch) -> Tensor:
        values.append(label_logit(logits, batch))
        return values[-1]

    def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        x = args[0].detach()
        args[0].register_hook(lambda g: relevances.append((x * g).sum()))

    handle = module.register_forward_pre_hook(before)
    samples = make_reference(4, LENGTHS).samples
    with propagating(view, variant):
        view.attribute(ReferenceSamples(samples, objective), lambda name, a, g: None)
    handle.remove()
    assert len(values) == len(relevances) == 4
    return torch.stack(relevances).sum(), torch.stack(values).detach().sum()
