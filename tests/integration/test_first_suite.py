"""What `make bench` runs first is short, and what it finds out is not found out again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparc3_bench.host import default_host
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.plan import Shared, plan
from sparc3_bench.run.steps.evaluate import Evaluate
from sparc3_bench.run.steps.score import Score
from sparc3_bench.run.suite import load_suite

pytestmark = pytest.mark.real


def cells(suite: str, cache: Path, shared: Shared) -> dict[tuple[str, str], Cell]:
    host = default_host()
    planned = (cell for one in load_suite(suite, host) for cell in plan(one, host, cache, shared))
    return {(one.task.name, one.scorer.name): one for one in planned}


def test_quick_goes_on_from_first(cache):
    shared = Shared()
    first, quick = (cells(suite, cache, shared) for suite in ("first", "quick"))
    assert all(one.spec.limit for one in first.values())
    for what, short in first.items():
        whole = quick[what]
        assert not whole.spec.limit
        assert {*short.spec.amounts} <= {*whole.spec.amounts}
        assert short.spec.controls <= whole.spec.controls
        for purpose in short.purposes:
            assert Score(short, purpose).key == Score(whole, purpose).key, what
        dense = [Evaluate(one, "test").key for one in (short, whole)]
        assert (dense[0] == dense[1]) is (what[0] != "compression"), what
