"""Room for many tensors: zeros side by side, freed together; rows in parts and on threads."""

from __future__ import annotations

import pytest
import torch

from sparc3_bench.model.room import row_parts, share_rows, zeros_for
from sparc3_bench.selection.select import choose

SHAPES = {"wide": (700, 900), "one": (1,), "none": (0, 4), "odd": (3, 5)}


@pytest.mark.parametrize("dtype", [None, torch.float64, torch.bool])
@pytest.mark.parametrize("names", [[*SHAPES], ["one", "odd"]])
def test_zeros_are_like_each_and_nobody_elses(names, dtype):
    like = {name: torch.rand(SHAPES[name]).bfloat16() for name in names}
    found = zeros_for(like, dtype)
    assert [*found] == names
    for name, values in found.items():
        assert (values.shape, values.dtype) == (like[name].shape, dtype or torch.float32)
        assert not values.any()
        values.fill_(1)
    assert all(values.all() for values in found.values())
    assert sum(int(values.sum()) for values in found.values()) == sum(
        values.numel() for values in like.values()
    )


@pytest.mark.parametrize("shape", [(700, 900), (3, 200_000), (5,), (0, 4), (4, 0)])
def test_parts_are_all_rows_once(shape):
    matrix = torch.rand(shape)
    assert [row for part in row_parts(matrix) for row in range(len(matrix))[part]] == [
        *range(len(matrix))
    ]


@pytest.mark.parametrize("group", ["row", "layer", "model"])
def test_threads_change_no_choice_and_do_every_row_once(group, request):
    before = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(before))
    ranking = {"a": torch.rand(701, 500).mul(99).round(), "b": torch.rand(3, 500)}
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        done: list[int] = []
        share_rows(lambda rows, done=done: done.extend(range(rows.start, rows.stop)), ranking["a"])
        assert sorted(done) == [*range(701)]
        with torch.inference_mode():
            found.append(choose(ranking, 0.3, unit="weight", group=group))
    assert all(torch.equal(found[0][name], found[1][name]) for name in ranking)
