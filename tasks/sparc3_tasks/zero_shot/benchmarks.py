"""The nine benchmarks: what each is called, how it is scored, and what guessing would give."""

from __future__ import annotations

from dataclasses import dataclass

from sparc3_bench import Metric

ACCURACIES = ("acc", "acc_norm")
"""The metrics of lm-eval that are shares of right answers."""


@dataclass(frozen=True)
class Benchmark:
    """A multiple-choice or cloze benchmark, as lm-eval defines it."""

    name: str
    """That of lm-eval's task."""
    title: str
    """For readers."""
    metrics: tuple[str, ...] = ("acc",)
    """Which of lm-eval's metrics it has: ``acc``, ``acc_norm``, ``perplexity``."""
    chance: float | None = None
    """The accuracy of guessing, in [0, 1]; None where it is not known."""
    sharing: tuple[str, ...] = ()
    """Fields of a document; documents that have these in common are no independent samples."""

    def declared(self) -> list[Metric]:
        """Return how to read its metrics."""
        chance = "" if self.chance is None else f", chance {self.chance:.0%}"
        read = {
            "acc": ("higher", f"{self.title}: accuracy{chance}"),
            "acc_norm": ("higher", f"{self.title}: accuracy by length{chance}"),
            "perplexity": ("lower", f"{self.title}: perplexity of the last word"),
        }
        return [
            Metric(
                f"{self.name}_{name}",
                direction,  # type: ignore[arg-type]
                "1",
                title,
                scale="log" if name == "perplexity" else "linear",
            )
            for name, (direction, title) in read.items()
            if name in self.metrics
        ]


BENCHMARKS = {
    one.name: one
    for one in (
        Benchmark("boolq", "BoolQ", chance=0.5, sharing=("passage",)),
        Benchmark("rte", "RTE", chance=0.5, sharing=("sentence1",)),
        Benchmark("hellaswag", "HellaSwag", ACCURACIES, 0.25, ("source_id",)),
        Benchmark("winogrande", "WinoGrande", chance=0.5, sharing=("option1", "option2")),
        Benchmark("arc_easy", "ARC-e", ACCURACIES, 0.25),
        Benchmark("arc_challenge", "ARC-c", ACCURACIES, 0.25),
        Benchmark("openbookqa", "OpenBookQA", ACCURACIES, 0.25),
        Benchmark("piqa", "PIQA", ACCURACIES, 0.5, ("goal",)),
        Benchmark("lambada_openai", "LAMBADA", ("acc", "perplexity"), 0.0),
    )
}
"""By name: BoolQ [clark2019boolq], RTE of GLUE [wang2019glue], HellaSwag [zellers2019], WinoGrande
[sakaguchi2020], ARC easy and challenge [clark2018arc], OpenBookQA [mihaylov2018], PIQA [bisk2020],
LAMBADA [paperno2016lambada] as OpenAI cut it."""


def known(name: str) -> Benchmark:
    """Return a benchmark; of another task of lm-eval only the accuracy is read."""
    return BENCHMARKS.get(name) or Benchmark(name, name)
