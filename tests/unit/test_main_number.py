"""The number that stands for a result: of what was chosen, of the curve, or at the usual amount."""

from __future__ import annotations

from unit.choices import make_choice
from unit.results import PERPLEXITY, make_result

from sparc3_bench.comparison.main_number import main_number
from sparc3_bench.record.parts import EstimateRecord, MetricRecord

ENDS = {"perplexity": [(19.0, 21.0), (35.0, 45.0), (90.0, 110.0)]}
AREA = MetricRecord(name="area", direction="higher", unit="1", title="Area")
CURVE = {"values": (20.0, 40.0, 100.0), "amounts": (0.0, 0.5, 0.9), "intervals": ENDS}


def test_it_is_the_main_metric_at_the_amount_that_the_page_shows():
    found = main_number(make_result(**CURVE))
    assert (found.metric, found.amount, found.value) == (PERPLEXITY, 0.5, 40)
    assert found.text == "Perplexity at 0.5: 40.0 [35.0, 45.0]"


def test_it_is_the_number_at_an_amount_that_is_asked_for():
    assert main_number(make_result(**CURVE), 0.9).value == 100
    assert main_number(make_result(**CURVE), 0.8) is None


def test_it_is_the_number_of_the_whole_curve_where_there_is_one():
    area = {"area": EstimateRecord(value=0.5, low=0.4, high=0.6)}
    found = main_number(make_result(**CURVE, curve=area, curve_metrics=(AREA,)))
    assert (found.amount, found.text) == (None, "Area: 0.50 [0.40, 0.60]")


def test_it_is_what_was_chosen_at_its_amount():
    result = make_choice()
    found = main_number(result)
    assert found.metric.name == result.found.metric
    assert found.amount == result.found.point.amount.requested


def test_a_run_that_failed_has_none():
    assert main_number(make_result(status="failed", error="no memory")) is None
