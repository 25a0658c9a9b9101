"""`sparc3 export`: what others read is what the pages say, and follows the schemas of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pandas
import pyarrow.parquet
import pytest
import typer.testing
import yaml
from huggingface_hub import parse_eval_result_entries
from unit.results import make_result, save

from sparc3_bench.api.every_eval import SCHEMA
from sparc3_bench.api.exporting import row_columns
from sparc3_bench.cli import app
from sparc3_bench.comparison.ranks import Ranks, draws_of, ranks
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_results, write_result
from sparc3_bench.run.intervals import renewed

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "leaderboard" / "results"
COUNT = sum(1 for _ in COMMITTED.rglob("*--*.json"))
RANKED = """
    WITH newest AS (
        SELECT * FROM table_of_all WHERE orders
        QUALIFY row_number() OVER (
            PARTITION BY section, place, seed ORDER BY created DESC, key DESC
        ) = 1
    )
    SELECT section, place, any_value(rank) AS rank, any_value(better) AS better,
        avg(value) AS value, avg(low) AS low, avg(high) AS high
    FROM newest WHERE NOT is_control GROUP BY section, place
    ORDER BY section, CASE WHEN any_value(better) = 'lower' THEN avg(value) ELSE -avg(value) END
"""


def export(*arguments: object) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, ["export", *map(str, arguments)])


def exported(*arguments: object) -> dict[str, Any]:
    done = export(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.fixture(scope="module")
def pages() -> dict[str, tuple[Section, Ranks | None]]:
    """Return the tables of the pages by their names, with their ranks."""
    host = default_host()
    sections, _ = split((path, renewed(one, host)) for path, one in read_results(COMMITTED))
    return {one.id: (one, ranks(one, draws_of(one))) for one in sections}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Return a Parquet file of all committed results."""
    path = tmp_path_factory.mktemp("export") / "all.parquet"
    told = exported(COMMITTED, "--out", path)
    assert (told["results"], told["left_out"], told["unreadable"]) == (COUNT, {}, [])
    assert told["written"] == pyarrow.parquet.read_metadata(path).num_rows > 9_000
    return path


def in_pandas(path: Path) -> pandas.DataFrame:
    """Return the rows of all tables by the number that orders them, best first."""
    every = pandas.read_parquet(path)
    some = every[every.orders & ~every.is_control].sort_values(["created", "key"])
    newest = some.drop_duplicates(["section", "place", "seed"], keep="last")
    by_row = newest.groupby(["section", "place"])
    told = by_row[["rank", "better"]].first()
    rows = told.join(by_row[["value", "low", "high"]].mean()).reset_index()
    rows["sign"] = rows.value.where(rows.better == "lower", -rows.value)
    return rows.sort_values(["section", "sign"])


def in_duckdb(path: Path) -> pandas.DataFrame:
    with duckdb.connect() as base:
        base.execute(f"CREATE VIEW table_of_all AS SELECT * FROM '{path}'")
        return base.execute(RANKED).df()


@pytest.mark.parametrize("read", [in_pandas, in_duckdb])
def test_all_committed_results_give_the_ranks_of_the_pages(read, table, pages):
    found = {section: rows for section, rows in read(table).groupby("section", sort=False)}
    assert found.keys() == pages.keys()
    assert sum(told is not None for _, told in pages.values()) > 10
    for name, (section, told) in pages.items():
        rows, own = found[name], [one for one in section.series if not one.is_control]
        assert sorted(rows.place) == list(range(1, len(own) + 1))
        # Rows that are equal to the last bit may stand either way round.
        by_place = rows.sort_values("place", kind="stable").value.tolist()
        assert by_place == pytest.approx(rows.value.tolist(), rel=1e-12)
        assert ((rows.low <= rows.value) & (rows.value <= rows.high)).all()
        texts = dict(zip(rows.place, rows["rank"], strict=True))
        if told is None:
            assert rows["rank"].isna().all()
        else:
            assert texts == {place + 1: text for place, text in told.texts.items()}


def test_both_tables_are_the_same(table, tmp_path):
    exported(COMMITTED / "planted-circuit", "--format", "csv", "--out", tmp_path / "some.csv")
    exported(COMMITTED / "planted-circuit", "--out", tmp_path / "some.parquet")
    with duckdb.connect() as base:
        one, other = (
            f"(SELECT * REPLACE (CAST(seed AS BIGINT) AS seed) FROM '{tmp_path / name}')"
            for name in ("some.csv", "some.parquet")
        )
        names = "section, place, key, amount, metric, value, low, high, orders, is_control"
        query = f"SELECT {names} FROM {one} EXCEPT SELECT {names} FROM {other}"
        assert base.execute(query).fetchall() == []
        count = "SELECT count(*) FROM"
        assert (
            base.execute(f"{count} {one}").fetchall() == base.execute(f"{count} {other}").fetchall()
        )


def test_every_column_is_explained_in_the_file_and_in_the_documents(table):
    page = (ROOT / "docs/evidence.md").read_text()
    schema = pyarrow.parquet.read_schema(table)
    assert schema.names == [name for name, *_ in row_columns()]
    for name, _, may_miss, told in row_columns():
        field = schema.field(name)
        assert field.metadata[b"description"].decode() == told
        assert field.nullable == may_miss
        assert f"| `{name}` |" in page


def test_what_failed_or_was_withdrawn_is_left_out_and_counted(tmp_path):
    results, path = tmp_path / "results", tmp_path / "all.csv"
    save(results, make_result("wanda"))
    save(results, make_result("lrp", status="failed", error="It fell over."))
    withdrawn = make_result("gradient").model_copy(update={"status": "withdrawn", "error": "No."})
    write_result(results / withdrawn.spec.path, withdrawn)
    told = exported(results, "--format", "csv", "--out", path)
    assert (told["results"], told["left_out"]) == (1, {"failed": 1, "withdrawn": 1})
    rows = pandas.read_csv(path)
    assert set(rows.scorer) == {"wanda"}
    assert rows.low.isna().all()  # these have no intervals
    (results / "damaged.json").write_text("{")
    done = export(results, "--format", "csv", "--out", path)
    assert done.exit_code == 1
    assert "left out: 1 withdrawn, 1 failed" in done.output
    assert "damaged.json is not valid JSON" in done.output


def test_every_eval_ever_records_follow_its_schema(tmp_path):
    schema = json.loads((ROOT / "tests/every_eval_ever/eval.schema.json").read_text())
    assert schema["version"] == SCHEMA
    told = exported(COMMITTED, "--format", "eee", "--out", tmp_path, "--organization", "Us")
    files = sorted(tmp_path.rglob("*.json"))
    assert len(files) == told["written"] == COUNT
    check = jsonschema.Draft7Validator(schema)
    ids = set()
    for path in files:
        record = json.loads(path.read_text())
        assert [error.message for error in check.iter_errors(record)] == []
        assert record["evaluation_results"]
        ids.add(record["evaluation_id"])
    assert len(ids) == COUNT


def test_a_record_of_every_eval_ever_has_the_numbers_of_the_result(tmp_path):
    result = make_result("wanda", intervals={"perplexity": [(19.0, 21.0), (38.0, 43.0)]})
    save(tmp_path / "results", result)
    exported(tmp_path / "results", "--format", "eee", "--out", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*.json")
    numbers = json.loads(path.read_text())["evaluation_results"]
    (half,) = [
        one for one in numbers if one["evaluation_result_id"].endswith("perplexity/0.5 removed")
    ]
    assert half["score_details"]["score"] == 40.0
    interval = half["score_details"]["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == (38.0, 43.0)
    assert half["metric_config"]["lower_is_better"]


def hub(folder: Path, **given: object) -> typer.testing.Result:
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    return export(folder / "results", "--format", "hub", "--out", folder / "repo", *options)


def test_a_model_repository_says_what_benchmarks_gave(tmp_path):
    save(tmp_path / "results", make_result("wanda"))
    done = hub(tmp_path, amount=0.5, benchmark="perplexity=someone/some-text:plain")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "repo/.eval_results/sparc3-compression.yaml").read_text()
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("someone/some-text", "plain", 40.0)
    assert "0.5 removed by Wanda" in entry.notes


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "give `--amount` and `--benchmark"),
        ({"amount": 0.4, "benchmark": "perplexity=a/b:c"}, "has no amount 0.4; it has 0, 0.5"),
        ({"amount": 0, "benchmark": "loss=a/b:c"}, "has no metric 'loss'; it has perplexity, kl"),
        ({"amount": 0, "benchmark": "kl=somewhere"}, "must be OWNER/DATASET:TASK"),
    ],
)
def test_what_a_hub_could_not_tell_is_refused(tmp_path, given: Mapping[str, object], told):
    save(tmp_path / "results", make_result("wanda"))
    done = hub(tmp_path, **given)
    assert isinstance(done.exception, Sparc3Error)
    assert told in str(done.exception)
    assert not (tmp_path / "repo").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--format", "xml", "--out", "all.xml"), "Unknown format 'xml'"),
        (("--format", "eee", "--out", "results/all"), "would be among the results"),
        (("--out", "results"), "`--out` is a file here"),
    ],
)
def test_wrong_input_is_refused(tmp_path, monkeypatch, arguments, told):
    save(tmp_path / "results", make_result("wanda"))
    monkeypatch.chdir(tmp_path)
    done = export("results", *arguments)
    assert isinstance(done.exception, Sparc3Error)
    assert told in str(done.exception)
