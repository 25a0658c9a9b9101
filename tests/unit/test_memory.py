"""The memory of long evaluations: whole batches or nothing, at what it cost to measure them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sparc3_bench.graph.cost import Meter, metered
from sparc3_bench.run.memory import FileMemory, remembering


@pytest.fixture
def model() -> SimpleNamespace:
    return SimpleNamespace(tokens=0, memory=None)


def kept(path, model) -> None:
    """Keep two batches of 30 and 10 tokens."""
    memory = FileMemory(path, model, Meter())
    model.tokens += 30
    memory.keep({"a": [1.5, True], "b": [2.5, False], "c": 3})
    model.tokens += 10
    memory.keep({"d": None})


def test_what_was_kept_is_recalled_by_another(tmp_path, model):
    path = tmp_path / "memories" / "one.jsonl"
    kept(path, model)
    memory = FileMemory(path, model, Meter())
    assert memory.recall(["a", "d", "x"]) == {"a": [1.5, True], "d": None}
    assert memory.recall(["b"]) == {"b": [2.5, False]}


def test_nothing_is_known_at_first_and_no_file_is_made(tmp_path, model):
    path = tmp_path / "one.jsonl"
    assert FileMemory(path, model, Meter()).recall(["a"]) == {}
    assert not path.exists()


def test_what_is_recalled_costs_its_share_of_what_it_did(tmp_path, model):
    path = tmp_path / "one.jsonl"
    kept(path, model)
    with metered(lambda: model.tokens) as meter:
        memory = FileMemory(path, model, meter)
        memory.recall(["a", "b"])
        model.tokens += 5
        memory.recall(["d"])
    assert meter.phase.tokens == 20 + 10 + 5
    assert meter.phase.peak_bytes > 0


def test_a_line_that_was_cut_off_takes_nothing_with_it(tmp_path, model):
    path = tmp_path / "one.jsonl"
    kept(path, model)
    path.write_text(path.read_text()[:-3])
    memory = FileMemory(path, model, Meter())
    assert set(memory.recall("abcd")) == set("abc")
    memory.keep({"d": 4})
    assert FileMemory(path, model, Meter()).recall("abcd")["d"] == 4


def test_a_model_has_its_memory_for_a_while(tmp_path, model):
    def interrupted() -> None:
        with remembering(model, tmp_path / "one.jsonl", Meter()):
            assert isinstance(model.memory, FileMemory)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert model.memory is None
