"""Many plugins checked at once: the reports are those of one after the other, in the same order."""

from __future__ import annotations

import dataclasses

import pytest

from sparc3_bench import Sparc3Error
from sparc3_bench.testing.many import check_many, cores
from sparc3_bench.testing.report import Report

PLUGINS = [("scorer", "wanda"), ("adapter", "gpt2"), ("scorer", "magnitude"), ("scorer", "random")]


def timeless(report: Report) -> Report:
    outcomes = (dataclasses.replace(outcome, seconds=0) for outcome in report.outcomes)
    return dataclasses.replace(report, outcomes=tuple(outcomes))


def test_two_processes_report_what_one_does_in_the_same_order():
    one, two = (list(map(timeless, check_many(PLUGINS, jobs))) for jobs in (1, 2))
    assert [(report.kind, report.name) for report in two] == PLUGINS
    assert all(report.ok for report in two)
    assert one == two


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_cannot_be_checked_is_told_in_its_sentence(jobs):
    with pytest.raises(Sparc3Error, match=r"^Unknown scorer 'wnada'\. Did you mean 'wanda'\?"):
        list(check_many([("scorer", "wnada"), ("scorer", "magnitude")], jobs))


def test_there_is_a_processor():
    assert cores() >= 1
