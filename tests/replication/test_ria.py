"""RIA equals the authors' formula written out densely."""

from __future__ import annotations

import pytest
import torch
from replication.dense import dense_matrix, gather_inputs
from sparc3_scorers.ria import Ria

from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_reference, make_view


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_the_published_formula(architecture):
    reference, power = make_reference(5, (12, 5, 9), 4), 0.5
    scores = Ria().score(make_view(architecture, torch.float64), reference)
    model = make_model(architecture, torch.float64)
    inputs = gather_inputs(model, list(scores), reference.samples)
    for name, found in scores.items():
        size = dense_matrix(model.get_submodule(name)).abs()
        relative = size / size.sum(0) + size / size.sum(1).reshape(-1, 1)
        expected = relative * inputs[name].norm(dim=0) ** power
        torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=1e-9)
