"""The score of Wanda++: |W| · (α G + ‖X‖₂), G the gradients of each block's own output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sparc3_bench import IncrementalScorer, Scorer, hookimpl
from sparc3_scorers.batchwise import batchwise
from sparc3_scorers.gblm import Gblm

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import Batch, ModelView, ReferenceSamples, State


@dataclass(frozen=True)
class WandaRegional(IncrementalScorer):
    """Importance = ``|W| · (α G + ‖X‖₂)``, G regional gradients, X the inputs [yang2025, eq. 4].

    G is the root mean square over samples of the gradient of ‖y‖₂, y being what the weight's own
    block puts out for all tokens of a sample. What enters a block is taken for given, so no
    objective is attributed.

    Parameters
    ----------
    alpha
        How much of the gradients is blended in, 0 or more; 0 is Wanda.

    Notes
    -----
    Published with group `row`, schedule `blockwise` and 128 samples of 2,048 tokens, which set the
    balance of the two terms: ‖X‖₂ runs over all tokens without a mean. The regional optimiser that
    follows in Wanda++ sets kept weights anew; it is no part of the score.
    """

    name = "wanda-regional"
    title = "Wanda++ score"
    citation = "yang2025"
    formula = (
        "|W| · (100 · √(meanₛ (∂‖yₛ‖₂/∂W)²) + ‖X‖₂) with samples s, y the output of the weight's "
        "block, and X the input feature over all tokens"
    )

    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the squares of regional gradients and of inputs of samples, and count them."""
        for part, batch in batchwise(reference):
            with _regional(model, batch):
                state = Gblm(norm="l2").accumulate(model, part, state)
        return state

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return |W| · (α G + ‖X‖₂) of every weight, in [0, ∞)."""
        # GBLM's sum of gradients is a mean here, and its mean of inputs a sum.
        count = int(state["samples"])
        found = Gblm(alpha=self.alpha / count, norm="l2").finish(model, state)
        return {name: scores.mul_(count**0.5) for name, scores in found.items()}


@contextmanager
def _regional(model: ModelView, batch: Batch) -> Iterator[None]:
    """Let what goes back into each block be the gradient of the norm of its own output."""
    mask = batch.to(model.device).attention_mask[..., None]

    def after(block: Any, args: Any, output: Any) -> None:
        hidden = output if hasattr(output, "register_hook") else output[0]
        if hidden.requires_grad:
            own = hidden.detach()  # no cycle: it would be freed late
            hidden.register_hook(lambda gradient: _gradient_of_norm(own, mask))

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(block.register_forward_hook(after).remove)
        yield


def _gradient_of_norm(output: Tensor, mask: Tensor) -> Tensor:
    """Return ∂‖y‖₂/∂y of every sample: ``[samples, tokens, features]``; 0 at padding."""
    import torch

    wide = output.to(torch.promote_types(output.dtype, torch.float32)) * mask
    norms = wide.square().sum((1, 2), keepdim=True).sqrt()
    return (wide / norms.masked_fill(norms == 0, 1)).to(output.dtype)


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [WandaRegional]
