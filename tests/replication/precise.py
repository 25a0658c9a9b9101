"""RMSNorm in the format of its inputs, to put into models that must compute in float64."""

from __future__ import annotations

from torch import Tensor, nn

from sparc3_bench import ModelView, Role

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
