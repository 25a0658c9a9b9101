"""On SmolLM2-135M `lrp` and the package lxt agree, as far as float32 can tell."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from installed import needs_lxt
from replication.precise import make_precise
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.lrp_lxt import LrpLxt

from sparc3_bench import ReferenceSamples, ScoreMap
from sparc3_bench.host import default_host
from sparc3_bench.model.load import FoundModel, find_model

pytestmark = [pytest.mark.real, needs_lxt]


@pytest.fixture(scope="module")
def found(cache) -> FoundModel:
    return find_model("smollm2-135m", default_host(), cache, "float32", "cpu")


@pytest.fixture(scope="module")
def reference(found, cache) -> ReferenceSamples:
    """Return the first 32 tokens of two windows of C4."""
    task = default_host().get("task", "compression").cls(reference_windows=2, evaluation_windows=1)
    prepared = task.prepare(found.tokenizer, "smollm2-135m", cache, seed=0)
    whole = prepared.references(task.default_objective)["task"]
    return dataclasses.replace(whole, samples=[sample[:32] for sample in whole.samples])


def apart(found: ScoreMap, expected: ScoreMap) -> dict[str, float]:
    """Return differences beside the largest score of the matrix, and of the row."""
    of_matrices, of_rows = [], []
    for name, values in expected.items():
        difference = (found[name] - values).abs()
        of_matrices.append(difference.max() / values.abs().max())
        of_rows.append((difference.amax(1) / values.abs().amax(1)).nan_to_num(0))
    rows = torch.cat(of_rows).double()
    return {
        "matrix, largest": float(max(of_matrices)),
        "row, 99 %": float(rows.quantile(0.99)),
        "row, largest": float(rows.max()),
    }


def test_both_agree_and_are_equally_far_from_float64(found, reference):
    view = found.load("all")
    ours = Lrp(aggregation="signed-mean").score(view, reference)
    theirs = LrpLxt("signed-mean").score(view, reference)
    fine = found.load("all", torch.float64)  # but for Llama's own norms
    of_rules = apart(
        LrpLxt("signed-mean").score(fine, reference),
        Lrp(aggregation="signed-mean").score(fine, reference),
    )
    view = make_precise(found.load("all", torch.float64))
    exact = Lrp(aggregation="signed-mean").score(view, reference)
    between, own, other = apart(theirs, ours), apart(ours, exact), apart(theirs, exact)
    said = f"apart {between}, in float64 {of_rules}; from float64 {own}, {other}"
    print(f"\n{said}")  # noqa: T201  # for docs/lxt.md
    # Contributions of some rows cancel to what rounding leaves of them: no bound on all rows.
    for bound in ("matrix, largest", "row, 99 %"):
        assert of_rules[bound] < 1e-5
        # In float32 below that, too, on an Intel Xeon; an AMD EPYC, which sums in another order,
        # comes to 1.4e-5.
        assert between[bound] < 2e-5
        assert between[bound] < own[bound] / 20
    assert all(0.5 < own[bound] / other[bound] < 2 for bound in own)
