"""Documents and docstrings as parts of pages: links, anchors, tables; nothing in them is markup."""

from __future__ import annotations

import pytest

from sparc3_bench.leaderboard.markdown import document, prose, slug


def nowhere(address: str) -> None:
    return None


def test_headings_have_the_anchors_of_forges():
    found = document("# A title\n\n## Über *all*: `x`, 2\n\n## Same\n\n## Same\n", nowhere)
    assert found.title == "A title"
    assert found.sections == (
        ("über-all-x-2", "Über all: x, 2"),
        ("same", "Same"),
        ("same-1", "Same"),
    )
    assert '<h2 id="same-1">Same</h2>' in found.body


def test_what_looks_like_markup_is_text():
    text = "# <b>T</b>\n\n<script>alert(1)</script>\n\na <img src=x onerror=alert(2)> {{ 7*7 }}\n"
    found = document(text, nowhere)
    assert "<script" not in found.body
    assert "<img" not in found.body
    assert "<b>" not in found.body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found.body
    assert "{{ 7*7 }}" in found.body


def test_marks_for_those_who_write_are_left_out():
    found = document(
        "before\n\n<!-- table: x -->\n| a |\n| --- |\n| 1 |\n<!-- end -->\n\nafter\n", nowhere
    )
    assert "table: x" not in found.body
    assert "end" not in found.body
    assert "<td>1</td>" in found.body


def test_links_lead_where_they_are_led_and_others_are_text():
    places = {"b.md#x": "b.html#x", "p.svg": "p.svg"}
    text = "[one](b.md#x) [two](../code.py) ![three](p.svg) ![four](http://evil.example/p.png)"
    found = document(f"{text} [five](https://a.example) [six](javascript:alert(1))", places.get)
    assert (
        '<a href="b.html#x">one</a> two <img src="p.svg" alt="three"> four'
        in found.body.replace(" /", "")
    )
    assert '<a href="https://a.example">five</a>' in found.body
    assert "href" not in found.body.partition("five</a>")[2]
    assert "evil" not in found.body


def test_a_table_scrolls_in_a_box_that_is_named_and_reached_by_key():
    found = document("## Numbers\n\n| a | b |\n|---|---|\n| 1 | x \\| y |\n", nowhere)
    assert '<div class="scroll" role="region" tabindex="0" aria-labelledby="numbers">' in found.body
    assert found.body.count('<th scope="col">') == 2
    assert "x | y" in found.body
    assert found.body.index("</table>") < found.body.index("</div>")


def test_what_is_cited_is_spelt_out_and_listed():
    found = document("As in [sun2024wanda, eq. 1], and [nobody2031]; `[sun2024wanda]`.\n", nowhere)
    assert "(Sun et al. 2024, eq. 1), and [nobody2031]" in found.body
    assert "<code>[sun2024wanda]</code>" in found.body
    assert [work.key for work in found.references] == ["sun2024wanda"]


def test_docstrings_have_code_lists_and_roles():
    found = prose("See :class:`~a.b.Thing` and ``x``::\n\n    y = 1\n\n* one\n* two\n")
    assert "See <code>Thing</code> and <code>x</code>:" in found
    assert "<pre><code>y = 1\n</code></pre>" in found
    assert found.count("<li>") == 2


@pytest.mark.parametrize(
    "text", ["[a](https://evil.example)", "![a](https://evil.example/x.png)", "<b>a</b>"]
)
def test_docstrings_lead_nowhere(text):
    found = prose(text)
    assert "href" not in found
    assert "<img" not in found
    assert "<b>" not in found


def test_slugs_keep_letters_digits_and_hyphens():
    assert slug("CPR and CMD") == "cpr-and-cmd"
    assert slug("±") == ""
