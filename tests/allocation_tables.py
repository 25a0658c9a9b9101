"""Blocks of docs/allocations.md: what the suite `factorial` says, from its committed results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import cache

from rows import ROOT, committed, listed
from tables import bullets, paragraph, table

from sparc3_bench.comparison.crossing import DIVIDED, crossing
from sparc3_bench.comparison.phrasing import number, p_value
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.crossing_report import (
    CrossingReport,
    Tested,
)
from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.record.result import Result

DOCUMENT = ROOT / "docs/allocations.md"
NOTHING = paragraph("Its results are not committed yet; `sparc3 run factorial` makes them.")
PATTERNS = ("2:4", "4:8")
SHOWN = (
    *(("Magnitude", "none"), ("Wanda", "none"), ("SparseGPT saliency", "none")),
    *(("SparseGPT saliency", "obs"), ("LRP", "none"), ("Gradient", "none")),
)
METHODS = {"SparseGPT": ("SparseGPT saliency", "obs"), "Wanda": ("Wanda", "none")}
"""What is published under these names."""


@cache
def report(amount: float = 0.5) -> CrossingReport | None:
    """Return what is said of a suite's runs, those at an amount, once all of them are committed."""
    sizes = {"evaluation_windows": 64, "evaluation_length": 256}
    every = [
        one
        for _, one in committed("compression")
        if sizes.items() <= dict(one.spec.task.options).items()
    ]
    try:
        return CrossingReport(crossing(every, default_host(), amount=amount, whole=True))
    except Sparc3Error:
        return None


def decides() -> str:
    """Return the answers, and the shares of the variance."""
    found = report()
    if found is None:
        return NOTHING
    shares, *_ = found.answers
    told = [*shares.sentences, *found.details[0].sentences]
    return "\n\n".join([bullets(told), *map(str, shares.tables)])


def steps() -> str:
    """Return what choosing and repairing do, and who fails between rows."""
    found = report()
    if found is None:
        return NOTHING
    return "\n\n".join(
        part
        for one in found.answers[1:]
        for part in (bullets(one.sentences), *map(str, one.tables))
    )


def sixty() -> str:
    """Return the answers at 60 %, and every run there."""
    found = report(0.6)
    if found is None:
        return NOTHING
    told = [
        part for one in found.answers for part in (bullets(one.sentences), *map(str, one.tables))
    ]
    ways = [*found.crossing.divisions]
    rows = [
        [scorer, repair, *(found.cell(scorer, way, repair)[1] for way in ways)]
        for repair in found.repairs
        for scorer in found.scorers
    ]
    return "\n\n".join([*told, table(["perplexity", "repair", *ways], rows)])


def patterns() -> str:
    """Return the numbers at patterns, and whether they stand as those that are published."""
    found = report()
    if found is None:
        return NOTHING
    rows = []
    for scorer, repair in _run(found):
        runs = [_of(scorer, repair, way) for way in PATTERNS]
        named = f"{scorer}, repair `{repair}`" if repair != "none" else scorer
        rows.append((named, str(runs[0].spec.seed), *(_perplexity(run) for run in runs)))
    shown = table(["perplexity", "reference seed", *PATTERNS], rows)
    repaired = [*_methods(found), _wanda(found)] if found.repairs else []
    return "\n\n".join([shown, bullets([_magnitude(found), *repaired])])


def _run(found: CrossingReport) -> list[tuple[str, str]]:
    """Return what is shown and has been run."""
    return [one for one in SHOWN if one[1] in (found.repairs or ["none"])]


def _levels(found: CrossingReport, method: tuple[str, str]) -> dict[str, str]:
    return {"scorer": method[0]} | ({"repair": method[1]} if found.repairs else {})


def _between(
    found: CrossingReport, pairs: list[tuple[tuple[str, str], tuple[str, str], str]]
) -> list[Tested]:
    """Return how two scorers with their repairs differ under a pattern, adjusted together."""
    gaps = [
        found.crossing.inside.contrast(
            *(_levels(found, method) for method in (one, other)),
            {DIVIDED: [way]},
        )
        for one, other, way in pairs
    ]
    return [*found.tested(dict(enumerate(gaps))).values()]


def _magnitude(found: CrossingReport) -> str:
    pairs = [(SHOWN[0], other, way) for way in PATTERNS for other in _run(found)[1:]]
    tested = _between(found, pairs)
    least, most = (pick(one.difference.value for one in tested) for pick in (min, max))
    tied = [
        f"{other[0]} at {w}"
        for (_, other, w), t in zip(pairs, tested, strict=True)
        if t.verdict != "worse"
    ]
    if tied:
        return (
            "As published, magnitude is far behind all others: not so here, where it is not told "
            f"to be worse than {listed(tied)}."
        )
    return (
        f"Magnitude is far behind all others here, as published: ×{number(least, 3)} to "
        f"×{number(most, 3)}, {p_value(max(one.p_value for one in tested))} at most."
    )


def _methods(found: CrossingReport) -> list[str]:
    """Return how SparseGPT stands to Wanda, beside what is published."""
    said = []
    for way in PATTERNS:
        theirs = {
            name: next(n for t in literature() for n in t.numbers if _is_like(n, name, way))
            for name in METHODS
        }
        ahead = theirs["SparseGPT"].value < theirs["Wanda"].value
        one, other = (_of(*METHODS[name], way) for name in METHODS)
        assert one.spec.seed == other.spec.seed
        pairs = zip(one.points[-1].samples["loss"], other.points[-1].samples["loss"], strict=True)
        ratio, low, high = _exponential([a - b for a, b in pairs])
        here = high < 1 if ahead else low > 1
        tied = low <= 1 <= high
        verdict = "cannot be told" if tied else "holds" if here else "does not hold"
        said.append(
            f"At {way} SparseGPT is published {'ahead of' if ahead else 'behind'} Wanda "
            f"({theirs['SparseGPT'].text} and {theirs['Wanda'].text}, {theirs['Wanda'].model}): "
            f"that {verdict} here, ×{number(ratio, 4)} ({number(low, 4)} to {number(high, 4)}) on "
            "the same windows with the same reference samples."
        )
    return said


def _of(scorer: str, repair: str, way: str) -> Result:
    """Return the suite's run of a scorer under a pattern."""
    found = report()
    assert found is not None
    (one,) = (
        run
        for run, _ in found.crossing.measured
        if run.spec.scorer.title == scorer
        and run.spec.group == way
        and str(run.spec.repair).partition(":")[0] == repair
    )
    return one


def _perplexity(run: Result) -> str:
    return "{} [{}, {}]".format(
        *(number(one, 3) for one in _exponential(run.points[-1].samples["loss"]))
    )


def _exponential(nats: Sequence[float]) -> tuple[float, float, float]:
    """Return e to the mean over windows, with its 95 % interval."""
    mean = statistics.mean(nats)
    error = 1.96 * statistics.stdev(nats) / math.sqrt(len(nats))
    return math.exp(mean), math.exp(mean - error), math.exp(mean + error)


def _wanda(found: CrossingReport) -> str:
    """Return how much of SparseGPT beside Wanda is choosing, and how much repairing."""
    plain, chosen, repaired = METHODS["Wanda"], ("SparseGPT saliency", "none"), ("Wanda", "obs")
    both = METHODS["SparseGPT"]
    pairs = [
        *((chosen, plain), (repaired, plain)),
        *((both, plain), (both, chosen), (both, repaired)),
    ]
    gaps = [
        found.crossing.inside.contrast(*(_levels(found, method) for method in pair))
        for pair in pairs
    ]
    tested = [one.cell for one in found.tested(dict(enumerate(gaps))).values()]
    return (
        f"Of SparseGPT beside Wanda over {listed(found.crossing.within)}: together {tested[2]}; "
        f"choosing by its scores and repairing nothing {tested[0]}; repairing what Wanda chose "
        f"{tested[1]}; repairing after its own choice {tested[3]}; and its choice once both are "
        f"repaired {tested[4]}."
    )


def _is_like(one: object, method: str, way: str) -> bool:
    return (getattr(one, "method", ""), getattr(one, "removed", "")) == (method, way)


MAKERS = {"what decides": decides, "steps": steps, "at sixty percent": sixty, "patterns": patterns}
