"""Where scores are cut: the numbers that a full sort gives, without a full sort's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from sparc3_bench.selection import threshold
from sparc3_bench.selection.threshold import joint_cuts, row_cuts

GENERATOR = torch.Generator()


def rand(count: int) -> Tensor:
    return torch.rand(count, generator=GENERATOR)


def distribution(name: str, count: int = 900) -> list[Tensor]:
    GENERATOR.manual_seed(0)
    match name:
        case "all equal":
            return [torch.full((count,), 2.5)]
        case "two values":
            return [(rand(count) < 0.5).float()]
        case "two values, sorted, one rare":
            return [torch.cat([torch.zeros(count - 1), torch.ones(1)])]
        case "three values with a sign":
            return [(rand(count) * 3).floor() - 1]
        case "geometric":
            return [torch.logspace(-44, 38, count)]
        case "geometric, shuffled":
            return [torch.logspace(-44, 38, count)[torch.randperm(count, generator=GENERATOR)]]
        case "sorted":
            return [torch.arange(count).float()]
        case "reversed":
            return [torch.arange(count, 0, -1).float()]
        case "organ pipe":
            rising = torch.arange(count // 2).float()
            return [torch.cat([rising, rising.flip(0)])]
        case "sorted over tensors":
            return list(torch.arange(count).float().split(70))
        case "one huge among tiny":
            return [rand(1), rand(count), rand(2), rand(1)]
        case "many tiny":
            return list(rand(count).split(4))
        case "some empty":
            return [torch.empty(0), rand(count), torch.empty(0, 5)]
        case "half constant, half spread":
            return [torch.full((count // 2,), 0.5), rand(count // 2)]
        case "low value in every sampled place":
            # The sample is taken at even distances; this is what misleads it most.
            values = rand(count) + 1
            for step in range(1, 60, 2):
                values[::step] = values[::step] * 1e-3
            return [values]
        case "both zeros":
            return [torch.tensor([0.0, -0.0]).repeat(count // 2)]
        case "two-dimensional and transposed":
            return [rand(count).view(30, -1).T, rand(count).view(10, -1)]
        case "with extremes":
            top = torch.finfo(torch.float32).max
            return [torch.tensor([top, -top, 1e-45, -1e-45]), rand(count)]
    raise AssertionError(name)


NAMES = [
    "all equal",
    "two values",
    "two values, sorted, one rare",
    "three values with a sign",
    "geometric",
    "geometric, shuffled",
    "sorted",
    "reversed",
    "organ pipe",
    "sorted over tensors",
    "one huge among tiny",
    "many tiny",
    "some empty",
    "half constant, half spread",
    "low value in every sampled place",
    "both zeros",
    "two-dimensional and transposed",
    "with extremes",
]


@pytest.fixture(params=[0, 100, 1 << 16])
def enough(request, monkeypatch) -> int:
    """Sort so many numbers at most, and count the bits of more."""
    monkeypatch.setattr(threshold, "_ENOUGH", request.param)
    monkeypatch.setattr(threshold, "_CHUNK", 64)
    return request.param


@pytest.mark.parametrize("name", NAMES)
def test_every_rank_is_that_of_a_full_sort(enough, name):
    tensors = distribution(name, 300)
    expected = torch.cat([values.reshape(-1) for values in tensors]).sort().values
    ranks = [*range(1, len(expected), 23), len(expected)]
    found = joint_cuts(tensors, ranks)
    assert all(cut == expected[count - 1] for count, cut in found.items())
    assert list(found) == ranks
    rows = expected[torch.randperm(len(expected), generator=GENERATOR)][:300].view(2, -1)
    in_order = rows.sort(1).values
    for count, cut in row_cuts(rows, range(1, rows.shape[1])).items():
        assert torch.equal(cut, in_order[:, count - 1 : count + 1])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int16])
def test_every_number_format_is_ranked(enough, kind):
    GENERATOR.manual_seed(0)
    values = (torch.randn(400, generator=GENERATOR) * 50).to(kind)
    values[::7] = values[0]
    expected = values.sort().values
    found = joint_cuts([values[:150], values[150:]], [1, 7, 200, 399, 400])
    assert all(cut == expected[count - 1] for count, cut in found.items())


def test_formats_that_differ_are_ranked_by_their_numbers(enough):
    found = joint_cuts([torch.tensor([1.5, 3.0]), torch.tensor([2.0, 9.0]).double()], [1, 2, 3])
    assert [float(cut) for cut in found.values()] == [1.5, 2.0, 3.0]


def test_what_is_no_number_ranks_last(enough):
    values = torch.tensor([1.0, torch.nan, -torch.inf, -torch.nan, torch.inf, -3.0])
    found = joint_cuts([values], range(1, 7))
    assert [float(found[k]) for k in (1, 2, 3, 4)] == [-torch.inf, -3.0, 1.0, torch.inf]
    assert found[5].isnan()
    assert found[6].isnan()


def test_tensors_are_left_as_they_are(enough):
    tensors = distribution("half constant, half spread")
    before = [values.clone() for values in tensors]
    joint_cuts(tensors, [500])
    row_cuts(tensors[0][None], [5])
    assert all(torch.equal(a, b) for a, b in zip(before, tensors, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_small_is_never_sorted(monkeypatch, name):
    monkeypatch.setattr(threshold, "_ENOUGH", 2000)
    monkeypatch.setattr(threshold, "_by_sorting", None)
    tensors = [torch.cat([values.reshape(-1) for values in distribution(name, 30_000)])]
    counts = range(1, tensors[0].numel() + 1, 5999)
    assert list(joint_cuts(tensors, counts)) == [*counts]


MEMORY = """
import json
from pathlib import Path

import torch

from sparc3_bench.types.scores import ScoreMap
from sparc3_bench.selection.select import count_to_remove, select


def status(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024


def growth(scores, amount):
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    keep = select(ScoreMap(scores), amount, None, group="model")
    peak = status("VmHWM") - before
    return {"peak": peak, "removed": keep.removed, "asked": count_to_remove(amount, 10**8)}


torch.manual_seed(0)
scores = {f"m{index}": torch.rand(1000, 2000) for index in range(50)}
growth({"m": torch.rand(10, 10)}, 0.5)  # whatever is allocated once
found = {"spread": growth(scores, 0.3)}
for index in range(0, 50, 5):
    scores[f"m{index}"].fill_(0.5)
found["ties"] = growth(scores, 0.5)
for values in scores.values():
    values.fill_(1)
    values[::2] = 0
found["two values"] = growth(scores, 0.5)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def hundred_million() -> dict[str, dict[str, int]]:
    """Rank 50 matrices of two million weights in a process of its own; return what it took."""
    # A fixed threshold makes glibc give freed tensors back, so that its habits are not measured.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["spread", "ties", "two values"])
def test_ranking_a_hundred_million_weights_takes_no_memory_of_a_sort(hundred_million, kind):
    """Scores are 400 MB; a joined copy with the indices of a sort would be 1.2 GB and more."""
    taken = hundred_million[kind]
    assert taken["removed"] == taken["asked"]
    assert taken["peak"] < 250_000_000
