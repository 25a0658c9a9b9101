"""Published numbers stand beside ours where the protocol is the same, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from unit.results import make_result
from unit.site_pages import render

from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.record.result import Result

TEXT = "Salesforce/wikitext:wikitext-2-raw-v1:test"


def ours(scorer: str = "wanda", values: Any = (5.12, 6.5), **changes: Any) -> Result:
    """Return a result as it is where a table of the literature has the same protocol."""
    data = {"source": TEXT, "window_length": 4096, "begin": (), **changes.pop("data", {})}
    whole = changes.pop("windows_asked", 0)
    model = changes.pop("model", "meta-llama/Llama-2-7b-hf")
    result = make_result(scorer, values, **changes)
    spec = result.spec
    sets = tuple(
        one.model_copy(update=data) if one.purpose == "evaluation" else one for one in spec.datasets
    )
    task = spec.task.model_copy(update={"options": {"evaluation_windows": whole}})
    named = spec.model.model_copy(update={"id": model})
    spec = spec.model_copy(update={"datasets": sets, "task": task, "model": named})
    return result.model_copy(update={"spec": spec, "key": spec.key})


def published(*results: Result) -> list[list[str]]:
    """Return the cells of the table of published numbers, as texts."""
    html = render([(Path(one.spec.path), one) for one in results])
    table = re.search(r"-published\"[^>]*>\n<thead>.*?</table>", html, re.DOTALL)
    rows = re.findall(r"<tr>\n(.*?)</tr>", table[0], re.DOTALL) if table else []
    return [
        [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[dh].*", row)]
        for row in rows
    ]


def test_a_published_number_stands_beside_the_row_of_its_method():
    found = {tuple(row[:3]): row[3] for row in published(ours())}
    assert found == {
        ("Dense", "0 %", "5.12"): "dense 5.120",
        ("Magnitude", "50 %", "14.89"): "–",
        ("SparseGPT", "50 %", "6.51"): "–",
        ("Wanda", "50 %", "6.42"): "6.500",
    }


def test_the_numbers_of_a_pattern_stand_beside_that_pattern_alone():
    found = published(ours(group="2:4"))
    assert [row[1] for row in found] == ["0 %", "2:4", "2:4", "2:4"]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "meta-llama/Llama-2-7b-chat-hf"},
        {"label": "4-bit, de-quantised"},
        {"data": {"window_length": 2048}},
        {"data": {"source": "Wikipedia articles"}},
        {"data": {"begin": ("<s>",)}},
        {"windows_asked": 16},
        {"task": "zero-shot"},
        {"removal": "highest"},
    ],
    ids=str,
)
def test_nothing_stands_beside_another_protocol(change):
    assert published(ours(**change)) == []


def test_a_protocol_names_models_of_its_table():
    for table in literature():
        if table.same is not None:
            assert set(table.same.models) <= set(table.columns)
