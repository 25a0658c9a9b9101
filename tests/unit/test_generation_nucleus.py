"""Drawn tokens are those of the nucleus' definition, whichever way is taken to find them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sparc3_tasks.correction.generation import nucleus_tokens, uniforms
from transformers import TopPLogitsWarper

from sparc3_bench.errors import Sparc3Error


def naive_token(logits: torch.Tensor, number: float, top_p: float) -> int:
    """Draw from the nucleus as its definition says."""
    chances = logits.double().softmax(-1).tolist()
    nucleus: list[int] = []
    for token in sorted(range(len(chances)), key=lambda token: (-chances[token], token)):
        if sum(chances[other] for other in nucleus) >= top_p:
            break
        nucleus.append(token)
    point = number * sum(chances[token] for token in nucleus)
    for token in nucleus:
        point -= chances[token]
        if point < 0:
            return token
    return nucleus[-1]


def rows_of(count: int, vocabulary: int) -> torch.Tensor:
    """Make rows from nearly sure to nearly even, half of them with many equal logits."""
    logits = torch.randn(count, vocabulary, generator=torch.Generator().manual_seed(0))
    logits *= torch.linspace(0.3, 9, count)[:, None]
    logits[::2] = logits[::2].round()
    logits[3::4, 7:] = -torch.inf
    return logits


def drawn(logits, numbers, top_p, skipped=None, **options) -> torch.Tensor:
    chosen = None if skipped is None else torch.tensor(skipped)
    return nucleus_tokens(logits, torch.from_numpy(numbers), top_p, chosen, **options)


@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
def test_tokens_of_the_nucleus_are_those_of_its_definition(top_p):
    logits, numbers = rows_of(80, 500), np.random.default_rng(0).random(80)
    numbers[:8], numbers[8:16] = 0, 1 - 2.0**-53
    expected = [naive_token(row, u, top_p) for row, u in zip(logits, numbers, strict=True)]
    for first in (1, 20, 256, 10_000):
        assert drawn(logits, numbers, top_p, first=first).tolist() == expected


def test_a_number_on_a_border_belongs_to_the_token_behind_it():
    numbers = np.array([0, 0.25, 0.5, 0.75, 1]) - np.array([0, 0, 0, 0, 2.0**-53])
    found = drawn(torch.zeros(5, 4), numbers, 1.0)
    assert found.tolist() == [0, 1, 2, 3, 3]


def test_some_of_these_nuclei_are_inside_the_first_tokens_and_some_are_not(monkeypatch):
    whole = []
    sort = np.sort
    monkeypatch.setattr(np, "sort", lambda rows, axis: whole.append(len(rows)) or sort(rows, axis))
    drawn(rows_of(80, 500), np.full(80, 0.5), 0.9, first=20)
    assert len(whole) == 1
    assert 20 < whole[0] < 60


@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
def test_tokens_are_as_frequent_as_transformers_makes_them_probable(top_p):
    logits = torch.randn(1, 60, generator=torch.Generator().manual_seed(1)) * 2
    even = (np.arange(20_000) + 0.5) / 20_000
    tokens = drawn(logits.expand(20_000, -1), even, top_p)
    expected = TopPLogitsWarper(top_p)(None, logits.clone())[0].softmax(-1)
    assert torch.allclose(tokens.bincount(minlength=60) / 20_000, expected, atol=1e-4)


def test_logits_that_are_not_finite_are_refused_unless_they_do_not_matter():
    logits, numbers = torch.zeros(3, 8), np.full(3, 0.5)
    logits[0, 3], logits[1, 2] = torch.nan, torch.inf
    assert drawn(logits, numbers, 0.9, [True, True, False]).tolist() == [0, 0, 4]
    for skipped in ([True, False, False], [False, True, False]):
        with pytest.raises(Sparc3Error, match="not finite"):
            drawn(logits, numbers, 0.9, skipped)


def test_random_numbers_are_even_each_its_own_and_the_same_tomorrow():
    keys = [(s, p, n) for s in (0, 1, 2**64 - 1) for p in range(40) for n in range(5)]
    numbers = np.stack([uniforms(*key, 50) for key in keys])
    assert len(np.unique(numbers)) == numbers.size
    assert 0 <= numbers.min() < 0.001 < 0.999 < numbers.max() < 1
    assert np.abs(np.histogram(numbers, 10)[0] / numbers.size - 0.1).max() < 0.006
    assert uniforms(3, 4, 5, 7).tolist() == uniforms(3, 4, 5, 50)[:7].tolist()
    # Written down from a first run: a change here changes every sampled result.
    assert uniforms(7, 1, 2, 2).tolist() == [0.23560002114302592, 0.4559668324521876]
