"""Suites of runs that come with the tasks, one TOML file each."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench import Suite, hookimpl

_FOLDER = Path(__file__).parent


class Quick(Suite):
    """Every application on the default model, short enough to watch: what `make bench` runs."""

    name = "quick"
    title = "Quick"
    file = _FOLDER / "quick.toml"


class Circuits(Suite):
    """IOI circuits of every built-in scorer: weights, neurons and heads, kept and removed."""

    name = "circuits"
    title = "Circuits"
    file = _FOLDER / "circuits.toml"


class CircuitConventions(Suite):
    """How group, aggregation and objective decide what half of the weights can still do on IOI."""

    name = "circuit-conventions"
    title = "Circuit conventions"
    file = _FOLDER / "circuit-conventions.toml"


class Planted(Suite):
    """Scores against a circuit that is known."""

    name = "planted"
    title = "Planted circuit"
    file = _FOLDER / "planted.toml"


class Correction(Suite):
    """Toxic and repetitive responses, corrected by neurons and by weights."""

    name = "correction"
    title = "Correction"
    file = _FOLDER / "correction.toml"


class Sanity(Suite):
    """What the scores of every built-in scorer depend on."""

    name = "sanity"
    title = "Sanity"
    file = _FOLDER / "sanity.toml"


class Scorers(Suite):
    """Every built-in scorer and every rule of AttnLRP alone, at half of the weights of each row."""

    name = "scorers"
    title = "Scorers"
    file = _FOLDER / "scorers.toml"


class ZeroShot(Suite):
    """Accuracy on nine benchmarks without examples, of every built-in kind of score."""

    name = "zero-shot"
    title = "Zero-shot accuracy"
    file = _FOLDER / "zero-shot.toml"


class Standard(Suite):
    """Every built-in scorer on every task, with three seeds; hours on two cores."""

    name = "standard"
    title = "Standard"
    file = _FOLDER / "standard.toml"


class FairComparisons(Suite):
    """Score, group, aggregation and schedule crossed, at equal reference tokens and compute."""

    name = "fair-comparisons"
    title = "Fair comparisons"
    file = _FOLDER / "fair-comparisons.toml"


class PaperCompression(Suite):
    """The compression experiment of the paper, for a machine with the hub and an accelerator."""

    name = "paper-compression"
    title = "Compression, as in the paper"
    file = _FOLDER / "paper-compression.toml"


class PaperCircuits(Suite):
    """The circuit experiment of the paper on OPT-125M: weights, neurons, heads."""

    name = "paper-circuits"
    title = "Circuits, as in the paper"
    file = _FOLDER / "paper-circuits.toml"


class PaperCorrection(Suite):
    """The corrections of the paper on OPT-125M: toxicity and repetition."""

    name = "paper-correction"
    title = "Correction, as in the paper"
    file = _FOLDER / "paper-correction.toml"


@hookimpl
def sparc3_register_suites() -> list[type[Suite]]:
    """Register the suites."""
    return [
        *(Quick, Standard, Circuits, CircuitConventions, Planted, Correction, Sanity, Scorers),
        *(ZeroShot, FairComparisons, PaperCompression, PaperCircuits, PaperCorrection),
    ]
