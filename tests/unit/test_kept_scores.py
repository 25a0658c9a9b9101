"""How many scores the cache keeps: the limit, which go first, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from sparc3_bench.assets import scores_limit
from sparc3_bench.errors import AssetError
from sparc3_bench.run import store
from sparc3_bench.types.scores import ScoreMap

SCORES = ScoreMap({"m": torch.zeros(100, 1000)})
"""400 kB and a header."""
ABOUT = {"cost": {"seconds": 1.0, "peak_bytes": 1, "tokens": 1}}


def write(folder: Path, name: str, used: int) -> Path:
    path = folder / f"{name}.safetensors"
    store.write_scores(SCORES, path, ABOUT)
    if path.exists():
        os.utime(path, (used, used))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir())


def test_what_was_used_longest_ago_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "0.001")  # two maps
    write(tmp_path, "b", 1)
    write(tmp_path, "a", 2)
    assert names(tmp_path) == ["a", "b"]
    write(tmp_path, "c", 3)
    assert names(tmp_path) == ["a", "c"]


def test_reading_is_use(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "0.001")
    read = write(tmp_path, "read", 1)
    write(tmp_path, "unread", 2)
    assert store.read_scores(read) is not None
    write(tmp_path, "new", 3)
    assert names(tmp_path) == ["new", "read"]


def test_the_newest_stays_even_over_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "0")
    write(tmp_path, "old", 1)
    write(tmp_path, "new", 2)
    assert names(tmp_path) == ["new"]


def test_twenty_gigabytes_unless_said(monkeypatch):
    monkeypatch.delenv("SPARC3_SCORES_LIMIT", raising=False)
    assert scores_limit() == 20e9
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", "")
    assert scores_limit() == 20e9


@pytest.mark.parametrize("told", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, told):
    monkeypatch.setenv("SPARC3_SCORES_LIMIT", told)
    with pytest.raises(AssetError, match=f"SPARC3_SCORES_LIMIT.*gigabytes.*'{told}'"):
        scores_limit()
