"""What several files of these tests begin with; a file may have its own under the same name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from circuits import Outcome, save_inputs, told
from integration import writers
from integration.rejudged import copied

from sparc3_bench.testing.tiny import make_model, make_tokenizer, save_model, save_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with every tiny model and two texts; see `save_inputs`."""
    folder = tmp_path_factory.mktemp("inputs")
    save_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """Return a folder with three tiny models that transformers saved, and two longer texts."""
    folder = tmp_path_factory.mktemp("three")
    for architecture in ("llama", "gpt2", "opt"):
        make_model(architecture).save_pretrained(folder / architecture)
        make_tokenizer().save_pretrained(folder / architecture)
    save_text(folder / "reference.txt", 600, 1)
    save_text(folder / "evaluation.txt", 600, 2)
    return folder


@pytest.fixture
def sparc3(capsys) -> Callable[..., Outcome]:
    """Return a function that does `sparc3` in this process."""
    return functools.partial(told, capsys)


@pytest.fixture
def circuit(sparc3) -> Callable[..., Outcome]:
    """Return a function that does `sparc3 circuit` in this process."""
    return functools.partial(sparc3, "circuit")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Return a folder with a tiny model, for runs whose responses are judged."""
    folder = tmp_path_factory.mktemp("rejudge")
    save_model("llama", folder / "llama")
    return folder


@pytest.fixture(scope="module")
def judged(home) -> Path:
    """Return a run of several amounts with controls, which no test changes."""
    return writers.run(home, home / "first", amounts="8,20", controls=3)


@pytest.fixture
def own(judged, tmp_path) -> Path:
    """Return a copy of that run to do with as one likes."""
    return copied(judged, tmp_path / "results")


@pytest.fixture
def rejudge(capsys, home) -> Callable[..., Outcome]:
    """Return a function that does `sparc3 rejudge` in this process."""
    cache = ("--cache", home / "cache")
    return lambda *arguments: writers.sparc3(capsys, "rejudge", *arguments, *cache)
