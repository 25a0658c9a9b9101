"""LRP: weight relevance by layer-wise relevance propagation (AttnLRP, CP-LRP).

The authors of LRP state that it is patented technology which can be used free of charge for
personal and scientific purposes only. The licence of this code (Apache-2.0) grants no right to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sparc3_bench import Aggregation, Scorer, hookimpl
from sparc3_scorers.accumulating import AccumulatingScorer

if TYPE_CHECKING:
    from sparc3_bench import ModelView, ReferenceSamples, State

Variant = Literal[
    "attnlrp", "cp-lrp", "relp", "norms-only", "activations-only", "attention-only", "gates-only"
]
"""AttnLRP [achtibat2024]; conservative propagation [ali2022]: attention and gates constant; all
rules of AttnLRP but that for attention, which has its plain gradient, as in relevance patching
[jafari2025]; or one of the four rules alone, with the plain gradient for the rest."""


@dataclass(frozen=True)
class Lrp(AccumulatingScorer):
    """Relevance of a weight, R_w = w · a · R_out / z [becking2022; hatefi2025, eq. 8].

    It equals the weight times its gradient under a modified backward pass; see `lrp_rules`.

    Parameters
    ----------
    variant
        Which rules to propagate with. The four that end in ``-only`` tell which rule makes the
        difference to the gradient. In a model without what a rule is for (gates in OPT and GPT-2)
        its scores are those of the gradient.

    Notes
    -----
    The ε of the linear rule is 0, as in every implementation by modified gradients.
    """

    name = "lrp"
    title = "LRP"
    citation = "hatefi2025; achtibat2024"
    formula = (
        "√(meanₛ Σₜ (w · aₜ · Rₜ / zₜ)²) "
        "with samples s, tokens t, inputs a, outputs z and their relevance R"
    )
    notice = (
        "The authors of LRP state that it is patented technology which can be used free of charge "
        "for personal and scientific purposes only. The licence of this code (Apache-2.0) grants "
        "no right to it."
    )

    variant: Variant = "attnlrp"
    aggregation: Aggregation = "token-rms"
    standard_error: bool = False
    by_sample: bool = False

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the relevance of samples to the sums of an `Accumulator`."""
        from sparc3_scorers.lrp_rules import propagating

        accumulator = self.accumulator(model, state)
        with propagating(model, self.variant):
            model.attribute(reference, accumulator.fold, widens=False)
        return accumulator.state()

    def rules(self, model: ModelView) -> Mapping[str, str]:
        """Return by path the rule of every module that has one."""
        from sparc3_scorers.lrp_rules import rules

        return {name: words for name, words, _ in rules(model, self.variant)}


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Lrp]
