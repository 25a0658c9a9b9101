"""BibTeX: entries in braces read to fields, LaTeX to Unicode; whatever is unclear is refused.

A strict reader of a small part of the format: entries with a key, fields in braces or bare
numbers, comments that start a line with ``%``. No ``@string``, no quoted values, no formulas.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sparc3_bench.errors import Sparc3Error

_GAP = re.compile(r"(?:\s+|^%[^\n]*)*", re.MULTILINE)
_HEAD = re.compile(r"@(?P<kind>[a-z]+)\{\s*(?P<key>[a-z]+\d{4}[a-z]*)\s*,\s*")
_FIELD = re.compile(r"(?P<name>[a-z]+)\s*=\s*(?:(?P<number>\d+)|(?=\{))")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)

_ACCENTS = {
    "'": "\N{COMBINING ACUTE ACCENT}",
    "`": "\N{COMBINING GRAVE ACCENT}",
    "^": "\N{COMBINING CIRCUMFLEX ACCENT}",
    '"': "\N{COMBINING DIAERESIS}",
    "~": "\N{COMBINING TILDE}",
    "=": "\N{COMBINING MACRON}",
    ".": "\N{COMBINING DOT ABOVE}",
    "c": "\N{COMBINING CEDILLA}",
    "v": "\N{COMBINING CARON}",
    "u": "\N{COMBINING BREVE}",
    "H": "\N{COMBINING DOUBLE ACUTE ACCENT}",
    "k": "\N{COMBINING OGONEK}",
    "r": "\N{COMBINING RING ABOVE}",
}
_LETTERS = {
    **{"ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ"},
    **{"OE": "Œ", "aa": "å", "AA": "Å", "i": "ı", "&": "&", "%": "%", "_": "_", "$": "$", "#": "#"},
}
_MARKS = {
    "---": "—",
    "--": "–",
    "``": "“",
    "''": "”",
    "`": "‘",
    "'": "’",
    "~": "\N{NO-BREAK SPACE}",
}

# A letter that is named by letters ends at what is none; \'e and \'{e} alike, \c only before {c}.
_COMMAND = re.compile(
    r"\\(?:(?P<accent>['`^\"~=.])\s*(?:\{(?P<inside>\\?[A-Za-z])\}|(?P<next>\\?[A-Za-z]))"
    r"|(?P<named>[cvuHkr])\s*\{(?P<under>[A-Za-z])\}"
    r"|(?P<letter>[&%_$#]|(?:ss|ae|AE|oe|OE|aa|AA|[oOlLi])(?![A-Za-z])\s*))"
)
_MARK = re.compile("|".join(map(re.escape, _MARKS)))


@dataclass(frozen=True)
class Entry:
    """An entry as written.

    Attributes
    ----------
    fields
        By name in small letters, values without their outer braces.
    """

    kind: str
    key: str
    fields: dict[str, str]


def entries(text: str) -> list[Entry]:
    """Return the entries of a file, in order.

    Raises
    ------
    Sparc3Error
        Naming the line that is not understood, or what is there twice.
    """
    found: dict[str, Entry] = {}
    at = _skip(text, 0)
    while at < len(text):
        head = _HEAD.match(text, at)
        if head is None:
            raise _unread(text, at, "an entry, such as '@article{sun2024wanda,'")
        fields, at = _fields(text, head.end())
        if head["key"] in found:
            raise Sparc3Error(
                f"The bibliography has two entries '{head['key']}'; a key names one work: rename "
                "one, or take it out."
            )
        found[head["key"]] = Entry(head["kind"], head["key"], fields)
        at = _skip(text, at)
    return list(found.values())


def plain(latex: str) -> str:
    r"""Return a value as Unicode: ``Gr{\'e}goire`` as Grégoire, braces and double spaces gone.

    Raises
    ------
    Sparc3Error
        For a command that is not known.
    """
    text = _COMMAND.sub(_character, latex)
    if unknown := re.search(r"\\\S*|(?<!\x00)\$", text):
        raise Sparc3Error(
            f"The bibliography has the LaTeX '{unknown.group()}', which is not understood; write "
            "the character itself."
        )
    text = _MARK.sub(lambda mark: _MARKS[mark.group()], text)
    text = re.sub(" +", " ", re.sub(r"[{}\x00]", "", text))
    return unicodedata.normalize("NFC", text.strip(" "))


def _character(command: re.Match[str]) -> str:
    if letter := command["letter"]:
        # Marked, so that an escaped dollar is told from one that opens a formula.
        return "\x00" + _LETTERS[letter.strip()]
    base = command["inside"] or command["next"] or command["under"]
    # The accent takes the place of the dot: \'{\i} is í.
    return base.removeprefix("\\") + _ACCENTS[command["accent"] or command["named"]]


def _skip(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _fields(text: str, at: int) -> tuple[dict[str, str], int]:
    """Return the fields from `at` and the place behind the brace that closes the entry."""
    fields: dict[str, str] = {}
    while at < len(text) and text[at] != "}":
        field = _FIELD.match(text, at)
        if field is None:
            raise _unread(text, at, "a field, such as 'title = {A Title}'")
        at = field.end()
        if field["number"] is None:
            end = _closing(text, at)
            value, at = text[at + 1 : end], end + 1
        else:
            value = field["number"]
        if field["name"] in fields:
            raise _unread(text, field.start(), f"another field than '{field['name']}' again")
        fields[field["name"]] = " ".join(value.split())
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "}":
            raise _unread(text, at, "a comma or the end of the entry")
    if at >= len(text):
        raise _unread(text, at, "the end of the entry")
    return fields, at + 1


def _closing(text: str, opening: int) -> int:
    """Return where the brace that opens at `opening` is closed."""
    depth = 0
    for brace in _BRACES.finditer(text, opening):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return brace.start()
    raise _unread(text, opening, "a closing brace")


def _unread(text: str, at: int, expected: str) -> Sparc3Error:
    line = text.count("\n", 0, at) + 1
    return Sparc3Error(f"Line {line} of the bibliography must have {expected} here; correct it.")
