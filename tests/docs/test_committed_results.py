"""The committed results: in the newest schema, with samples and an interval for every number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparc3_bench.circuit.sizes import circuit_at
from sparc3_bench.comparison.main_number import main_number
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_results
from sparc3_bench.record.result import SCHEMA_VERSION, Result
from sparc3_bench.run.intervals import is_old, renewed

HOST = default_host()
FOLDER = Path(__file__).resolve().parents[2] / "leaderboard" / "results"


@pytest.fixture(scope="module")
def results() -> list[tuple[Path, Result]]:
    found = list(read_results(FOLDER))
    assert len(found) > 100
    return found


def test_they_are_where_they_belong_and_in_the_newest_schema(results):
    for path, result in results:
        assert path.as_posix() == result.spec.path
        assert json.loads((FOLDER / path).read_text())["schema_version"] == SCHEMA_VERSION


def test_every_number_has_an_interval_and_its_samples(results):
    for path, result in results:
        if result.status != "ok":
            continue
        for point in result.points:
            assert point.samples, path
            assert set(point.intervals) == set(point.metrics), path


def test_the_usual_circuit_of_each_has_something_and_lacks_something(results):
    for path, result in results:
        if max(result.spec.amounts) == 0:
            continue
        at = circuit_at(result, None)
        assert at.amount > 0, path
        assert at.amount < 1 or result.spec.amount_kind == "count", path
        assert not at.point.kept or any(map(sum, at.point.kept.values())), path
        assert main_number(result), path


def test_no_text_of_a_model_is_beside_them():
    assert list(FOLDER.rglob("*.responses.json.gz")) == []


def test_every_interval_is_made_anew_where_an_older_version_had_made_it(results):
    old = [path for path, one in results if one.status == "ok" and is_old(renewed(one, HOST))]
    assert old == []
