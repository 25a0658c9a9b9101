"""What stands before every window and every prompt: the tokens that a tokenizer begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Begin = Literal["auto", "none"]
"""What is put before a window or a prompt: what the tokenizer puts before a text, or nothing.

It is read and never scored. Of a window the second text token is the first that is scored, with a
beginning or without, so that both are means over the same tokens.
"""

_PROBES = ("a", "The", "1", "\n", "<unk>")
"""Short texts; a small vocabulary may have no token for most of them."""


@dataclass(frozen=True)
class Beginning:
    """Tokens that come first, as a model saw them in training."""

    ids: tuple[int, ...] = ()
    """Token ids; none for a tokenizer that puts nothing before a text."""
    tokens: tuple[str, ...] = ()
    """The same, as the tokenizer writes them."""

    @property
    def start(self) -> int:
        """Where in a window begins what is scored; 0, the whole window, without a beginning.

        The first token of a window has no label of its own, as without a beginning.
        """
        return len(self.ids) + 1 if self.ids else 0

    def before(self, tokens: Sequence[int]) -> list[int]:
        """Return the tokens of a window with the beginning before them."""
        return [*self.ids, *tokens]

    def encode(self, tokenizer: Any, text: str) -> tuple[int, ...]:
        """Return a prompt in tokens: the beginning, unless the text has it already, and the text.

        Nothing is put after it.
        """
        tokens = tuple(plain(tokenizer, text))
        has_it = tokens[: len(self.ids)] == self.ids
        return tokens if has_it else (*self.ids, *tokens)


def beginning(tokenizer: Any, begin: Begin) -> Beginning:
    """Return what a tokenizer puts before a text, or with ``none`` nothing."""
    if begin == "none":
        return Beginning()
    for text in _PROBES:
        bare = plain(tokenizer, text)
        whole = list(tokenizer(text, verbose=False)["input_ids"])
        for start in range(len(whole) - len(bare) + 1):
            if bare and whole[start : start + len(bare)] == bare:
                ids = tuple(whole[:start])
                return Beginning(ids, tuple(map(str, tokenizer.convert_ids_to_tokens(list(ids)))))
    return Beginning()


def plain(tokenizer: Any, text: str) -> list[int]:
    """Return a text in tokens, with nothing before or after it."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
