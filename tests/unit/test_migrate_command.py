"""`sparc3 migrate` and `sparc3 schema`: old files anew, no number lost; what files are like."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unit.results import make_result, save

from sparc3_bench.cli import app
from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_result, samples_path
from sparc3_bench.record.result import SCHEMA_VERSION, Result

FIXTURES = Path(__file__).parent / "fixtures"


def sparc3(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path) -> Path:
    for version in (1, 2, 3, 4):
        old = FIXTURES / f"result-{version}.json"
        data = json.loads(old.read_text())
        new = tmp_path / str(version) / f"{data['spec']['scorer']['name']}--{data['key']}.json"
        new.parent.mkdir()
        shutil.copy(old, new)
        if samples_path(old).is_file():
            shutil.copy(samples_path(old), samples_path(new))
    save(tmp_path, make_result())
    return tmp_path


def test_old_files_are_written_anew_under_their_new_names(folder):
    before = {path: read_result(path) for path in folder.rglob("*.json")}
    told = sparc3("migrate", folder)
    assert (told.exit_code, told.output.splitlines()[-1]) == (
        *(0, f"5 result files, 4 written in schema {SCHEMA_VERSION}"),
    )
    after = [read_result(path) for path in sorted(folder.rglob("*.json"))]
    assert len(after) == 5
    for path in folder.rglob("*.json"):
        assert json.loads(path.read_text())["schema_version"] == SCHEMA_VERSION
        assert path.name.endswith(f"--{read_result(path).key}.json")
        assert samples_path(path).is_file()
    assert sorted(result.key for result in after) == sorted(one.key for one in before.values())
    points = {one.key: one.points for one in before.values()}
    assert all(result.points == points[result.key] for result in after)
    again = sparc3("migrate", "--check", folder)
    assert (again.exit_code, again.output) == (
        *(0, f"5 result files, 0 would be written in schema {SCHEMA_VERSION}\n"),
    )


def test_check_writes_nothing_and_says_what_would_be(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = sparc3("migrate", "--check", folder)
    assert told.exit_code == 1
    assert f"4 would be written in schema {SCHEMA_VERSION}" in told.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_one_bad_file_and_nothing_is_written(folder):
    (folder / "bad.json").write_text("{")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = sparc3("migrate", folder)
    assert isinstance(told.exception, RecordError)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_name_that_is_taken_is_not_written_over(folder):
    (old,) = (folder / "1").iterdir()
    new = read_result(old)
    taken = old.with_name(f"{new.spec.scorer.name}--{new.key}.json")
    shutil.copy(next((folder / "2").iterdir()), taken)
    told = sparc3("migrate", folder / "1")
    assert isinstance(told.exception, RecordError)
    assert "which is another result" in str(told.exception)


def test_schema_is_that_of_results_and_every_field_has_a_sentence():
    told = sparc3("schema")
    schema = json.loads(told.output)
    assert schema == Result.model_json_schema()
    tables = [schema, *(table for table in schema["$defs"].values() if "properties" in table)]
    for table in tables:
        assert table["description"], table["title"]
        for name, field in table["properties"].items():
            # A sentence that is that of the part itself is there alone.
            part = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
            assert field.get("description") or part.get("description"), f"{table['title']}.{name}"


def test_the_exported_schema_is_up_to_date():
    file = Path(__file__).parents[2] / f"leaderboard/schema/result-{SCHEMA_VERSION}.json"
    assert json.loads(file.read_text()) == Result.model_json_schema()


@pytest.mark.parametrize("command", ["migrate", "withdraw --reason old"])
def test_a_key_of_an_installed_package_is_no_name_of_what_is_to_be_changed(
    command, tmp_path, monkeypatch
):
    from sparc3_bench.record import reference

    (brought := tmp_path / "brought").mkdir()
    file = brought / save(brought, make_result())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "USUAL_FOLDERS", (*reference.OWN_FOLDERS, brought))
    before, key = file.read_bytes(), read_result(file).key
    assert sparc3("show", key).exit_code == 0
    told = sparc3(*command.split(), key)
    assert told.exit_code != 0
    assert "No result in results or leaderboard/results" in str(told.exception)
    assert file.read_bytes() == before
