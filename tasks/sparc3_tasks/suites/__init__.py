"""Suites of runs that come with the tasks, one TOML file each."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench import Suite, hookimpl


def _suite(name: str, title: str, words: str) -> type[Suite]:
    """Return the suite of the file called `name`; its `words` are what a class has as docstring."""
    file = Path(__file__).with_name(f"{name}.toml")
    own = {"__module__": __name__, "__doc__": words, "name": name, "title": title, "file": file}
    return type(name.title().replace("-", ""), (Suite,), own)


_SUITES = [
    _suite(
        "quick",
        "Quick",
        "Every application on the default model, short enough to watch: what `make bench` runs.",
    ),
    _suite(
        "standard",
        "Standard",
        "Every built-in scorer on every task, with three seeds; hours on two cores.",
    ),
    _suite(
        "circuits",
        "Circuits",
        "IOI circuits of every built-in scorer: weights, neurons and heads, kept and removed.",
    ),
    _suite(
        "circuit-conventions",
        "Circuit conventions",
        "How group, aggregation and objective decide what half of the weights can still do on IOI.",
    ),
    _suite("planted", "Planted circuit", "Scores against a circuit that is known."),
    _suite(
        "correction",
        "Correction",
        "Toxic and repetitive responses, corrected by neurons and by weights.",
    ),
    _suite("sanity", "Sanity", "What the scores of every built-in scorer depend on."),
    _suite(
        "scorers",
        "Scorers",
        "Every built-in scorer and every rule of AttnLRP alone, at half of the weights of each "
        "row.",
    ),
    _suite(
        "zero-shot",
        "Zero-shot accuracy",
        "Accuracy on nine benchmarks without examples, of every built-in kind of score.",
    ),
    _suite(
        "fair-comparisons",
        "Fair comparisons",
        "Score, group, aggregation and schedule crossed, at equal reference tokens and compute.",
    ),
    _suite(
        "paper-compression",
        "Compression, as in the paper",
        "The compression experiment of the paper, for a machine with the hub and an accelerator.",
    ),
    _suite(
        "paper-circuits",
        "Circuits, as in the paper",
        "The circuit experiment of the paper on OPT-125M: weights, neurons, heads.",
    ),
    _suite(
        "paper-correction",
        "Correction, as in the paper",
        "The corrections of the paper on OPT-125M: toxicity and repetition.",
    ),
]


@hookimpl
def sparc3_register_suites() -> list[type[Suite]]:
    """Register the suites."""
    return _SUITES
