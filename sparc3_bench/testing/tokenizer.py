"""A tokenizer that takes any text: one token a word, numbered by a hash; nothing is fetched."""

from __future__ import annotations

import re
import zlib
from typing import Any

from transformers import PreTrainedTokenizer

SIZE = 2048
"""Number of tokens; the first three are special."""

_SPECIAL = ("<unk>", "<s>", "</s>")


class Words(PreTrainedTokenizer):  # type: ignore[misc]  # transformers is not typed
    """One token a word or punctuation mark, in any language; white space is not kept.

    A few words share a token. Turned back into text it is the word that came first.
    """

    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012  # as in the base class

    def __init__(self) -> None:
        self._numbers = {word: index for index, word in enumerate(_SPECIAL)}
        self._words = dict(enumerate(_SPECIAL))
        super().__init__(unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>")

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return SIZE

    def get_vocab(self) -> dict[str, int]:
        """Return every token with its number."""
        return {self._convert_id_to_token(index): index for index in range(SIZE)}

    def tokenize(self, text: str, **options: Any) -> list[str]:
        """Return the words of a text."""
        return re.findall(r"<unk>|</?s>|\w+|[^\w\s]", text)

    def _convert_token_to_id(self, token: str) -> int:
        if token not in self._numbers:
            hashed = zlib.crc32(token.encode()) % (SIZE - len(_SPECIAL))
            self._numbers[token] = index = len(_SPECIAL) + hashed
            self._words.setdefault(index, token)
        return self._numbers[token]

    def _convert_id_to_token(self, index: int) -> str:
        return self._words.get(index, f"word{index}")
