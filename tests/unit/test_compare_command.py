"""`sparc3 compare` and `sparc3 show`: the numbers of the page, and a sentence for misuse."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel
from typer.testing import CliRunner, Result
from unit.results import make_result, save
from unit.test_leaderboard_ranks import measured

from sparc3_bench.cli import app
from sparc3_bench.comparison import phrasing
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import samples_path
from sparc3_bench.run.intervals import read_renewed


def sparc3(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments: object) -> str:
    done = sparc3(*arguments)
    assert isinstance(done.exception, Sparc3Error), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def bare(row: str) -> list[str]:
    """Return the words of a row without the intervals in brackets."""
    return re.sub(r" \[.*?\]", "", row).split()


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """Return a run and one whose losses at amount 0.5 are higher by 0.5 with small noise."""
    results = (measured("wanda", 0, 0), measured("lrp", 0.5, 1))
    return tuple(tmp_path / save(tmp_path, result) for result in results)


def test_difference_of_two_runs_is_told_with_interval_and_p_value(pair):
    done = sparc3("compare", *pair)
    assert done.exit_code == 0, done.exception
    (row,) = re.findall(r"^0\.5 +(.*)$", done.output, re.M)
    left, right, ratio, low, _, high, less, p_value, least, *verdict = bare(row)
    assert float(ratio.removeprefix("×")) == pytest.approx(float(left) / float(right), rel=1e-2)
    # Losses differ by 0.5 with noise of 0.07: so do logarithms of perplexities.
    assert float(low) < float(ratio.removeprefix("×")) < float(high) < math.exp(-0.45)
    assert (less, p_value) == ("<", "0.001")
    assert 1 < float(least.removeprefix("×")) < 1.1
    assert verdict == ["first", "better"]
    assert "Perplexity (lower is better)" in done.output
    assert "kl" not in done.output


def test_interval_and_p_value_are_of_the_same_quantity(tmp_path):
    # By t, not by percentiles: what 64 windows say, recomputed from their losses.
    near = [measured("wanda", 0, 0), measured("lrp", 0.02, 1)]
    paths = [tmp_path / save(tmp_path, result) for result in near]
    (row,) = re.findall(r"^0\.5 +(.*)$", sparc3("compare", *paths).output, re.M)
    cells = bare(row)
    ours, theirs = (result.points[1].samples["loss"] for result in near)
    known = ttest_rel(ours, theirs)
    low, high = np.exp(known.confidence_interval())
    assert [float(cells[3]), float(cells[5])] == pytest.approx([low, high], rel=2e-3)
    assert float(cells[6]) == pytest.approx(known.pvalue, rel=0.4)
    assert (high < 1) == (known.pvalue < 0.05) == (cells[-1] == "better")


def test_a_run_beside_itself_is_refused(pair):
    assert refusal("compare", pair[0], pair[0]) == "A result is named twice; name each once."


def test_another_metric_may_be_compared(pair):
    assert "KL" in sparc3("compare", *pair, "--metric", "kl").output
    told = refusal("compare", *pair, "--metric", "toxicity")
    assert told == "Unknown metric 'toxicity'. Available: kl, perplexity."


def test_what_cannot_be_compared_is_refused_with_the_reason(pair, tmp_path):
    one, other = pair
    layer = tmp_path / save(tmp_path, measured("lrp", 0, 1, group="layer"))
    told = refusal("compare", one, layer)
    assert "they differ in conventions, by row and by layer; run one of them" in told
    texts = tmp_path / save(tmp_path, measured("lrp", 0, 1, evaluation_digest="f" * 64))
    told = refusal("compare", one, texts)
    assert "(digest eeeeeeeeeeee) and 64 windows × 128 tokens" in told
    assert not re.search(r"[\[({]'|None", told)
    failed = tmp_path / save(tmp_path, make_result(status="failed", error="no memory"))
    assert "is of a run that is failed" in refusal("compare", one, failed)
    elsewhere = tmp_path / save(tmp_path, measured("lrp", 0, 1, amounts=(0.0, 0.3)))
    assert "have no amount in common" in refusal("compare", one, elsewhere)
    samples_path(other).unlink()
    assert "has no samples of 'perplexity' beside it" in refusal("compare", one, other)


def test_show_has_every_metric_and_cost(pair):
    done = sparc3("show", pair[0])
    assert done.exit_code == 0, done.exception
    perplexity = read_renewed(pair[0]).points[1].intervals["perplexity"]
    assert phrasing.precise(perplexity[0], perplexity) in done.output
    for told in ("Wanda on Compression", "ranked within each output row", "attribution: 12.5 s"):
        assert told in done.output


def test_show_says_why_a_run_failed(tmp_path):
    path = tmp_path / save(tmp_path, make_result(status="failed", error="RuntimeError: no memory"))
    assert "RuntimeError: no memory" in sparc3("show", path).output
