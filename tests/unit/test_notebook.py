"""Progress in a notebook: one bar that is updated, and empty when the step is over."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from sparc3_bench.run.notebook import in_notebook
from sparc3_bench.run.progress import Reporter


class Handle:
    """What `display` returns."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def notebook(monkeypatch) -> Handle:
    handle = Handle()

    def display(bundle, raw, display_id):
        assert raw
        assert display_id
        handle.shown.append(bundle)
        return handle

    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return handle


def failing_step() -> None:
    with Reporter().steps("a < b") as step:
        step(1, 4)
        step(4, 4)
        raise ZeroDivisionError


def test_a_bar_moves_and_is_gone(notebook, capsys):
    assert in_notebook()
    with pytest.raises(ZeroDivisionError):
        failing_step()
    htmls = [one["text/html"] for one in notebook.shown]
    assert htmls[0].startswith("<progress></progress> <code>a &lt; b  0/?")
    assert '<progress value="4" max="4">' in htmls[-2]
    assert htmls[-1] == ""
    assert capsys.readouterr().err == ""


def test_a_terminal_is_no_notebook(monkeypatch):
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()
