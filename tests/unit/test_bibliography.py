"""The bibliography: every work read, links, labels, keys found in texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import sparc3_bench
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.bibliography import FILE, bibliography, citations, parse, spell_out


def entry(**fields: object) -> str:
    own = {"title": "T", "authors": ["Doe, Jane"], "year": 2020, **fields}
    lines = [f"{name} = {json.dumps(value)}" for name, value in own.items()]
    return "\n".join(["[doe2020]", *lines, ""])


def test_every_entry_of_the_file_is_read() -> None:
    keys = re.findall(r"^\[(\w+)\]", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
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
    "url", ["javascript:alert(1)", 'https://example.org/"onclick=', "http://example.org/", "https:"]
)
def test_a_link_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(Sparc3Error, match="`url` of 'doe2020'"):
        parse(entry(url=url))


def test_every_link_is_https() -> None:
    links = [work.url for work in bibliography().values() if work.url]
    assert len(links) >= 12
    assert all(re.fullmatch(r"https://[^\s\"'<>]+", link) for link in links)


@pytest.mark.parametrize(
    ("authors", "label"),
    [
        (["Doe, Jane"], "Doe 2020"),
        (["Doe, Jane", "Roe, Rick"], "Doe and Roe 2020"),
        (["Doe, Jane", "Roe, Rick", "Poe, E."], "Doe et al. 2020"),
        (["Ben Doe, Jane", "others"], "Ben Doe et al. 2020"),
        (["The Team"], "The Team 2020"),
    ],
)
def test_labels(authors: list[str], label: str) -> None:
    assert parse(entry(authors=authors))["doe2020"].label == label


def test_more_authors_than_are_named() -> None:
    work = parse(entry(authors=["Doe, Jane", "Roe, R.", "others"]))["doe2020"]
    assert work.text.startswith("Doe, Roe et al. (2020). T.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (entry() + entry(), "not valid TOML: .* declare .* twice"),
        (entry().replace("doe2020", "Doe20"), "Field `key` of 'Doe20'"),
        (entry(title=""), "Field `title` .* at least 1 character"),
        (entry(year=20), "Field `year` .* greater than or equal to 1000"),
        (entry(pages="1"), "Field `pages` .* Extra inputs"),
        (entry(authors=[]), "Field `authors` "),
        ("doe2020 = 1", "Field `key` of 'doe2020' "),
    ],
)
def test_what_is_unclear_is_refused(text: str, told: str) -> None:
    with pytest.raises(Sparc3Error, match=told):
        parse(text)


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
