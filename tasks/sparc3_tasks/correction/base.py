"""Correction: what the two tasks share, from three parts of prompts to one choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import Choice, PreparedTask
from sparc3_tasks.correction.options import CorrectionOptions

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import Ranking


@dataclass(frozen=True)
class Correction(CorrectionOptions):
    """A task of correction; see the card for the meaning of every option."""

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedTask:
        """Fetch, split and tokenise prompts and texts; refuse what is too little."""
        from sparc3_tasks.correction.prepared import prepare

        return prepare(self, tokenizer, cache, seed)

    def candidates(self, rankings: Mapping[str, Ranking]) -> Mapping[str, Mapping[str, Tensor]]:
        """Return the rankings by contrast; of a scorer without a reference its scores."""
        from sparc3_tasks.correction.contrasts import rankings as contrasted

        if "undesired" not in rankings:
            return super().candidates(rankings)
        return contrasted(
            self.contrast,
            rankings["general"],
            rankings["undesired"],
            self.low_part,
            self.normalise,
        )

    def _choice(self, metric: str, *limited: str, title: str) -> Choice:
        limits = {
            "perplexity_increase": self.most_perplexity,
            "distinct_2_loss": self.most_distinct,
        }
        return Choice(metric, {name: limits[name] for name in limited}, title)
