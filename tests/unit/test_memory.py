"""The memory of long evaluations: whole batches or nothing, at what it cost to measure them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sparc3_bench.graph.cost import Meter, Passed, metered
from sparc3_bench.graph.store import Store
from sparc3_bench.run.memory import StoredMemory, remembering


@pytest.fixture
def model() -> SimpleNamespace:
    return SimpleNamespace(tokens=0, memory=None)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def passed(model):
    return lambda: Passed(tokens=model.tokens, flops=2 * model.tokens)


def kept(store, model) -> None:
    """Keep two batches of 30 and 10 tokens."""
    memory = StoredMemory(store, "one", passed(model), Meter())
    model.tokens += 30
    memory.keep({"a": [1.5, True], "b": [2.5, False], "c": 3})
    model.tokens += 10
    memory.keep({"d": None})


def test_what_was_kept_is_recalled_by_another(store, model):
    kept(store, model)
    memory = StoredMemory(store, "one", passed(model), Meter())
    assert memory.recall(["a", "d", "x"]) == {"a": [1.5, True], "d": None}
    assert memory.recall(["b"]) == {"b": [2.5, False]}


def test_nothing_is_known_at_first_and_no_file_is_made(tmp_path, store, model):
    assert StoredMemory(store, "one", passed(model), Meter()).recall(["a"]) == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_recalled_costs_its_share_of_what_it_did(store, model):
    kept(store, model)
    with metered(passed(model)) as meter:
        memory = StoredMemory(store, "one", passed(model), meter)
        memory.recall(["a", "b"])
        model.tokens += 5
        memory.recall(["d"])
    assert (meter.phase.tokens, meter.phase.backward_tokens) == (20 + 10 + 5, 0)
    assert meter.phase.flops == 2 * meter.phase.tokens
    assert meter.phase.peak_bytes > 0


@pytest.mark.parametrize("harm", [lambda text: text[:-3], lambda text: text.replace("ull", "il")])
def test_a_line_that_was_cut_off_or_changed_takes_nothing_with_it(tmp_path, store, model, harm):
    kept(store, model)
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_text(harm(path.read_text()))
    memory = StoredMemory(store, "one", passed(model), Meter())
    assert set(memory.recall("abcd")) == set("abc")
    memory.keep({"d": 4})
    assert StoredMemory(store, "one", passed(model), Meter()).recall("abcd")["d"] == 4


def test_a_model_has_its_memory_for_a_while(store, model):
    def interrupted() -> None:
        with remembering(model, store, "one", passed(model), Meter()):
            assert isinstance(model.memory, StoredMemory)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert model.memory is None
