"""The bibliography: every entry read, accents as characters, links, keys found in texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sparc3_bench
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.bibliography import FILE, bibliography, citations, parse, spell_out
from sparc3_bench.leaderboard.bibtex import plain

ENTRY = "@misc{doe2020,\n  title = {T},\n  author = {Doe, Jane},\n  year = {2020}\n}\n"


def entry(**fields: str) -> str:
    own = {"title": "T", "author": "Doe, Jane", "year": "2020", **fields}
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in own.items() if value)
    return f"@article{{doe2020,\n{lines}\n}}\n"


def test_every_entry_of_the_file_is_read() -> None:
    keys = re.findall(r"^@\w+\{(\w+),", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(keys) > 30
    assert list(bibliography()) == keys


def test_no_markup_is_left() -> None:
    for work in bibliography().values():
        assert not set("{}\\$`") & set(work.text), work.text
        assert work.authors
        assert work.title


def test_the_file_lies_in_the_package_so_that_a_wheel_has_it() -> None:
    assert FILE.parent == Path(sparc3_bench.__file__).parent


def test_a_citation_has_authors_year_title_and_venue() -> None:
    assert bibliography()["sun2024wanda"].text == (
        "Sun, Liu, Bair, Kolter (2024). A Simple and Effective Pruning Approach for Large "
        "Language Models. International Conference on Learning Representations."
    )
    assert bibliography()["holm1979"].text.endswith("Scandinavian Journal of Statistics 6(2).")


def test_accents_quotes_and_dashes_are_characters() -> None:
    assert "Müller" in bibliography()["ali2022"].text
    assert "Fernández" in bibliography()["paperno2016lambada"].text
    assert "‘Student’s’ Problem" in bibliography()["welch1947"].text
    assert bibliography()["welch1947"].venue == "Biometrika 34(1–2)"
    assert " – Data-Centric" in bibliography()["allal2025"].title


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"Gr{\'e}goire", "Grégoire"),
        (r"M{\"u}ller", "Müller"),
        (r"\'{E}lan and \'elan", "Élan and élan"),
        (r"Fran\c{c}ois", "François"),
        (r"Ho{\v{r}}ava", "Hořava"),
        (r"Garc{\'\i}a", "García"),
        (r"{\O}rsted, {\aa}, Stra{\ss}e", "Ørsted, å, Straße"),
        (r"{\~n} {\H{o}} {\^o} {\`a}", "ñ ő ô à"),
        (r"R\&D, 5\% of a\_b for \$3", "R&D, 5% of a_b for $3"),
        ("pages 3--5 --- ``so''", "pages 3–5 — “so”"),
        ("{LLMs} and {{AttnLRP}}", "LLMs and AttnLRP"),
        ("a~b", "a\N{NO-BREAK SPACE}b"),
    ],
)
def test_latex_becomes_unicode(latex: str, text: str) -> None:
    assert plain(latex) == text


@pytest.mark.parametrize("latex", [r"\textbf{x}", r"\alpha", "$x^2$", r"\c c", "\\"])
def test_latex_that_is_not_known_is_refused(latex: str) -> None:
    with pytest.raises(Sparc3Error, match="is not understood; write"):
        plain(latex)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"eprint": "2306.11695"}, "https://arxiv.org/abs/2306.11695"),
        ({"journal": "arXiv:2506.13727v1"}, "https://arxiv.org/abs/2506.13727v1"),
        ({"doi": "10.1214/09-AOS699", "eprint": "2306.11695"}, "https://doi.org/10.1214/09-AOS699"),
        ({"url": "https://example.org/a_b"}, "https://example.org/a_b"),
        ({"journal": "Biometrika"}, ""),
    ],
)
def test_links(fields: dict[str, str], url: str) -> None:
    assert parse(entry(**fields))["doe2020"].url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "javascript:alert(1)"),
        ("url", 'https://example.org/"onclick='),
        ("url", "http://example.org/"),
        ("doi", "https://doi.org/10.1/x"),
        ("eprint", "cs/0102030x"),
    ],
)
def test_a_link_of_another_form_is_refused(name: str, value: str) -> None:
    with pytest.raises(Sparc3Error, match=f"`{name}` of 'doe2020'"):
        parse(entry(**{name: value}))


def test_every_link_is_https() -> None:
    links = [work.url for work in bibliography().values() if work.url]
    assert len(links) >= 12
    assert all(re.fullmatch(r"https://[^\s\"'<>]+", link) for link in links)


@pytest.mark.parametrize(
    ("authors", "label"),
    [
        ("Doe, Jane", "Doe 2020"),
        ("Doe, Jane and Roe, Rick", "Doe and Roe 2020"),
        ("Doe, Jane and Roe, Rick and Poe, E.", "Doe et al. 2020"),
        ("Ben Doe, Jane and others", "Ben Doe et al. 2020"),
        ("{The Team}", "The Team 2020"),
        ("Doe", "Doe 2020"),
    ],
)
def test_labels(authors: str, label: str) -> None:
    assert parse(entry(author=authors))["doe2020"].label == label


def test_more_authors_than_are_named() -> None:
    work = parse(entry(author="Doe, Jane and Roe, R. and others"))["doe2020"]
    assert work.text.startswith("Doe, Roe et al. (2020). T.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ENTRY + ENTRY, "two entries 'doe2020'"),
        (ENTRY.replace("misc", "phdthesis"), "is a 'phdthesis'; use one of article,"),
        (ENTRY.replace("{T}", "{T"), "Line 6 .* a comma or the end"),
        (ENTRY.replace("{T}", '"T"'), "Line 2 .* a field, such as"),
        (ENTRY.replace("{T},", "{T}"), "Line 3 .* a comma or the end"),
        (ENTRY.rstrip("}\n"), "Line 4 .* a closing brace"),
        (ENTRY.replace("doe2020", "Doe:20"), "Line 1 .* an entry, such as"),
        ("stray\n" + ENTRY, "Line 1 .* an entry, such as"),
        (ENTRY.replace("title", "year"), "another field than 'year' again"),
        (entry(title=""), "Field `title` .* is missing"),
        (entry(year="20"), "Field `year` .* four digits"),
        (entry(volume="3", pages="1"), "Field `pages` .* not understood"),
        (entry(author="Jane Doe"), "Field `author` .* has 'Jane Doe'; write it"),
        (entry(author="Doe, Jane and "), "Field `author` "),
    ],
)
def test_what_is_unclear_is_refused(text: str, told: str) -> None:
    with pytest.raises(Sparc3Error, match=told):
        parse(text)


def test_comments_and_bare_years_are_read() -> None:
    text = f"% Works.\n\n{ENTRY.replace('{2020}', '2020,')}% The end."
    assert parse(text)["doe2020"].year == 2020


def test_keys_of_a_citation_become_works() -> None:
    works = bibliography()
    assert citations("hatefi2025; achtibat2024") == (works["hatefi2025"], works["achtibat2024"])
    assert citations("sun2024wanda, eq. 1") == (works["sun2024wanda"],)
    assert citations("") == ()


def test_what_is_no_key_stays_plain_text() -> None:
    free = "Doe, J.; Roe, R. (2031). <b>A title</b>; see https://example.org"
    assert citations(free) == (free,)
    assert citations("doe2031") == ("doe2031",)
    assert citations(f"han2015; {free}") == (bibliography()["han2015"], free)


def test_keys_in_brackets_are_spelled_out() -> None:
    works = bibliography()
    text, named = spell_out(
        "By [becking2022; hatefi2025, eq. 8], in [0, 1) and [tokens, features]."
    )
    assert text == (
        "By (Becking et al. 2022; Hatefi et al. 2025, eq. 8), in [0, 1) and [tokens, features]."
    )
    assert named == (works["becking2022"], works["hatefi2025"])
    assert spell_out("[han2015; doe2031]") == ("[han2015; doe2031]", ())
