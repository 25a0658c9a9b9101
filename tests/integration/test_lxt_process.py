"""The process with lxt in it: what it refuses, that it leaves nothing here, and how it ends."""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from installed import needs_lxt
from sparc3_scorers import lxt_process
from sparc3_scorers.lrp_lxt import LrpLxt
from transformers.models.llama.modeling_llama import ALL_ATTENTION_FUNCTIONS, LlamaMLP

from sparc3_bench import Sparc3Error
from sparc3_bench.testing.tiny import make_reference, make_view


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Return the empty folder that temporary ones are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("installed", "found"), [(None, "which is not installed"), ("0.6.1", "which is installed as 0")]
)
def test_without_the_package_a_sentence_says_how_to_get_it(monkeypatch, installed, found):
    def version(name: str) -> str:
        if installed is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(Sparc3Error, match=found) as refused:
        LrpLxt().score(make_view("llama"), make_reference(2))
    assert "needs the package lxt 2.1" in str(refused.value)
    assert "pip install 'sparc3-bench[lxt]'" in str(refused.value)


@needs_lxt
def test_an_architecture_that_lxt_does_not_know_is_refused():
    with pytest.raises(Sparc3Error) as refused:
        LrpLxt().score(make_view("opt"), make_reference(2))
    assert str(refused.value) == (
        "Scorer 'lrp-lxt' cannot score models of type 'opt': lxt 2.1 knows gemma3, gpt2, llama, "
        "qwen2, qwen3; use 'lrp'."
    )


@needs_lxt
def test_nothing_of_lxt_comes_into_this_process(place):
    view, reference = make_view("llama"), make_reference(3, batch_size=2)
    done: list[int] = []
    forward, functions = LlamaMLP.forward, dict(ALL_ATTENTION_FUNCTIONS.items())
    LrpLxt().score(view, replace(reference, progress=lambda count, total: done.append(count)))
    assert (LlamaMLP.forward, dict(ALL_ATTENTION_FUNCTIONS.items())) == (forward, functions)
    assert not [name for name in sys.modules if name.partition(".")[0] == "lxt"]
    assert done == [2, 3]
    assert view.tokens == 3 * 12
    assert list(place.iterdir()) == []


@needs_lxt
def test_an_objective_without_a_gradient_raises_here():
    view, plain = make_view("llama"), make_reference(2)
    unread = replace(plain, objective=lambda logits, batch: (logits * 0).sum().detach())
    with pytest.raises(RuntimeError, match="does not require grad"):
        LrpLxt().score(view, unread)


@needs_lxt
def test_the_process_serves_on_after_an_interruption(place):
    view, plain = make_view("llama"), make_reference(3)
    expected = LrpLxt().score(view, plain)
    process = lxt_process._running

    def progress(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LrpLxt().score(view, replace(plain, progress=progress))
    assert list(place.iterdir()) == []
    again = LrpLxt().score(view, plain)
    assert lxt_process._running is process
    assert all(bool((again[name] == values).all()) for name, values in expected.items())


@needs_lxt
def test_an_interruption_while_it_computes_ends_the_process(monkeypatch):
    process = lxt_process.LxtProcess()

    def recv() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_pipe", SimpleNamespace(send=process._pipe.send, recv=recv))
    with pytest.raises(KeyboardInterrupt), process.conversation():
        process.ask({"patch": "transformers.models.llama.modeling_llama", "type": "llama"})
    assert process._process.poll() is not None
    assert not process.end.alive


@needs_lxt
def test_a_process_that_dies_is_told_in_a_sentence_and_replaced(monkeypatch):
    process = lxt_process.LxtProcess()
    monkeypatch.setattr(lxt_process, "_running", process)
    process._process.kill()
    process._process.wait()
    with pytest.raises(Sparc3Error) as told:
        LrpLxt().score(make_view("llama"), make_reference(2))
    assert str(told.value) == (
        "The process that runs lxt for scorer 'lrp-lxt' ended with code -9 (no message); it needs "
        "lxt (pip install 'sparc3-bench[lxt]') and memory for a second copy of the model."
    )
    assert not process.end.alive
    replaced = lxt_process._process()
    assert replaced is not process
    replaced.end()


@needs_lxt
def test_when_this_process_is_gone_the_other_ends_and_removes_the_files(tmp_path):
    view, process = make_view("llama"), lxt_process.LxtProcess()
    process.ask({"patch": type(view.model).__module__, "type": "llama"})
    folder = tmp_path / "handed"
    folder.mkdir()
    assert process.ask(lxt_process.request(view, make_reference(2), "token-rms", folder))
    assert folder.exists()
    process._pipe.close()  # as the system does when a process ends
    assert process._process.wait(60) == 0
    assert not folder.exists()
    process.end()
