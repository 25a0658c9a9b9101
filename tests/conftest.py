"""Fixtures shared by all tests, and the two switches: `real` and `e2e` tests run by default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# No test may reach a hub; the default model and texts come from the package index.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Threads that spin while they wait make a busy machine several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Processes of their own are for the tests of them: each takes seconds to start.
os.environ["SPARC3_ON"] = "here"


@pytest.fixture(scope="session")
def cache() -> Path:
    """Return the cache with the default model and texts, for tests marked `real`."""
    from sparc3_bench.assets import default_cache

    return default_cache()
