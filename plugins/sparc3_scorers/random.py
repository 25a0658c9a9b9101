"""Random: uniform noise, the control that every method must beat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench import Scorer, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples


class Random(Scorer):
    """Importance = a number drawn uniformly from [0, 1), independent of everything."""

    name = "random"
    title = "Random"
    formula = "u with u drawn uniformly from [0, 1)"
    needs_reference = False
    is_control = True

    def score(self, model: ModelView, reference: ReferenceSamples) -> Mapping[str, Tensor]:
        """Return noise from ``reference.seed``; a matrix's noise depends on its name alone."""
        import torch

        scores = {}
        for name, weight in model.weights().items():
            digest = hashlib.sha256(f"{reference.seed}/{name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            noise = torch.rand(weight.matrix.shape, generator=generator)
            scores[name] = noise.to(weight.matrix.device)
        return scores


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Random]
