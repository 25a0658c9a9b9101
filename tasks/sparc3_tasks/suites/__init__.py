"""Suites of runs that come with the tasks, one TOML file each."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench import Suite, hookimpl

_FOLDER = Path(__file__).parent

_SUITES = {
    "quick": (
        "Quick",
        "Every application on the default model, short enough to watch: what `make bench` runs.",
    ),
    "standard": (
        "Standard",
        "Every built-in scorer on every task, with three seeds; hours on two cores.",
    ),
    "circuits": (
        "Circuits",
        "IOI circuits of every built-in scorer: weights, neurons and heads, kept and removed.",
    ),
    "circuit-conventions": (
        "Circuit conventions",
        "How group, aggregation and objective decide what half of the weights can still do on IOI.",
    ),
    "planted": ("Planted circuit", "Scores against a circuit that is known."),
    "correction": (
        "Correction",
        "Toxic and repetitive responses, corrected by neurons and by weights.",
    ),
    "sanity": ("Sanity", "What the scores of every built-in scorer depend on."),
    "scorers": (
        "Scorers",
        "Every built-in scorer and every rule of AttnLRP alone, "
        "at half of the weights of each row.",
    ),
    "zero-shot": (
        "Zero-shot accuracy",
        "Accuracy on nine benchmarks without examples, of every built-in kind of score.",
    ),
    "fair-comparisons": (
        "Fair comparisons",
        "Score, group, aggregation and schedule crossed, at equal reference tokens and compute.",
    ),
    "paper-compression": (
        "Compression, as in the paper",
        "The compression experiment of the paper, for a machine with the hub and an accelerator.",
    ),
    "paper-circuits": (
        "Circuits, as in the paper",
        "The circuit experiment of the paper on OPT-125M: weights, neurons, heads.",
    ),
    "paper-correction": (
        "Correction, as in the paper",
        "The corrections of the paper on OPT-125M: toxicity and repetition.",
    ),
}
"""By name, which is that of the file, the title and what it is for."""


@hookimpl
def sparc3_register_suites() -> list[type[Suite]]:
    """Register the suites."""
    return [_suite(name, title, told) for name, (title, told) in _SUITES.items()]


def _suite(name: str, title: str, told: str) -> type[Suite]:
    own = {"name": name, "title": title, "file": _FOLDER / f"{name}.toml"}
    return type(title, (Suite,), {"__doc__": told, "__module__": __name__, **own})
