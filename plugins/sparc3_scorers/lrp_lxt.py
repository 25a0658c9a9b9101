"""LRP by the package lxt, a second opinion on the scorer `lrp`; see ``docs/lxt.md``.

The authors of LRP state that it is patented technology which can be used free of charge for
personal and scientific purposes only. The licence of this code (Apache-2.0) grants no right to it.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Aggregation, Scorer, Sparc3Error, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import ModelView, ReferenceSamples, ScoreMap

_VERSION = "2.1"


@dataclass(frozen=True)
class LrpLxt(Scorer):
    """Relevance of a weight, R_w = w · a · R_out / z, propagated by lxt [achtibat2024].

    What is compared with `lrp` is the propagation alone: reference, objective and the folding of
    contributions are the same code.

    Parameters
    ----------
    aggregation
        How contributions of tokens and samples are combined; see `Aggregation`.

    Notes
    -----
    The package changes classes of the whole process and cannot take that back, so it runs in a
    process of its own, which lives as long as this one. That process has a second copy of the
    model; the peak of memory that a result records does not count it.
    """

    name = "lrp-lxt"
    title = "LRP (lxt)"
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

    aggregation: Aggregation = "token-rms"

    def score(self, model: ModelView, reference: ReferenceSamples) -> ScoreMap:
        """Return the relevance of every weight; in [0, ∞) unless the aggregation is signed.

        Raises Sparc3Error when lxt is not installed, does not know the architecture, or its process
        fails; and for a model whose modules share matrices, which a saved copy does not.
        """
        if shared := [name for name, weight in model.weights().items() if weight.sharing]:
            raise Sparc3Error(
                f"Scorer 'lrp-lxt' scores a saved copy of the model, in which `{shared[0]}` is no "
                "longer shared with other modules; use 'lrp'."
            )
        _check_installed()
        from sparc3_scorers.lxt_process import score_with_lxt

        return score_with_lxt(model, reference, self.aggregation)


def _check_installed() -> None:
    try:
        version = importlib.metadata.version("lxt")
    except importlib.metadata.PackageNotFoundError:
        version = None
    if version != _VERSION:
        found = "is not installed" if version is None else f"is installed as {version}"
        raise Sparc3Error(
            f"Scorer 'lrp-lxt' needs the package lxt {_VERSION}, which {found}; "
            f"pip install 'sparc3-bench[lxt]', or pip install --no-deps lxt=={_VERSION}."
        )


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [LrpLxt]
