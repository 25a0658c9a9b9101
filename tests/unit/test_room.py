"""Rows of large matrices, in parts and on threads."""

from __future__ import annotations

import pytest
import torch

from sparc3_bench.model.room import row_parts, share_rows
from sparc3_bench.selection.select import choose


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
