"""Published numbers: restated from their sources, in keeping with one another, refused when odd."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean

import pytest
from unit.fragments import rendered

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.leaderboard.bibliography import bibliography
from sparc3_bench.leaderboard.literature import ReportedNumber, ReportedTable, literature

Read = Callable[[str], tuple[ReportedTable, ...]]

TABLE = """
[[table]]
title = "T"
source = "sun2024wanda"
where = "Table 2"
metric = "perplexity"
error = "standard error over seeds"
across = "models"
columns = ["A", "B"]
rows = [["Dense", "0 %", "5.10", ""], ["Wanda", "2:4", "11.02 ± 0.05", "2e10"]]
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def written(text: str) -> tuple[ReportedTable, ...]:
        path = tmp_path / "literature.toml"
        path.write_text(text, encoding="utf-8")
        return literature(path)

    return written


def found(numbers: Iterable[ReportedNumber], **wanted: object) -> list[ReportedNumber]:
    return [
        one for one in numbers if all(getattr(one, name) == value for name, value in wanted.items())
    ]


def every(**wanted: object) -> list[ReportedNumber]:
    return found((one for table in literature() for one in table.numbers), **wanted)


# Restated from the README of locuslab/wanda, from Tables 1 and 2 and Appendix D.2 of the first
# version of arXiv 2506.13727, from the README of luuyin/OWL, and from issues 7 and 45 of
# locuslab/wanda and 37 of IST-DASLab/sparsegpt.
@pytest.mark.parametrize(
    ("where", "method", "model", "data", "removed", "value", "error"),
    [
        ("README", "Dense", "LLaMA-2-70B", "WikiText-2", "0 %", 3.12, None),
        ("README", "Magnitude", "LLaMA-2-7B", "WikiText-2", "50 %", 14.89, None),
        ("README", "SparseGPT", "LLaMA-2-13B", "WikiText-2", "4:8", 6.60, None),
        ("README", "Wanda", "LLaMA-2-7B", "WikiText-2", "2:4", 11.02, None),
        ("Table 1", "Wanda", "TinyLlama", "WikiText-2", "50 %", 11.52, 0.01),
        ("Table 1", "LRP", "Llama-3-8B", "WikiText-2", "50 %", 9.82, 0.05),
        ("Table 1", "LRP", "Llama-2-7B", "mean of", "50 %", 54.72, 0.13),
        ("Table 1", "Magnitude", "Llama-3-8B", "WikiText-2", "50 %", 206.82, None),
        ("Table 2", "Wanda", "Llama-3-8B", "BoolQ", "50 %", 78.13, None),
        ("Table 2", "LRP", "TinyLlama", "OBQA", "50 %", 20.93, None),
        ("Table 2", "Dense", "Llama-2-7B", "ARC-c", "0 %", 43.08, None),
        ("Appendix D.2", "LRP", "TinyLlama", "WikiText-2", "50 %", 11.35, None),
        ("README", "Wanda with OWL", "OPT-6.7B", "WikiText", "70 %", 40.22, None),
        ("README", "SparseGPT with OWL", "LLaMA-7B", "WikiText", "70 %", 19.49, None),
        ("issue 45", "Wanda", "LLaMA-7B", "WikiText-2", "50 %", 7.26, None),
        ("issue 7", "Magnitude", "BLOOM-560M", "", "50 %", 2e10, None),
        ("issue 37", "SparseGPT", "OPT-1.3B", "WikiText-2", "50 %", 17.46, None),
    ],
)
def test_numbers_are_those_of_the_source(
    where: str,
    method: str,
    model: str,
    data: str,
    removed: str,
    value: float,
    error: float | None,
) -> None:
    removed = removed.replace(" ", "\N{NO-BREAK SPACE}")
    (one,) = (
        one
        for one in every(method=method, model=model, removed=removed)
        if where in one.where and one.data.startswith(data)
    )
    assert (one.value, one.error) == (value, error)


def test_the_dense_model_is_better_than_the_pruned() -> None:
    compared = 0
    for table in literature():
        for one in table.numbers:
            dense = found(table.numbers, method="Dense", model=one.model, data=one.data)
            if one.method == "Dense" or not dense or one.metric != "perplexity":
                continue
            assert dense[0].value < one.value, one
            compared += 1
    assert compared == 49


def test_the_models_without_a_dense_number_are_the_known_ones() -> None:
    without = {
        (one.source.key, one.where, one.model)
        for table in literature()
        for one in table.numbers
        if not found(table.numbers, method="Dense", model=one.model)
    }
    assert {(key, model) for key, _, model in without} == {
        ("hatefi2025", "TinyLlama"),  # Appendix D.2 has the pruned model alone
        ("yin2024owl", "OPT-6.7B"),
    }


def test_means_follow_from_the_numbers_by_task() -> None:
    means = every(source=bibliography()["hatefi2025"], metric="accuracy", where="Table 1")
    assert len(means) == 12
    for one in means:
        tasks = every(metric="accuracy", where="Table 2", method=one.method, model=one.model)
        assert len(tasks) == 7
        assert one.value == pytest.approx(mean(task.value for task in tasks), abs=0.0101)


def test_what_is_computed_anew_says_so() -> None:
    marked = [one for one in every() if one.text.endswith("†")]
    assert [(one.method, one.model) for one in marked] == [
        ("Dense", "Llama-3-8B"),
        ("Magnitude", "Llama-3-8B"),
    ]
    assert all("computed anew" in one.note for one in marked)


def test_every_number_is_reported_finite_and_has_its_source() -> None:
    numbers = every()
    assert len(numbers) == 161
    for one in numbers:
        assert one.origin == "reported"
        assert math.isfinite(one.value)
        assert one.value > 0
        assert one.where
        assert one.source is bibliography()[one.source.key]
        assert one.metric == "perplexity" or one.value < 100


def test_what_looks_mistyped_at_its_source_is_left_out() -> None:
    owl = every(source=bibliography()["yin2024owl"])
    assert {one.model for one in owl} == {"LLaMA-7B", "OPT-6.7B"}


def test_digits_stand_as_in_the_source(read: Read) -> None:
    (table,) = read(TABLE)
    assert [one.text for one in table.numbers] == ["5.10", "11.02 ± 0.05", "2 × 10¹⁰"]
    assert table.lines[0].cells[1] is None
    assert table.lines[0].is_dense
    assert not table.lines[1].is_dense
    assert every(method="Magnitude", model="LLaMA-7B")[0].text == "48,419.12"


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e999", "-3", "5,1", "5.1±0.1", "5.1 5"])
def test_a_number_that_is_not_finite_or_unclear_is_refused(read: Read, cell: str) -> None:
    with pytest.raises(Sparc3Error, match=f"Table 1 .* '{re.escape(cell)}' must be a finite num"):
        read(TABLE.replace("5.10", cell))


def test_a_source_that_is_not_in_the_bibliography_is_refused(
    read: Read,
) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'sun2024wanda'"):
        read(TABLE.replace("sun2024wanda", "sun2025wanda"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"0 %"', '"none"', "'none' must be a sparsity"),
        (', ""]', "]", r"row \('Dense', '0 %'\) must have 2 cells"),
        ('"perplexity"', '"loss"', "`metric`: Input should be 'perplexity' or 'accuracy'"),
        ("where =", "were =", "`where`: Field required"),
        ('title = "T"', 'title = "T"\nnew = 1', "`new`: Extra inputs are not permitted"),
        ('title = "T"', 'title = "T"\nlink = "javascript:x"', "`link`: String should match"),
        ('title = "T"', 'title = "T"\ncontext = 0', "`context`: Input should be greater than 0"),
        ('title = "T"', 'title = "T"\nmodel = "C"', "`model` goes with columns across tasks"),
        ('across = "models"', 'across = "tasks"', "`model` goes with columns across tasks"),
        ('across = "models"', 'across = "tasks"\nmodel = "C"\ndata = "D"', "`data` does not go"),
        ("error =", "note =", "`error` must say what stands behind ±"),
        ("5.10", "5.10 †", "cells marked † and their `dagger` go together"),
        ('title = "T"', 'title = "T"\ndagger = "D"', "cells marked † and their `dagger`"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(read: Read, old: str, new: str, told: str) -> None:
    assert old in TABLE
    with pytest.raises(Sparc3Error, match=f"^Table 1 of the literature: .*{told}.*; correct it.$"):
        read(TABLE.replace(old, new, 1))


@pytest.mark.parametrize("text", ["[[table", "other = 1", TABLE + "[more]\n", "table = 3"])
def test_a_file_of_another_shape_is_refused(read: Read, text: str) -> None:
    with pytest.raises(Sparc3Error, match=r"literature\.toml"):
        read(text)


def test_the_page_tells_numbers_sources_and_that_they_were_not_run() -> None:
    page = rendered("literature.html", tables=literature())
    assert "These numbers were not run by this suite" in page
    assert "not comparable with the tables of this suite unless model, context length" in page
    assert page.count("<table") == len(literature())
    assert 'href="https://github.com/locuslab/wanda#pruning-llama-2"' in page
    assert 'href="https://arxiv.org/abs/2506.13727v1"' in page
    assert "2 × 10¹⁰" in page
    assert page.count("computed anew from Table 2") == 1
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for link in re.findall(r' aria-labelledby="([^"]+)"', page):
        assert link in ids


def test_text_of_a_table_is_never_markup(read: Read) -> None:
    tables = read(TABLE.replace('"Wanda"', '"<b>W</b>"').replace('"A"', '"<i>A</i>"'))
    page = rendered("literature.html", tables=tables)
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;W&lt;/b&gt;" in page
