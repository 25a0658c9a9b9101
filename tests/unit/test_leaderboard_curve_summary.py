"""Circuits as a whole: tables of whole curves, overlaps of scorers, maps of the model."""

from __future__ import annotations

import random
from typing import Any

import pytest
from unit.results import PERPLEXITY, make_control, make_result
from unit.site_pages import JSON, render
from unit.test_leaderboard_circuits import HIGHEST, LOWEST, circuit, section_of
from unit.test_leaderboard_site import HOSTILE, Page, pairs

from sparc3_bench.comparison.circuit_sizes import circuit_jaccard
from sparc3_bench.comparison.overlap import overlap, overlap_matrices
from sparc3_bench.leaderboard.maps import atlas
from sparc3_bench.record.parts import EstimateRecord, Found, MetricRecord, Sketch, Stability
from sparc3_bench.record.result import Result

CPR = MetricRecord(name="cpr", direction="higher", unit="1", title="CPR")


def estimate(value: float, *control: float) -> EstimateRecord:
    return EstimateRecord(value=value, low=value - 0.1, high=value + 0.1, control=control)


def found(result: Result, amount: float, value: float) -> Found:
    (point,) = [p for p in result.points if p.amount.requested == amount]
    point = point.model_copy(
        update={
            "metrics": {"faithfulness": value, "kl": 0.0},
            "intervals": {"faithfulness": (value - 0.05, value + 0.05)},
        }
    )
    return Found(metric="faithfulness", at_least=0.9, title="Smallest, ≥ 0.9", point=point)


def test_whole_curves_have_a_table_of_their_own() -> None:
    jaccard = tuple(index / 10 for index in range(11))
    good = circuit(
        curve={"cpr": estimate(0.8, 0.3, 0.4)},
        curve_metrics=(CPR,),
        found=found(circuit(), 0.95, 0.88),
        stability=[
            Stability(seed=1, spearman=0.9, jaccard=jaccard),
            Stability(seed=2, spearman=0.7, jaccard=jaccard),
        ],
    )
    poor = circuit("wanda", curve={"cpr": estimate(0.35, 0.3, 0.4)}, curve_metrics=(CPR,))
    page = Page(render(pairs(good, poor, circuit("gradient"))))
    rows = [row for row in page.rows if row[0][1].strip().startswith(("Lrp", "Wanda", "Gradient"))]
    whole = {row[0][1].split()[0]: row for row in rows if len(row) == 8}
    assert sorted(whole) == ["Lrp", "Wanda"]
    values = [cell[0].get("data-value") for cell in whole["Lrp"]]
    assert [float(value or 0) for value in values[1:]] == pytest.approx(
        [0.8, 0.05, 50, 0.88, 0.8, 0.3, 0.6]
    )
    assert whole["Lrp"][3][1].split() == ["50"]
    assert "0.70 to 0.90" in " ".join(whole["Lrp"][1][1].split())
    assert "not better than random" in whole["Wanda"][1][1]
    assert [cell[0].get("data-value") for cell in whole["Wanda"][2:]] == [""] * 6
    headings = [text for row in page.rows for found, text in row if "data-column" in found]
    assert any("Jaccard at 10\N{NO-BREAK SPACE}% kept" in text for text in headings)
    ids = page.all("id")
    assert len(ids) == len(set(ids))


def test_results_without_such_numbers_have_no_such_tables() -> None:
    text = render(pairs(make_result(), make_result("lrp"), make_control(0)))
    for absent in ("Whole curve</h3>", "Overlap between scorers</h3>", "<details", 'drawn">'):
        assert absent not in text


@pytest.mark.parametrize("units", [10, 200])
def test_the_overlap_of_removed_circuits_follows_from_that_of_the_kept(units: int) -> None:
    generator = random.Random(units)
    for removed in range(1, units, 7):
        one, other = (set(generator.sample(range(units), removed)) for _ in range(2))
        everything = set(range(units))
        kept = len(everything - one - other) / len(everything - (one & other))
        expected = len(one & other) / len(one | other)
        assert circuit_jaccard(kept, removed / units) == pytest.approx(expected)
    assert circuit_jaccard(1.0, 0.0) == circuit_jaccard(1.0, 1.0) == 1.0


def levels(ranks: list[int], sizes: list[int]) -> str:
    """Return the sketch of a ranking whose circuits hold so many of the best units."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(digits[sum(rank < size for size in sizes)] for rank in ranks)


def test_overlap_is_what_counting_the_units_gives() -> None:
    generator = random.Random(0)
    sizes = [200, 100, 50, 20, 10, 5, 2, 1, 1, 1, 1, 1, 0]
    rankings = [generator.sample(range(200), 200) for _ in range(2)]
    left, right = (Sketch(units=200, stride=1, levels=levels(r, sizes)) for r in rankings)
    for at, size in enumerate(sizes):
        one, other = ({i for i, rank in enumerate(r) if rank < size} for r in rankings)
        both = len(one & other) / len(one | other) if one else 1.0
        assert overlap(left, right, at) == both
        gone, too = (set(range(200)) - kept for kept in (one, other))
        expected = len(gone & too) / len(gone | too) if gone else 1.0
        assert overlap(left, right, at, removed=True) == expected
    with pytest.raises(ValueError, match="same units"):
        overlap(left, Sketch(units=200, stride=3, levels=left.levels[::3]), 0)


def test_scorers_of_the_same_units_and_amounts_are_compared() -> None:
    sizes = [100, 50, 20, 10, 5, 2, 1, 1, 1, 1, 0]

    def sketch(shift: int, stride: int = 3) -> Sketch:
        ranks = [(i + shift) % 100 for i in range(100)]
        return Sketch(units=298, stride=stride, levels=levels(ranks, sizes))

    section = section_of(
        circuit("lrp", sketch=sketch(0)),
        circuit("wanda", sketch=sketch(5)),
        circuit("gradient", sketch=sketch(0)),
        circuit("magnitude", sketch=sketch(0, stride=5)),
        circuit("other"),
    )
    ten, one = overlap_matrices(section)
    assert [series.scorer.name for series in ten.series] == ["gradient", "lrp", "wanda"]
    assert ten.rows == ((1.0,), (pytest.approx(1 / 3), pytest.approx(1 / 3)))
    assert one.rows == ((1.0,), (0.0, 0.0))
    assert (ten.amount, one.amount, ten.sampled, ten.units) == (0.9, 0.99, 100, 298)
    assert ten.chance == pytest.approx(0.1 / 1.9)
    text = render([(run.path, run.result) for run in section.runs])
    assert "an estimate from 100 of 298 weights" in text
    assert overlap_matrices(section_of(circuit("lrp", sketch=sketch(0)))) == ()


def test_of_a_few_removed_units_those_are_compared_and_mapped() -> None:
    amounts = (0, 10, 100)
    few: dict[str, Any] = {"amounts": amounts, "amount_kind": "count", "unit": "neuron"}

    def made(scorer: str, gone: list[int], **changes: Any) -> Result:
        # One of 1,000 neurons in 100 is removed first, then ten in all.
        ranks = [1000 - gone.index(i) if i in gone else 0 for i in range(1000)]
        digits = "".join("123"[(rank <= 990) + (rank == 0)] for rank in ranks)
        rows = [{"up": [500, 500]}, {"up": [499, 491]}, {"up": [480, 420]}]
        return circuit(
            scorer,
            sketch=Sketch(units=1000, stride=1, levels=digits),
            kept=rows,
            **few,
            **changes,
        )

    # The two remove a hundred each and share fifty of them.
    jaccard = (1.0, 990 / 1000, 850 / 950)
    other = Stability(seed=1, spearman=0.5, jaccard=jaccard)
    section = section_of(
        made("lrp", list(range(100)), stability=[other]), made("wanda", list(range(50, 150)))
    )
    (table,) = overlap_matrices(section)
    assert (table.amount, table.rows) == (100, ((pytest.approx(50 / 150),),))
    assert table.chance == pytest.approx(0.1 / 1.9)
    # Ten of them are too few for the table.
    assert section.compared == (100, 10)
    series = next(one for one in section.series if one.scorer.name == "lrp")
    assert series.jaccard[100].centre == pytest.approx(50 / 150)
    found = atlas(section)
    assert found is not None
    assert found.words == "the share of each matrix at 100 neurons removed"
    drawing = found.maps[0][1]
    told = dict(zip(drawing["columns"], zip(*drawing["texts"], strict=True), strict=True))
    assert told["up"][:2] == ("4.0\N{NO-BREAK SPACE}%", "16.0\N{NO-BREAK SPACE}%")
    text = render([(run.path, run.result) for run in section.runs])
    assert "Jaccard at 100 neurons removed" in text
    # Of a few sampled units nothing can be said.
    sparse = Sketch(units=1000, stride=10, levels="123" * 33 + "1")
    assert (
        overlap_matrices(
            section_of(circuit(sketch=sparse, **few), circuit("b", sketch=sparse, **few))
        )
        == ()
    )


def kept(share: float, removal: str) -> list[dict[str, list[int]]]:
    """Return counts of 3 blocks; values of the second are kept at `share` at the fourth amount."""
    dense = {"query": [100, 100, 100], "value": [50, 50, 50], "down": [10, 10, 10]}
    here = {"query": [10, 10, 10], "value": [5, round(50 * share), 5], "down": [10, 10, 10]}
    if removal == "highest":
        here = {r: [d - k for d, k in zip(dense[r], here[r], strict=True)] for r in here}
        here["down"] = [10, 10, 10]
    order = [dense, dense, dense, here] if removal == "lowest" else [dense] * 7 + [here]
    return order + [dense] * (11 - len(order))


@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_maps_show_the_share_of_each_matrix(removal: Any) -> None:
    amounts = LOWEST if removal == "lowest" else HIGHEST
    made = circuit("lrp", title=HOSTILE, kept=kept(0.8, removal), removal=removal, amounts=amounts)
    found = atlas(section_of(made))
    assert found is not None
    ((series, drawing),) = found.maps
    assert series.scorer.name == "lrp"
    assert "down" not in drawing["columns"]  # never pruned
    told = dict(zip(drawing["columns"], zip(*drawing["texts"], strict=True), strict=True))
    assert told["value"][1] == "80.0\N{NO-BREAK SPACE}%"
    assert told["query"][0] == "10.0\N{NO-BREAK SPACE}%"
    page = Page(render(pairs(made)))
    assert page.all("data-chart").count("cells") == 1
    assert page.all("onerror") == []


def test_even_circuits_are_told_and_not_drawn() -> None:
    found = atlas(section_of(circuit(kept=kept(0.1, "lowest"))))
    assert found is not None
    assert (found.even, found.maps) == ("10\N{NO-BREAK SPACE}%", ())
    assert "Where the circuits lie: evenly." in render(pairs(circuit(kept=kept(0.1, "lowest"))))
    assert atlas(section_of(circuit())) is None
    assert atlas(section_of(make_control(0, kept=kept(0.8, "lowest")[:2]))) is None


@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_heads_are_shaded_by_the_smallest_circuit_they_belong_to(removal: Any) -> None:
    # Of six heads in three blocks the fourth is in circuits down to 10 %, the last down to 50 %.
    down_to = [1.0, 1.0, 1.0, 0.1, 1.0, 0.5]
    amounts = LOWEST if removal == "lowest" else HIGHEST
    sizes = [round(1 - a, 9) for a in amounts] if removal == "lowest" else list(amounts)
    inside = [sum(size >= least for size in sizes) for least in down_to]
    counts = inside if removal == "lowest" else [len(amounts) - count for count in inside]
    sketch = Sketch(units=6, stride=1, levels="".join("0123456789ab"[count] for count in counts))
    made = circuit(
        unit="head",
        group="model",
        sketch=sketch,
        kept=kept(0.5, removal),
        removal=removal,
        amounts=amounts,
    )
    found = atlas(section_of(made))
    assert found is not None
    ((_, drawing),) = found.maps
    told = [[text.replace("\N{NO-BREAK SPACE}", " ") for text in row] for row in drawing["texts"]]
    whole, tenth, half = (f"in the circuit of {size} %" for size in (100, 10, 50))
    assert told == [[whole, whole], [whole, tenth], [whole, half]]
    assert max(max(row) for row in drawing["shares"]) == drawing["shares"][1][1]


def test_a_page_of_circuits_is_inert_and_whole() -> None:
    hostile = MetricRecord(name=HOSTILE, direction="lower", unit=HOSTILE, title=HOSTILE)
    made = circuit(
        title=HOSTILE,
        metrics=(hostile, PERPLEXITY),
        intervals={HOSTILE: [(0, 1)] * 11},
        control={HOSTILE: [[0.5, 0.6]] * 11},
        curve={HOSTILE: estimate(0.1, 0.2)},
        curve_metrics=(hostile,),
        kept=[{HOSTILE: [10 - i, 10]} for i in range(11)],
        sketch=Sketch(units=2, stride=1, levels="b1"),
        found=None,
    )
    other = circuit(
        "wanda",
        title=HOSTILE,
        metrics=(hostile, PERPLEXITY),
        sketch=Sketch(units=2, stride=1, levels="1b"),
    )
    text = render(pairs(made, other))
    page = Page(text)
    assert {found.get("type") for tag, found in page.elements if tag == "script"} <= {JSON}
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.all("onerror") == []
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    named = [one for value in page.all("aria-labelledby") for one in value.split()]
    assert set(named) <= set(ids)
    assert render(pairs(other, made)) == text


@pytest.mark.parametrize(("direction", "first"), [("higher", "wanda"), ("lower", "lrp")])
def test_rows_are_ordered_by_the_whole_curve_where_all_have_one(direction, first):
    metric = CPR.model_copy(update={"direction": direction})

    def run(scorer: str, curve: float | None, value: float) -> Result:
        numbers = {} if curve is None else {"cpr": estimate(curve)}
        return make_result(scorer, (1.0, value), curve=numbers, curve_metrics=[metric])

    better_below = [run("lrp", 0.2, 30.0), run("wanda", 0.6, 40.0)]
    section = section_of(*better_below)
    assert section.series[0].scorer.name == first
    assert "Ordered by CPR, of the whole curve" in render(pairs(*better_below))
    one_without = [run("lrp", 0.2, 30.0), run("wanda", None, 40.0)]
    assert [series.scorer.name for series in section_of(*one_without).series] == ["lrp", "wanda"]
