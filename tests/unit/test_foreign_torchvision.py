"""The command line hides a torchvision that was built for another torch, and no other."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys

import pytest

from sparc3_bench.cli import _hide_foreign_torchvision


@pytest.mark.parametrize(
    ("torch", "torchvision", "hidden"),
    [
        ("2.13.0+cpu", "0.28.0", True),
        ("2.13.0", "0.28.0+cpu", True),
        ("2.13.0+cpu", "0.28.0+cu130", True),
        ("2.13.0+cpu", "0.28.0+cpu", False),
        ("2.13.0", "0.28.0", False),
        ("2.13.0+cpu", None, False),
        (None, "0.28.0", False),
    ],
)
def test_what_does_not_go_together_is_hidden(monkeypatch, torch, torchvision, hidden):
    installed = {"torch": torch, "torchvision": torchvision}

    def version(name: str) -> str:
        found = installed[name]
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setitem(sys.modules, "torchvision", before := object())
    _hide_foreign_torchvision()
    if not hidden:
        assert sys.modules["torchvision"] is before
        return
    assert importlib.util.find_spec("torchvision") is None  # what transformers asks
    with pytest.raises(ModuleNotFoundError):
        import torchvision
