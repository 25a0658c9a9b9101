"""Circuits on the page: sizes, intervals, and random circuits of the same counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.results import KL, make_control, make_result
from unit.site_pages import curves_of, render
from unit.test_leaderboard_site import Page, pairs

from sparc3_bench.comparison.control_verdict import (
    ALONE,
    ELSEWHERE,
    control_verdict,
)
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.result import Result

LOWEST = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
HIGHEST = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

FAITHFULNESS = MetricRecord(name="faithfulness", direction="higher", unit="1", title="Faithfulness")


def circuit(scorer: str = "lrp", values: Any = None, **changes: Any) -> Result:
    amounts = changes.setdefault("amounts", LOWEST)
    made = [1 - amount for amount in amounts] if values is None else values
    return make_result(
        scorer, made, **{"task": "circuit", "metrics": (FAITHFULNESS, KL), **changes}
    )


def section_of(*results: Result) -> Section:
    (section,) = split((Path(result.spec.path), result) for result in results)[0]
    return section


@pytest.mark.parametrize(
    ("amounts", "removal", "is_log"),
    [
        (LOWEST, "lowest", True),
        (HIGHEST, "highest", True),
        ((0.0, 0.5, 0.95, 1.0), "lowest", True),
        ((0.0, 0.5, 0.95), "lowest", False),
        ((0.0, 0.5, 0.9, 1.0), "lowest", False),
        ((0.0, 0.1, 0.2, 0.5, 0.8), "lowest", False),
        ((0.0, 0.01, 0.05), "lowest", False),
        ((0.0, 0.1, 0.5), "highest", False),
        ((0.0, 0.5, 0.99, 1.0), "highest", False),
        ((0.0,), "lowest", False),
    ],
)
def test_amounts_that_crowd_towards_no_circuit_are_drawn_by_size(
    amounts: tuple[float, ...], removal: Any, is_log: bool
) -> None:
    section = section_of(circuit(amounts=amounts, removal=removal))
    drawn = curves_of(section)
    assert section.sizes.is_log is drawn["log"] is is_log
    assert ("Circuit size" in drawn["axis"]) is is_log
    assert drawn["places"] == [section.sizes.place(amount) for amount in amounts]


def test_sections_of_circuits_go_by_the_size_nearest_ten_percent() -> None:
    lowest = section_of(circuit()).sizes
    assert lowest.words(0.9) == "10\N{NO-BREAK SPACE}% kept"
    assert (section_of(circuit()).order, section_of(circuit()).focus) == (0.9, 0.9)
    assert lowest.compared() == (0.9, 0.99)
    highest = section_of(circuit(amounts=HIGHEST, removal="highest")).sizes
    assert highest.compared() == (0.1, 0.01)
    assert highest.words(0.1) == "10\N{NO-BREAK SPACE}% removed"


def test_counts_are_units() -> None:
    section = section_of(
        circuit(amounts=(0, 10, 500), amount_kind="count", unit="head", group="model")
    )
    assert section.sizes.words(10) == "10 heads removed"
    assert section.sizes.axis == "Heads removed, log"
    assert section.sizes.over == "heads removed"
    crowded = circuit(amounts=(0, 500, 990, 1000), amount_kind="count", unit="head", group="model")
    assert section_of(crowded).sizes.text(990) == "1\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize("amounts", [(0, 10, 20), (0, 100, 500), (0, 7), (0,)])
def test_counts_of_one_order_stand_on_a_linear_axis(amounts: tuple[float, ...]) -> None:
    section = section_of(circuit(amounts=amounts, amount_kind="count", unit="neuron"))
    drawn = curves_of(section)
    assert (drawn["log"], drawn["axis"]) == (False, "Neurons removed")


def test_against_random_circuits_on_other_samples_there_is_no_verdict() -> None:
    # On their samples the dense model has 0.8 and not 1; the KL divergence to it is 0 on all.
    rows = {"faithfulness": [[0.8, 0.8], [0.7, 0.75]], "kl": [[0.0, 0.0], [0.3, 0.4]]}

    def section(value: float, **control: list[list[float]]) -> Section:
        return section_of(
            circuit(
                amounts=(0.0, 0.5),
                values=(1.0, value),
                control={**rows, **control},
                others={"kl": (0.0, 0.35)},
            )
        )

    # Neither of the metric nor of the divergence, which cannot show that samples are others.
    for value in (0.85, 0.96):
        found = section(value)
        assert control_verdict(found, found.series[0], 0.5) == ELSEWHERE
        assert control_verdict(found, found.series[0], 0.5, KL) == ELSEWHERE
    assert not all(one.is_paired for one in found.series)
    assert found.drawn == 0
    note = "Random circuits along the curve were measured on other samples than the runs"
    assert note in render([(run.path, run.result) for run in found.runs])
    same = section(0.85, faithfulness=[[1.0] * 3, [0.7, 0.71, 0.72]], kl=[[0.0] * 3, [0.3] * 3])
    assert control_verdict(same, same.series[0], 0.5) == ""
    assert same.drawn == 3
    assert note not in render([(run.path, run.result) for run in same.runs])


@pytest.mark.parametrize(
    ("direction", "own", "beaten"),
    [
        # 0.1, 0.2 and 0.3 lie 0.1 around their mean; t of 2 degrees of freedom is 4.303, and one
        # more draw spreads by the root of 1 + 1/3 more: 0.2 + 0.497.
        ("higher", 0.70, False),
        ("higher", 0.69, True),
        ("higher", 0.31, True),
        ("higher", 0.0, True),
        ("lower", -0.30, False),
        ("lower", -0.29, True),
        ("lower", 0.09, True),
    ],
)
def test_a_scorer_must_be_told_apart_from_one_more_of_its_own_random_circuits(
    direction: Any, own: float, beaten: bool
) -> None:
    metric = FAITHFULNESS.model_copy(update={"direction": direction})
    rows = [[1.0] * 3, [0.1, 0.3, 0.2], [0.0] * 3]
    # The control scorer, better than anything, is not asked where there are own circuits.
    best = 5.0 if direction == "higher" else -5.0
    shared: dict[str, Any] = {
        "metrics": (metric, KL),
        "amounts": (0.0, 0.95, 1.0),
        "task": "circuit",
    }
    section = section_of(
        make_result("lrp", (1.0, own, 0.0), control={"faithfulness": rows}, **shared),
        make_result("wanda", (1.0, own, 0.0), **shared),
        *(make_control(seed, (1.0, best, 0.0), **shared) for seed in (0, 1)),
    )
    lrp, wanda, control = sorted(section.series, key=lambda s: (s.is_control, s.scorer.name))
    assert control_verdict(section, lrp, 0.95) == ("not better than random" if beaten else "")
    assert control_verdict(section, wanda, 0.95) == "not better than random"
    # Neither the dense nor the empty model is judged, nor a control.
    marks = [control_verdict(section, one, a) for one in (lrp, wanda) for a in (0.0, 1.0)]
    assert marks == [""] * 4
    assert control_verdict(section, control, 0.95) == ""


def test_other_metrics_are_judged_by_own_random_circuits_only() -> None:
    rows = [[0.0] * 2, [0.05, 0.06]]
    section = section_of(
        circuit(amounts=(0.0, 0.5), control={"kl": rows}, others={"kl": (0.0, 0.2)}),
        circuit("wanda", amounts=(0.0, 0.5), others={"kl": (0.0, 0.2)}),
    )
    found = {one.scorer.name: control_verdict(section, one, 0.5, KL) for one in section.series}
    assert found == {"lrp": "not better than random", "wanda": ""}


def test_of_one_random_circuit_there_is_no_verdict() -> None:
    one = section_of(circuit(amounts=(0.0, 0.5), control={"faithfulness": [[1.0], [0.1]]}))
    assert control_verdict(one, one.series[0], 0.5) == ALONE


def test_the_interval_takes_the_place_of_the_standard_error() -> None:
    ends = {"perplexity": [(20.0, 20.0), (39.0, 42.0)]}
    (series,) = section_of(make_result(intervals=ends)).series
    value = series.value(0.5, "perplexity")
    assert value is not None
    assert value.interval == (39.0, 42.0)
    page = Page(render(pairs(make_result(intervals=ends))))
    assert page.row("Wanda")[2][1].split() == ["40.0", "39.0", "to", "42.0"]


def test_of_several_seeds_the_ends_are_averaged_and_the_range_is_named() -> None:
    made = [
        make_result(
            values=(20.0, value), seed=seed, intervals={"perplexity": [(20, 20), (low, high)]}
        )
        for seed, (value, low, high) in enumerate([(40.0, 38.0, 43.0), (42.0, 40.0, 47.0)])
    ]
    (series,) = section_of(*made).series
    value = series.value(0.5, "perplexity")
    assert value is not None
    assert value.interval == (39.0, 45.0)
    text = " ".join(Page(render(pairs(*made))).row("Wanda")[2][1].split())
    assert text == "41.0 39.0 to 45.0 seeds 40.0 to 42.0"
    without = make_result(values=(20.0, 44.0), seed=2)
    (series,) = section_of(*made, without).series
    assert series.numbers[0.5, "perplexity"].interval is None


def test_intervals_are_drawn_as_thin_lines_around_their_points() -> None:
    ends = {"faithfulness": [(1.0, 1.0), (0.3, 0.6)]}
    section = section_of(circuit(values=(1.0, 0.5), amounts=(0.0, 0.5), intervals=ends))
    (line,) = curves_of(section)["rows"]
    assert line["points"] == [[[1.0, 1.0, 1.0]], [[0.5, 0.3, 0.6]]]


def test_random_circuits_are_drawn_from_the_lowest_to_the_highest() -> None:
    amounts = (0.0, 0.5, 0.95, 1.0)
    same = {"faithfulness": [[1.0, 1.0], [0.4, 0.2], [0.1, 0.0], [0.0, 0.0]]}
    other = {"faithfulness": [[1.0, 1.0], [0.5, 0.3], [0.1, 0.0], [0.0, 0.0]]}
    runs = [
        circuit("lrp", amounts=amounts, control=same),
        circuit("lrp", amounts=amounts, control=same, seed=1),
        circuit("wanda", amounts=amounts, control=same),
        circuit("random", amounts=amounts, control=other, is_control=True),
    ]
    section = section_of(*runs)
    assert section.drawn == 2
    rows = {row["scorer"]: row["drawn"] for row in curves_of(section)["rows"]}
    ends = [[1.0, 1.0, 1.0], [0.2, 0.3, 0.4], [0.0, 0.05, 0.1], [0.0, 0.0, 0.0]]
    assert rows["lrp"] == rows["wanda"] == ends
    text = render(pairs(*runs))
    assert "No control was run" not in text
    assert "random circuits in grey" in text
