"""Sums over samples of |G|ᵖ, with G the gradient of a matrix on one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sparc3_bench import Sparc3Error

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, State

_WEIGHT, _BIAS = "weight/", "bias/"


class PowerSums:
    """Running sums of |G|ᵖ, in the format of what is folded: float32 or better.

    The gradients are those of `model`. What `state` of other sums returned can be gone on from; its
    tensors are taken over. By name, `weights` are ``[out_features, in_features]``, `biases` the
    same of the gradient of a bias, where there is one, ``[out_features]``.
    """

    def __init__(self, power: Literal[1, 2], state: State, model: ModelView) -> None:
        self._power, self._of = power, model.weights()
        self.weights, self.biases = (
            {n.removeprefix(prefix): total for n, total in state.items() if n.startswith(prefix)}
            for prefix in (_WEIGHT, _BIAS)
        )

    def state(self) -> State:
        """Return all sums, to go on from."""
        found = {_WEIGHT + name: total for name, total in self.weights.items()}
        return found | {_BIAS + name: total for name, total in self.biases.items()}

    def fold(self, name: str, inputs: Tensor, gradients: Tensor) -> None:
        """Add one sample: ``[tokens, in_features]``, ``[tokens, out_features]`` of the outputs."""
        import torch

        from sparc3_bench import outer_sum

        wide = torch.promote_types(gradients.dtype, torch.float32)
        self._add(self.weights, name, outer_sum(gradients, inputs).to(wide))
        if self._of[name].bias is not None:
            self._add(self.biases, name, gradients.sum(0, dtype=wide))

    def _add(self, sums: dict[str, Tensor], name: str, gradient: Tensor) -> None:
        power = gradient.abs_() if self._power == 1 else gradient.square_()
        sums[name] = sums[name].add_(power) if name in sums else power

    def check_complete(self) -> None:
        """Refuse what received no gradient, e.g. because the model never ran through it."""
        for name in self._of:
            if name not in self.weights:
                raise Sparc3Error(
                    f"No gradient reached '{name}'; the objective does not depend on it. "
                    "Choose another objective or scope."
                )
