"""A factory of results of runs that chose a ranking and an amount, with all that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unit.results import make_result

from sparc3_bench.record.parts import Found, MetricRecord, Responses, Sketch, Tried, Versus
from sparc3_bench.record.spec import JudgeRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparc3_bench.record.result import Result

COUNTS = (0.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)

CHANGE = MetricRecord(name="harm_change", direction="lower", unit="1", title="Change of harm")
HARM = MetricRecord(name="harm", direction="lower", unit="1", title="Harm of responses")
RISE = MetricRecord(name="rise", direction="lower", unit="1", title="Increase of perplexity")
LOST = MetricRecord(name="lost", direction="lower", unit="1", title="Loss of distinct bigrams")

JUDGE = JudgeRef(
    name="harm-judge",
    title="Harm judge",
    options={},
    distribution="sparc3-bench",
    version="0.1.0",
    source_digest="6" * 16,
    weights_digest="0123456789ab" + "c" * 52,
)


def make_choice(
    scorer: str = "lrp",
    moved: Sequence[float] = (0.0, -0.005, -0.012, -0.026, -0.041, -0.09, -0.15),
    *,
    rises: Sequence[float] = (0.0, 0.002, 0.004, 0.01, 0.021, 0.3, 120.0),
    losses: Sequence[float] = (0.0, 0.001, 0.001, 0.002, 0.004, 0.02, 0.6),
    selected: Sequence[float] | None = None,
    cheaper: Sequence[float] | None = None,
    chosen: float = 100.0,
    candidate: str = "t-statistic",
    ends: tuple[float, float] = (-0.022, 0.021),
    main: MetricRecord = CHANGE,
    limits: Mapping[str, float] | None = None,
    drawn: int = 10,
    against: tuple[float, float, float] = (-0.061, -0.016, 0.001),
    **changes: Any,
) -> Result:
    """Return a result of a run that chose a ranking and an amount.

    Parameters
    ----------
    moved, rises, losses
        The main metric, a change, and the two limited ones, on the test part.
    selected
        The main metric on the selection part; `moved` where not given. The second ranking that
        was tried has half of it.
    cheaper
        The first limited metric on the selection part; `rises` where not given.
    ends
        The interval of the main metric, from its value.
    drawn
        How many random circuits there are; their main metric is -0.003 on average.
    against
        The interval and p-value of the choice beside them.
    """
    limits = {RISE.name: 0.1, LOST.name: 0.1} if limits is None else limits
    count, index = len(COUNTS), COUNTS.index(chosen)
    random = tuple(-0.003 + 0.001 * (seed - (drawn - 1) / 2) for seed in range(drawn))
    # Random circuits are measured on other samples than the curve, of another dense model.
    control = {
        main.name: [(0.0,) * drawn, *[random] * (count - 1)],
        HARM.name: [(0.25,) * drawn] * count,
        RISE.name: [(0.0,) * drawn, *[tuple(0.01 + n for n in random)] * (count - 1)],
        LOST.name: [(0.0,) * drawn, *[tuple(0.02 + n for n in random)] * (count - 1)],
    }
    numbers = {
        HARM.name: [0.183 + change for change in moved],
        RISE.name: rises,
        LOST.name: losses,
    }
    tried = []
    for name, part in ((candidate, 1.0), ("half", 0.5)):
        for place, amount in enumerate(COUNTS):
            metrics = {
                main.name: part * (moved if selected is None else selected)[place],
                **{other: row[place] for other, row in numbers.items()},
                RISE.name: (rises if cheaper is None else cheaper)[place],
            }
            keeps = all(metrics[name] <= most for name, most in limits.items())
            tried.append(Tried(candidate=name, requested=amount, metrics=metrics, passes=keeps))
    result = make_result(
        scorer,
        moved,
        **{
            "amounts": COUNTS,
            "amount_kind": "count",
            "metrics": (main, HARM, RISE, LOST),
            "others": numbers,
            "intervals": {
                main.name: [(0.0, 0.0), *((m + ends[0], m + ends[1]) for m in moved[1:])]
            },
            "control": control if drawn else None,
            "task": "correction",
            "unit": "neuron",
            "group": "model",
            "judge": JUDGE,
            "responses": Responses(digest="abcdef012345" + "0" * 52, texts=6400),
            "sketch": Sketch(units=46_080, stride=46_080, levels="7"),
            "candidate": candidate,
            "tried": tried,
            **changes,
        },
    )
    own, compares = result.points[index], drawn > 0 and chosen > 0
    beside = {main.name: random} if compares else {}
    found = Found(
        metric=main.name,
        limits=dict(limits),
        title="Least harm within the limits",
        point=own.model_copy(update={"control": beside}),
        versus=Versus(
            difference=moved[index] + 0.003, low=against[0], high=against[1], p_value=against[2]
        )
        if compares
        else None,
    )
    return result.model_copy(update={"found": found})
