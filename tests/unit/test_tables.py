"""Rows of texts: every format gives the same ones, what is no text is told with its place."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict
from sparc3_tasks.compression import Compression
from sparc3_tasks.correction.sources import read_prompts
from sparc3_tasks.prompts.names import read_prompts as read_ioi
from sparc3_tasks.texts import windows
from sparc3_tasks.texts.sources import Documents, read_documents, read_text

from sparc3_bench import Sparc3Error
from sparc3_bench.testing.tiny import make_tokenizer, save_text

ROWS = ["w3 w4, w5", "w6", None, 'w7 "w8"\tw9']
TEXTS = [row for row in ROWS if row is not None]


def in_json(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\ufeff" + "".join(json.dumps(row) + "\n\n" for row in rows), "utf-8")
    return str(path)


def in_table(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def in_parquet(path: Path, rows: list[dict[str, Any]]) -> str:
    Dataset.from_list(rows).to_parquet(path)
    return str(path)


def on_disk(path: Path, rows: list[dict[str, Any]]) -> str:
    Dataset.from_list(rows).save_to_disk(path)
    return str(path)


def of_two_parts(path: Path, rows: list[dict[str, Any]]) -> str:
    part = Dataset.from_list(rows)
    DatasetDict({"train": part, "test": part, "other": part.select([0])}).save_to_disk(path)
    return f"hf:{path}"


def in_folder(path: Path, rows: list[dict[str, Any]]) -> str:
    path.mkdir()
    for part in ("train", "test"):
        Dataset.from_list(rows).to_parquet(path / f"{part}.parquet")
    return str(path)


def zipped(path: Path, rows: list[dict[str, Any]]) -> str:
    plain = Path(in_json(path.with_suffix(""), rows)).read_bytes()
    path.write_bytes(gzip.compress(plain))
    return str(path)


MAKERS: dict[str, Callable[[Path, list[dict[str, Any]]], str]] = {
    "rows.jsonl": in_json,
    "rows": in_json,
    "rows.csv": in_table,
    "rows.tsv": lambda path, rows: in_table(path, rows, "\t"),
    "rows.parquet": in_parquet,
    "rows.jsonl.gz": zipped,
    "saved": on_disk,
    "parts": of_two_parts,
    "folder": in_folder,
    "file.csv": lambda path, rows: f"hf:{in_table(path, rows)}",
}

TYPED = [kind for kind in MAKERS if not kind.endswith(("csv", "tsv"))]
"""Formats in which a cell may be something else than a text."""


@pytest.mark.parametrize("kind", MAKERS)
def test_every_format_gives_the_same_texts_and_counts_rows_without_one(tmp_path, kind):
    source = MAKERS[kind](tmp_path / kind, [{"n": 1, "text": row} for row in ROWS])
    text, documents = read_text(source, tmp_path), read_documents(source, tmp_path)
    assert text.content == "\n\n".join(TEXTS)
    assert list(documents.rows) == TEXTS
    assert text.left_out == documents.left_out == 1
    prompts, warnings = read_prompts(source, tmp_path, 3)
    assert [prompt.text for prompt in prompts] == TEXTS
    assert warnings == (f"Rows of {text.source} that have no text and were left out: 1.",)


@pytest.mark.parametrize("kind", TYPED)
def test_an_object_may_hold_the_text_and_its_scores(tmp_path, kind):
    rows = [{"prompt": {"text": row, "toxicity": 0.5}, "continuation": "w9"} for row in ROWS]
    source = MAKERS[kind](tmp_path / kind, rows)
    prompts, _ = read_prompts(source, tmp_path, 3)
    assert [(prompt.text, prompt.scores) for prompt in prompts] == [
        (text, {"toxicity": 0.5}) for text in TEXTS
    ]
    assert read_text(source, tmp_path).content == "\n\n".join(TEXTS)


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize("read", [read_text, read_documents, lambda *a: read_prompts(*a, 1)])
def test_a_cell_that_is_no_text_is_told_with_its_row_and_column(tmp_path, kind, read):
    source = MAKERS[kind](tmp_path / kind, [{"text": None}, {"text": 3.5}])
    said = r"(row 2|line 3) has a number in column 'text' where a text is needed; name a column .*"
    with pytest.raises(Sparc3Error, match=rf"{said}as hf:.*COLUMN\]*\.$"):
        read(source, tmp_path)


def test_a_plain_file_is_a_text_or_a_line_a_document_or_prompt(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\xef\xbb\xbfw3 w4\r\n\r\nw5\r\n")
    assert read_text(str(path), tmp_path).content == "w3 w4\r\n\r\nw5\r\n"
    assert list(read_documents(str(path), tmp_path).rows) == ["w3 w4", "", "w5"]
    assert [one.text for one in read_prompts(str(path), tmp_path, 2)[0]] == ["w3 w4", "w5"]


def test_prompts_of_names_may_be_in_any_format_too(tmp_path):
    row = {"prompt": "w3 w10 w11", "io": "w10", "s": "w11", "corrupted": "w3 w12 w13"}
    for kind, make in MAKERS.items():
        source = make(tmp_path / kind, [row, {**row, "io": None}, {**row, "prompt": "w4 w10 w11"}])
        prompts, places, warnings = read_ioi(source, 2)
        assert [prompt.text for prompt in prompts] == ["w3 w10 w11", "w4 w10 w11"]
        assert len(places) == 2
        assert warnings[0].endswith("that have no text and were left out: 1.")


def test_a_cell_may_be_longer_than_a_table_of_csv_usually_allows(tmp_path):
    long = "w3 " * 100_000
    assert read_text(in_table(tmp_path / "long.csv", [{"text": long}]), tmp_path).content == long
    assert csv.field_size_limit() == 131072


def test_the_kind_and_scores_of_a_prompt_are_read_from_a_file_alone(tmp_path):
    rows = [{"prompt": "w3", "kind": 7}]
    with pytest.raises(Sparc3Error, match=r"^p\.parquet, row 1 has a `kind` that is no text"):
        read_prompts(in_parquet(tmp_path / "p.parquet", rows), tmp_path, 1)
    (prompt,), _ = read_prompts(on_disk(tmp_path / "saved", rows), tmp_path, 1)
    assert prompt.kind == "prompt"


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"", "e.jsonl", "e.jsonl is empty"),
        (b'{"text": "w3"}\n{', "e.jsonl", "e.jsonl, line 2 is not JSON"),
        (b"[3]", "e.json", "e.json, line 1 is no JSON object"),
        (
            b"a,b\nw3,w4\n",
            "e.csv",
            "has no column '(text|prompt)', only a, b; name .* hf:.*e.csv:::COLUMN",
        ),
        (b"text\n\n", "e.csv", "e.csv is empty"),
        (b'a,text\n1,""\n', "e.csv", "e.csv has no text in column 'text'; name a column"),
        (b"PAR1nothing", "e.parquet", "e.parquet cannot be read .ArrowInvalid"),
        (b"\x1f\x8b\x08", "e.jsonl.gz", "e.jsonl.gz cannot be read .EOFError"),
        (b"text\n\xff\n", "e.csv", "The text e.csv cannot be read as UTF-8"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, content, name, told):
    (tmp_path / name).write_bytes(content)
    for read in (read_text, read_documents, lambda *a: read_prompts(*a, 1)):
        with pytest.raises(Sparc3Error, match=told) as error:
            read(str(tmp_path / name), tmp_path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("part", "told"),
    [("never", "has no part 'never', only train, test, other; name one"), ("other", None)],
)
def test_a_part_of_what_was_saved_can_be_named(tmp_path, part, told):
    source = of_two_parts(tmp_path / "parts", [{"text": "w3"}, {"text": "w4"}]) + f"::{part}"
    if told is None:
        assert read_text(source, tmp_path).content == "w3"
    else:
        with pytest.raises(Sparc3Error, match=told):
            read_text(source, tmp_path)


def test_a_folder_is_recorded_without_those_above_it(tmp_path):
    saved = on_disk(tmp_path / "saved", [{"text": "w3"}])
    assert Compression(reference_text=saved).options()["reference_text"] == "saved"
    assert Compression(reference_text="").options()["reference_text"] == ""
    assert read_text(saved, tmp_path).source == "saved"


def test_the_record_warns_of_rows_left_out_and_of_windows_that_are_equal(tmp_path):
    reference = in_json(
        tmp_path / "rows.jsonl",
        [{"text": None}, *({"text": f"w{n} w3 w5 w7"} for n in range(9, 40))],
    )
    evaluation = tmp_path / "same.txt"
    evaluation.write_text("w3 w4 w5 w6 " * 3 + "w7 w8 w9 w10")
    task = Compression(
        **{"reference_text": reference, "evaluation_text": str(evaluation)},
        **{"reference_length": 4, "evaluation_length": 4},
        **{"reference_windows": 4, "evaluation_windows": 4},
    )
    assert task.prepare(make_tokenizer(), "tiny", tmp_path, 0).warnings == (
        "Rows of rows.jsonl that have no text and were left out: 1.",
        "Of 4 evaluation windows 3 are equal to another one.",
    )


def test_a_document_is_tokenised_once_however_many_windows_it_gives():
    tokenizer, seen = make_tokenizer(), []

    def counting(text: str, **options: bool) -> Any:
        seen.append(text)
        return tokenizer(text, **options)

    documents = Documents("rows", [" ".join(["w3"] * 40), "w4"])
    assert len(windows.cropped(documents, counting, 10, 50, 0)) == 50
    assert sorted(seen) == sorted(documents.rows)


def test_rows_without_a_text_are_no_windows_of_documents(tmp_path):
    text = save_text(tmp_path / "t.txt", 300, 1).read_text()
    rows = [{"text": text}, {"text": None}]
    source = in_parquet(tmp_path / "rows.parquet", rows)
    found = windows.Cutter(make_tokenizer(), tmp_path).reference(source, "documents", 8, 3, 0)
    assert len(found.rows) == 3
    assert found.warnings == ("Rows of rows.parquet that have no text and were left out: 1.",)
