"""What a scorer leaves behind is named, put back where it can be, and nothing of it is kept."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from sparc3_hostile import scoring
from sparc3_hostile.table import AFTER, KINDS

from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import Disturbance, PluginError, describe
from sparc3_bench.model.state import differences, taken, undoing
from sparc3_bench.run.guard import guarded
from sparc3_bench.testing.tiny import make_reference, make_view
from sparc3_bench.types.masks import KeepMask

SCORERS = {one.name: one for one in scoring.sparc3_register_scorers()}
LEAVING = [name for name, kind in KINDS.items() if kind.needs == "guard"]


@pytest.fixture
def act():
    """Return what lets a hostile scorer score a tiny model under guard."""
    view = make_view("llama")

    def act(name: str) -> None:
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
            guarded(view, f"Scorer '{name}'"),
        ):
            checked(SCORERS[name]().score(view, make_reference(1)), view.weights(), name)

    act.view = view
    yield act
    for undo in AFTER:
        undo()
    AFTER.clear()


@pytest.mark.parametrize("name", LEAVING)
def test_what_a_scorer_leaves_is_named(act, name):
    with pytest.raises(Disturbance, match=KINDS[name].words) as caught:
        act(name)
    text = str(caught.value)
    assert text.startswith(f"Scorer '{name}' left ")
    assert text.endswith(".")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("name", [name for name in LEAVING if "replaces" in name])
def test_functions_are_put_back(act, name):
    with undoing(act.view):
        before = taken(act.view)
        with pytest.raises(Disturbance):
            act(name)
        assert not differences(before, taken(act.view))["functions"]


@pytest.mark.parametrize("name", [name for name, one in KINDS.items() if one.needs == "nothing"])
def test_what_does_no_harm_passes(act, name):
    act(name)
    act(name)


@pytest.mark.parametrize("name", [name for name, one in KINDS.items() if one.needs == "error"])
def test_what_is_an_error_is_told_in_its_own_words(act, name):
    with pytest.raises((Exception, KeyboardInterrupt)) as caught:
        act(name)
    assert not isinstance(caught.value, Disturbance)
    assert re.search(KINDS[name].words, describe(caught.value))


@pytest.mark.parametrize(
    ("error", "met"),
    [
        (SystemExit(0), PluginError),
        (GeneratorExit(), PluginError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RecursionError("deep"), RecursionError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_ends_a_process_is_an_error_of_the_plugin(error, met):
    view = make_view("llama")
    with pytest.raises(met) as caught, guarded(view, "Scorer 'x'"):
        raise error
    if met is PluginError:
        assert str(caught.value).startswith(f"Scorer 'x' raised {type(error).__name__}")


def test_what_a_failing_scorer_leaves_is_told_before_its_error():
    view = make_view("llama")

    def fail() -> None:
        next(view.model.parameters()).data[0, 0] += 1
        raise ValueError("in the middle")

    with pytest.raises(Disturbance, match="other bits in") as caught, guarded(view, "Scorer 'x'"):
        fail()
    assert isinstance(caught.value.__cause__, ValueError)


def test_several_guards_inside_one_another_and_masks_between_them_disturb_nothing():
    view = make_view("gpt2")
    zeros = {n: torch.zeros_like(w.matrix, dtype=torch.bool) for n, w in view.weights().items()}

    with guarded(view, "The cell"):
        with guarded(view, "Scorer 'a'"):
            view.run(make_reference(1))
        with view.masked(KeepMask(zeros)), guarded(view, "Scorer 'b'"):
            view.run(make_reference(1))
        with guarded(view, "Scorer 'c'"):
            view.run(make_reference(2))


def test_what_libraries_add_when_imported_is_taken_away_without_a_word(monkeypatch):
    view = make_view("llama")
    before, filters = dict(os.environ), list(warnings.filters)
    with guarded(view, "Scorer 'x'"):
        torch.manual_seed(3)
        os.environ["SPARC3_NEW"] = "1"
        warnings.simplefilter("always", BytesWarning)
    assert (dict(os.environ), warnings.filters) == (before, filters)


def test_threads_that_end_and_helpers_in_a_session_of_their_own_may_stay():
    view = make_view("llama")
    with guarded(view, "Scorer 'x'"):
        threading.Timer(0.2, lambda: None).start()
        helper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    assert helper.poll() is None
    helper.kill()
    helper.wait()
