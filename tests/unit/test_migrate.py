"""Migration: a record as it was published under schema 1 is read, and its numbers stay."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from unit.results import in_memory

from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.record.migrate import migrated
from sparc3_bench.record.result import SCHEMA_VERSION, Result
from sparc3_bench.record.spec import content_key

FILE = Path(__file__).parent / "fixtures" / "result-1.json"
OLD = json.loads(FILE.read_text())


def changed(path: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(OLD)
    *parents, last = path.split(".")
    owner: Any = data
    for part in parents:
        owner = owner[int(part) if part.isdigit() else part]
    owner[last] = value
    return data


def read(tmp_path: Path, data: Any) -> Result:
    file = tmp_path / "result.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_result(file)


def refusal(tmp_path: Path, data: Any) -> str:
    with pytest.raises(RecordError) as caught:
        read(tmp_path, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_fixture_is_a_record_of_schema_1_with_its_right_key():
    assert OLD["schema_version"] == 1
    assert OLD["key"] == content_key(OLD["spec"])
    assert "ablation" not in OLD["spec"]
    assert "intervals" not in OLD["points"][0]


def test_numbers_and_all_that_was_there_are_unchanged():
    new = read_result(FILE).model_dump(mode="json")

    def kept(before: Any, after: Any, path: str) -> None:
        if isinstance(before, dict):
            for name, value in before.items():
                kept(value, after[name], f"{path}.{name}")
        elif isinstance(before, list):
            assert len(before) == len(after), path
            for index, value in enumerate(before):
                kept(value, after[index], f"{path}.{index}")
        elif path not in (".schema_version", ".key"):
            assert (before, type(before)) == (after, type(after)), path

    kept(OLD, new, "")


def test_what_came_since_is_what_runs_then_did():
    result = read_result(FILE)
    spec = result.spec
    assert result.schema_version == SCHEMA_VERSION
    assert (spec.ablation, spec.removal, spec.amount_kind) == ("zero", "lowest", "fraction")
    assert (spec.controls, spec.stability_seeds) == (0, 0)
    assert [dataset.item for dataset in spec.datasets] == ["window", "window"]
    assert [point.amount.units_removed for point in result.points] == [0, 53084160]
    assert [(point.intervals, point.control, point.kept) for point in result.points] == [
        ({}, {}, {})
    ] * 2
    assert (result.sketch, result.found, result.stability, result.curve) == (None, None, (), {})


def test_key_is_that_of_the_new_spec_and_stands_when_written_and_read(tmp_path):
    result = read_result(FILE)
    assert result.key == result.spec.key != OLD["key"]
    assert in_memory(read(tmp_path, result.model_dump_json())) == result


@pytest.mark.parametrize("unit", ["neuron", "head"])
def test_units_that_went_are_not_known_where_weights_alone_were_counted(tmp_path, unit):
    data = changed("spec.unit", unit)
    data["key"] = content_key(data["spec"])
    result = read(tmp_path, data)
    assert [point.amount.units_removed for point in result.points] == [None, None]


def test_the_record_given_is_left_as_it_is():
    data = copy.deepcopy(OLD)
    new = migrated(data)
    assert data == OLD
    assert new["schema_version"] == SCHEMA_VERSION
    assert migrated(new) == new


@pytest.mark.parametrize("key", ["000000000000", "3cb0e9e519ae"])
def test_wrong_key_stays_wrong_and_is_refused(tmp_path, key):
    assert migrated(changed("key", key))["key"] == key
    assert f"key is {key} but the spec hashes to" in refusal(tmp_path, changed("key", key))


def test_spec_that_was_changed_is_refused(tmp_path):
    assert f"key is {OLD['key']} but" in refusal(tmp_path, changed("spec.seed", 7))


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("spec", None, "spec"),
        ("spec", [], "spec"),
        ("spec", "text", "spec"),
        ("spec.datasets", None, "spec.datasets"),
        ("spec.datasets", [3], "spec.datasets.0"),
        ("spec.datasets", ["text"], "spec.datasets.0"),
        ("spec.unit", "filter", "spec.unit"),
        ("points", None, "points"),
        ("points", 3, "points"),
        ("points", [[]], "points.0"),
        ("points.1.amount", None, "points.1.amount"),
        ("points.1.amount", [], "points.1.amount"),
        ("points.1.amount.weights_removed", "many", "points.1.amount.weights_removed"),
        ("points.0.metrics.kl", "high", "points.0.metrics.kl"),
        ("extra", 1, "extra"),
        ("key", None, "key"),
    ],
)
def test_garbage_is_refused_in_one_sentence(tmp_path, path, value, named):
    message = refusal(tmp_path, changed(path, value))
    # A record that cannot be migrated is refused by whatever the schema finds first.
    assert (
        f"`{named}" in message
        or f"`schema_version`: Input should be {SCHEMA_VERSION}." in message
        or ("Field required" in message)
    )


@pytest.mark.parametrize("field", sorted(OLD))
def test_missing_field_does_not_crash(tmp_path, field):
    data = copy.deepcopy(OLD)
    del data[field]
    if field in ("warnings", "error"):
        assert read(tmp_path, data) == read_result(FILE)
    else:
        refusal(tmp_path, data)


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", None, [], {}, False])
def test_version_that_never_was_is_refused(tmp_path, version):
    assert "`schema_version`: " in refusal(tmp_path, changed("schema_version", version))


def test_version_that_is_no_number_is_refused(tmp_path):
    assert "`schema_version`: " in refusal(tmp_path, changed("schema_version", True))


def test_field_that_schema_1_did_not_have_is_refused(tmp_path):
    data = changed("spec.ablation", "mean")
    data["key"] = content_key(data["spec"])
    refusal(tmp_path, data)


def test_newer_version_is_told_as_such(tmp_path):
    message = refusal(tmp_path, changed("schema_version", SCHEMA_VERSION + 1))
    assert f"has schema_version {SCHEMA_VERSION + 1}; this sparc3-bench reads up to" in message


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
@pytest.mark.parametrize(
    "path",
    [
        "spec.scorer.options.power",
        "spec.seed",
        "points.0.metrics.kl",
    ],
)
def test_number_that_is_not_finite_is_refused(tmp_path, path, number):
    refusal(tmp_path, json.dumps(changed(path, "here")).replace('"here"', number))


@pytest.mark.parametrize("depth", [200, 400, 900, 5_000, 100_000])
def test_deep_nesting_is_refused_in_one_sentence(tmp_path, depth):
    text = json.dumps(changed("spec.scorer.options", {"deep": "here"}))
    refusal(tmp_path, text.replace('"here"', "[" * depth + "]" * depth))


@pytest.mark.parametrize("record", [{}, {"schema_version": 1}, {"schema_version": True}])
def test_record_that_is_almost_nothing_does_not_crash(tmp_path, record):
    assert isinstance(migrated(record), dict)
    refusal(tmp_path, record)


def test_record_of_schema_2_has_no_judge_and_keeps_its_numbers(tmp_path):
    old = json.loads((FILE.parent / "result-2.json").read_text())
    assert old["schema_version"] == 2
    assert old["key"] == content_key(old["spec"])
    result = read(tmp_path, old)
    new = result.model_dump(mode="json")
    assert new["spec"].pop("judge", "absent") is None
    assert new["spec"] == old["spec"]
    assert [point.pop("versus") for point in new["points"]] == [{}] * len(old["points"])
    assert new["points"] == old["points"]
    for phase in new["cost"].values():
        assert phase.pop("tokens") is None
    assert new["cost"] == old["cost"]
    assert (result.responses, result.tried, result.candidate) == (None, (), "")
    assert result.key == result.spec.key != old["key"]
    assert in_memory(read(tmp_path, result.model_dump_json())) == result


def test_record_of_schema_3_keeps_its_samples_and_its_key(tmp_path):
    old = json.loads((FILE.parent / "result-3.json").read_text())
    assert (old["schema_version"], old["key"]) == (3, content_key(old["spec"]))
    result = read(tmp_path, old)
    assert (result.origin, result.asked, result.command) == ("run", {}, None)
    assert result.key == old["key"]
    kept = [point["samples"] for point in old["points"]]
    assert [point.model_dump(mode="json")["samples"] for point in result.points] == kept
    write_result(tmp_path / "new.json", result)
    again = read_result(tmp_path / "new.json")
    assert in_memory(again) == result
    assert again.sample_file is not None


def test_record_of_schema_3_that_was_judged_again_is_replayed(tmp_path):
    old = json.loads((FILE.parent / "result-3.json").read_text())
    judge = {**old["spec"]["task"], "weights_digest": "0" * 64}
    del judge["task_version"]
    assert migrated({**old, "chosen_by": judge})["origin"] == "replayed"


def test_record_with_fields_that_schema_3_lacks_is_not_taken_for_one(tmp_path):
    old = json.loads((FILE.parent / "result-3.json").read_text())
    assert "schema_version" in refusal(tmp_path, {**old, "origin": "run"})


# Schema 4.

FOURTH = Path(__file__).parent / "fixtures" / "result-4.json"


def test_record_of_schema_4_keeps_key_numbers_and_samples(tmp_path):
    old = json.loads(FOURTH.read_text())
    assert old["schema_version"] == 4
    new = read_result(FOURTH)
    assert new.key == old["key"]
    assert all(point.samples for point in new.points)
    for name, estimate in old["curve"].items():
        assert "note" not in estimate
        assert new.curve[name].model_dump(mode="json") == {
            **estimate,
            "note": "",
            "versus": None,
        }
    write_result(tmp_path / "result.json", new)
    again = json.loads((tmp_path / "result.json").read_text())
    changed = {name for name in again if again[name] != old.get(name)}
    assert changed == {
        *("schema_version", "content_hash", "curve"),
        *("metrics", "curve_metrics", "points"),
    }
    for part in ("metrics", "curve_metrics"):
        read = [{"scale": "linear", "clusters": None, **metric} for metric in old[part]]
        assert again[part] == read


@pytest.mark.parametrize("part", ["metrics", "curve_metrics", "curve"])
def test_what_schema_4_did_not_have_is_refused(tmp_path, part):
    data = {**json.loads(FOURTH.read_text()), "content_hash": None}
    if part == "curve":
        data["curve"]["auroc"]["note"] = "new"
    else:
        data[part][1]["direction"] = "neither"
    assert f"`schema_version`: Input should be {SCHEMA_VERSION}." in refusal(tmp_path, data)


# Schema 5.

FIFTH = Path(__file__).parent / "fixtures" / "result-5.json"


def test_record_of_schema_5_keeps_key_name_numbers_and_samples(tmp_path):
    old = json.loads(FIFTH.read_text())
    assert (old["schema_version"], old["key"]) == (5, content_key(old["spec"]))
    new = read_result(FIFTH)
    assert (new.key, new.spec.code) == (old["key"], {})
    write_result(tmp_path / "result.json", new)
    again = json.loads((tmp_path / "result.json").read_text())
    changed = {name for name in again if again[name] != old.get(name)}
    assert changed == {"schema_version", "content_hash", "metrics", "points"}
    for before, after in zip(old["points"], again["points"], strict=True):
        assert after == {**before, "versus": {}}
    assert all(point.samples for point in read_result(tmp_path / "result.json").points)


@pytest.mark.parametrize(
    ("where", "field", "value"),
    [
        (("spec",), "code", {"suite": "0" * 16}),
        (("metrics", 0), "scale", "log"),
        (("points", 0), "versus", {}),
        (("spec", "datasets", 0), "begin", ["<s>"]),
    ],
)
def test_what_schema_5_did_not_have_is_refused(tmp_path, where, field, value):
    data = {**json.loads(FIFTH.read_text()), "content_hash": None}
    owner = data
    for part in where:
        owner = owner[part]
    owner[field] = value
    assert f"`schema_version`: Input should be {SCHEMA_VERSION}." in refusal(tmp_path, data)
