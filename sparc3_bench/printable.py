"""Printable: texts of others, made safe to keep and to show."""

from __future__ import annotations

import re

LONGEST = 2_000
"""Characters that are kept of what others say, such as an error's message."""

_HIDDEN = re.compile(
    "["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and line feed
    r"\u2028\u2029\ud800-\udfff"  # separators of lines, halves of pairs
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of a line
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"  # what has no width, or no looks
    "]"
)


def hidden_in(text: str, *, line: bool = False) -> str | None:
    """Return the first character that a reader would not see, escaped; None where there is none.

    In one `line` ends of lines and tabs are hidden as well.
    """
    if text.isascii() and text.isprintable():  # as most are
        return None
    found = _HIDDEN.search(text) or (re.search(r"[\t\n]", text) if line else None)
    return None if found is None else _escaped(found)


def printable(text: str) -> str:
    r"""Return a text with escapes such as ``\x1b`` for what a reader would not see.

    Those are control characters, marks of direction, and what has no width; lines stay lines.
    """
    if text.isascii() and text.isprintable():  # as most are
        return text
    return _HIDDEN.sub(_escaped, text)


def how_many(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 run`` or ``2,000 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def prefixed(number: float) -> str:
    """Return a large count with the prefix of its size: ``1.23 T``."""
    for prefix, size in zip("EPTGMk", (1e18, 1e15, 1e12, 1e9, 1e6, 1e3), strict=True):
        if number >= size:
            return f"{number / size:.3g} {prefix}"
    return f"{number:.0f}"


def abridged(text: str, most: int = LONGEST) -> str:
    """Return a text, printable, with at most `most` characters; of a longer one both ends."""
    length = len(text)
    if length > 2 * most:
        text = text[:most] + text[-most:]  # what is 50 MB long is not looked through
    text = printable(text)
    if len(text) <= most:
        return text
    note = f" [… the middle of {length:,} characters is left out …] "
    half = (most - len(note)) // 2
    return text[:half] + note + text[-half:]


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
