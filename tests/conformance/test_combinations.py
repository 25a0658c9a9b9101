"""Every built-in scorer with every comparison group, pattern and allocation, on tiny models."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from installed import scorers, serves

from sparc3_bench import ScoreMap
from sparc3_bench.api.allocations import allocated
from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.selection.select import choose
from sparc3_bench.testing.tiny import make_reference, make_view

SCORERS = scorers()
ALLOCATIONS = [n for n, one in default_host().all("allocation").items() if not one.cls.needs_loss]
ARCHITECTURES = ("llama", "gpt2", "opt")
view_of = cache(make_view)


@cache
def scored(name: str, architecture: str) -> ScoreMap:
    view, cls = view_of(architecture), SCORERS[name]
    found = cls(**cls.tiny_options).score(view, make_reference(3, (9, 5)))
    return checked(found, view.weights(), name)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SCORERS)
def test_a_scorer_goes_with_all(name, architecture):
    if not serves(name, architecture):
        pytest.skip("refused by the scorer")
    scores, view = scored(name, architecture), view_of(architecture)
    total = sum(values.numel() for values in scores.values())
    for group in ("row", "layer", "model", "2:4", "4:8"):
        kept = choose(scores.weights, 0.5, unit="weight", group=group)
        assert sum(int(keep.sum()) for keep in kept.values()) == total / 2, group
        if ":" in group:
            n, m = map(int, group.split(":"))
            assert all(torch.all(keep.reshape(-1, m).sum(1) == n) for keep in kept.values())
    for allocation in ALLOCATIONS:
        cls = default_host().get("allocation", allocation).cls
        lent = {other: scored(other, architecture) for other in cls().scorers}
        for group in ("row", "layer"):
            ways = ("weight", group, "fraction", "lowest")
            kept = allocated(allocation, scores.weights, 0.5, ways, view, lent)
            share = sum(int(keep.sum()) for keep in kept.values()) / total
            assert share == pytest.approx(0.5, abs=0.02), (allocation, group)
