"""The planted model with what is known of it, for the tests of it."""

from __future__ import annotations

from typing import Any

import pytest
from replication.planted import load_model, load_tokenizer, load_truth
from sparc3_tasks.planted_circuit.prove import in_float64
from torch import Tensor, nn


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return load_model()


@pytest.fixture(scope="module")
def exact() -> nn.Module:
    return in_float64(load_model())


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer()


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return load_truth()
