"""Lazy: tensors by name that are read, or made, each time somebody asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Lazy(Mapping[str, "Tensor"]):
    """Tensors that need not be in memory together; who keeps one keeps one.

    A scorer may return one, whose scores are made of weights and what it has added up: the tensors
    that it then holds are those of its `score`, whatever the model's parameters hold later. Whoever
    writes into the tensors themselves changes what is made of them.

    Parameters
    ----------
    names
        In order.
    read
        Gives the tensor of a name, with the same values every time, and in memory of its own.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Tensor]) -> None:
        self._names = dict.fromkeys(names)
        self._read = read

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names
