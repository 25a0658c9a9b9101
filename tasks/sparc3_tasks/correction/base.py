"""Correction: what the two tasks share, from three parts of prompts to one choice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import Choice, Contrasts, Facts, PreparedTask
from sparc3_tasks.correction.contrasts import AUTO, contrasted, usable
from sparc3_tasks.correction.options import CorrectionOptions

if TYPE_CHECKING:
    from sparc3_tasks.correction.prepared import PreparedCorrection


@dataclass(frozen=True)
class Correction(CorrectionOptions):
    """A task of correction; see the card for the meaning of every option."""

    @property
    def facts(self) -> Facts[PreparedCorrection]:
        """The dense model's answers to the attribution prompts."""
        from sparc3_tasks.correction.prepared import PreparedCorrection as Own

        return Facts(("general", "undesired"), Own.ask, Own.asked_texts, Own.learned)

    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedTask:
        """Fetch, split and tokenise prompts and texts; refuse what is too little."""
        from sparc3_tasks.correction.prepared import prepare

        return prepare(self, tokenizer, cache, seed)

    def _choice(self, metric: str, *limited: str, title: str) -> Choice:
        limits = {
            "perplexity_increase": self.most_perplexity,
            "distinct_2_loss": self.most_distinct,
        }
        names = AUTO if self.contrast == "auto" else (self.contrast,)
        contrasts = Contrasts(
            names,
            lambda rankings: usable(names, rankings, self.normalise),
            lambda name, rankings: contrasted(name, rankings, self.low_part, self.normalise),
        )
        return Choice(metric, {name: limits[name] for name in limited}, title, contrasts)
