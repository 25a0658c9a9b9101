"""What others wrote is shown as what it is: nothing hidden, nothing endless."""

from __future__ import annotations

import unicodedata

import pytest
from markupsafe import Markup

from sparc3_bench.errors import Sparc3Error, describe
from sparc3_bench.leaderboard.templating import templates
from sparc3_bench.printable import LONGEST, abridged, hidden_in, printable

HIDDEN = {
    "a terminal's escape": "\x1b",
    "a bell": "\x07",
    "a carriage return": "\r",
    "a C1 control": "\x9b",
    "an override of direction": "\u202e",
    "an isolate": "\u2066",
    "a mark of direction": "\u200f",
    "no width": "\u200b",
    "a joiner": "\u200d",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a filler": "\u3164",
    "a selector": "\ufe0f",
    "a tag": "\U000e0041",
    "a separator of lines": "\u2028",
    "half a pair": "\ud800",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_hidden_is_found_and_shown_escaped(name):
    text = f"a{HIDDEN[name]}b"
    told = HIDDEN[name].encode("unicode_escape").decode()
    assert hidden_in(text) == told
    assert printable(text) == f"a{told}b"
    assert printable(text).isprintable()
    assert str(Sparc3Error(text)) == f"a{told}b"
    assert templates().from_string("{{ x }}{{ y }}").render(x=text, y=Markup(text)) == 2 * (
        f"a{told}b"
    )


def test_letters_of_any_language_stay_and_ends_of_lines_are_hidden_in_a_line_alone():
    for text in ("Gradient × input", "Größe", "重要度", "أهمية", "importance\u00a0score", "🙂", ""):
        assert hidden_in(text, line=True) is None
        assert printable(text) == text
    assert hidden_in("a\n\tb") is None
    assert hidden_in("a\nb", line=True) == "\\n"
    assert hidden_in("a\tb", line=True) == "\\t"


def test_every_control_and_every_format_character_of_unicode_is_thought_of():
    """Those that are left are seen: signs of numbers and of music that have looks."""
    left = {
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and hidden_in(chr(code)) is None
    }
    assert left >= {"\t", "\n"}
    kinds = {unicodedata.name(char).split()[0] for char in left - {"\t", "\n"}}
    assert kinds == {"ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN"}


@pytest.mark.parametrize("length", [0, 1, LONGEST, LONGEST + 1, 3 * LONGEST, 10_000_000])
def test_a_long_text_keeps_both_ends_and_says_what_is_gone(length):
    text = ("begin" + "x" * length + "end")[-length:] if length else ""
    found = abridged(text)
    assert len(found) <= LONGEST
    if length <= LONGEST:
        assert found == text
    else:
        assert f"the middle of {length:,} characters is left out" in found
        assert found.endswith("end")
    assert len(abridged("\x1b" * length)) <= LONGEST


class Hostile(Exception):
    """Raises where it is to be told."""

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised


@pytest.mark.parametrize("raised", [ValueError("no"), RecursionError(), SystemExit(0)])
def test_an_error_that_cannot_be_told_hurts_nobody(raised):
    assert describe(Hostile(raised)) == "Hostile: its message cannot be made"


def test_an_error_is_told_on_one_printable_line_of_bounded_length():
    assert describe(ValueError("a\n\tb \x1b[31mred")) == "ValueError: a b \\x1b[31mred"
    assert describe(KeyError()) == "KeyError"
    assert len(describe(ValueError("x" * 50_000_000))) <= LONGEST
