"""Result files: written whole, read back the same, and refused by the field that is wrong."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from unit.results import in_memory, make_result, save

from sparc3_bench.errors import RecordError
from sparc3_bench.record import files as module
from sparc3_bench.record.files import read_result, read_results, samples_path, write_atomically
from sparc3_bench.record.result import SCHEMA_VERSION, Result
from sparc3_bench.record.spec import canonical_json, content_key
from sparc3_bench.run.seeds import with_seeds

REQUIRED = {
    *("schema_version", "key", "status", "created", "is_control", "spec", "metrics"),
    *("points", "cost", "environment"),
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a valid result as a dict with one field replaced."""
    data = make_result().model_dump(mode="json")
    *parents, last = path.split(".")
    owner: Any = data
    for part in parents:
        owner = owner[int(part) if part.isdigit() else part]
    owner[last] = value
    return data


def refusal(tmp_path: Path, text: str | bytes) -> str:
    file = tmp_path / "result.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecordError) as caught:
        read_result(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    return message


def test_result_is_read_back_as_it_was_written(tmp_path):
    result = make_result(warnings=["20 % overlap"], options={"power": 0.1, "deep": [1, None]})
    path = save(tmp_path, result)
    assert in_memory(read_result(tmp_path / path)) == result


def test_failed_result_is_read_back_as_it_was_written(tmp_path):
    result = make_result(status="failed", error="RuntimeError: no memory")
    assert in_memory(read_result(tmp_path / save(tmp_path, result))) == result


def test_samples_are_in_a_file_beside_it_and_nowhere_else(tmp_path):
    result = make_result()
    path = tmp_path / save(tmp_path, result)
    assert all("samples" not in point for point in json.loads(path.read_text())["points"])
    content = gzip.decompress(samples_path(path).read_bytes())
    read = read_result(path)
    assert json.loads(content)["points"] == [
        point.model_dump(mode="json")["samples"] for point in result.points
    ]
    assert read.sample_file.digest == hashlib.sha256(content).hexdigest()
    assert read.sample_file.numbers == sum(
        len(v) for p in result.points for v in p.samples.values()
    )
    samples_path(path).unlink()
    assert [point.samples for point in read_result(path).points] == [{}, {}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no gzip", "cannot be read"),
        (
            gzip.compress(b'{"points": []}', mtime=0),
            "is not of the result beside it: its digest differs",
        ),
    ],
)
def test_samples_that_are_damaged_or_of_another_run_are_refused(tmp_path, content, told):
    path = tmp_path / save(tmp_path, make_result())
    samples_path(path).write_bytes(content)
    with pytest.raises(RecordError, match=told):
        read_result(path)


def test_the_same_result_is_written_as_the_same_bytes(tmp_path):
    one, two = (tmp_path / name / save(tmp_path / name, make_result()) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    assert samples_path(one).read_bytes() == samples_path(two).read_bytes()


def test_content_that_was_changed_by_hand_is_refused(tmp_path):
    path = tmp_path / save(tmp_path, make_result())
    data = json.loads(path.read_text())
    data["points"][1]["metrics"]["perplexity"] *= 0.5
    assert "was changed after it was written; its hash differs" in refusal(
        tmp_path, json.dumps(data)
    )
    del data["content_hash"]
    (tmp_path / "unsealed.json").write_text(json.dumps(data))
    assert read_result(tmp_path / "unsealed.json").points[1].metrics == data["points"][1]["metrics"]


def test_bytes_are_canonical():
    text = make_result(label="4-bit, dé-quantised").to_json()
    data = json.loads(text)
    assert text.endswith("}\n")
    # Sorted and indented like this, but for lists of numbers, which take one line.
    plain = json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert text.split() == plain.split()
    assert [line for line in text.splitlines() if line.strip("-0123456789.e, ") == ""] == []
    assert "[ 0" in text
    assert "dé-quantised" in text
    assert Result.model_validate(data).to_json() == text


def test_canonical_json_knows_neither_order_nor_spaces():
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5]}'
    assert content_key({"b": 1, "a": 2}) == content_key({"a": 2, "b": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key({}) == "44136fa355b3"  # of the SHA-256 of "{}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_canonical_json_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": value})


def test_key_and_path_are_those_of_the_spec():
    result = make_result()
    assert result.key == content_key(json.loads(result.to_json())["spec"])
    assert result.spec.path == f"compression/tiny-llama/wanda--{result.key}.json"


def test_every_field_of_the_spec_moves_the_key():
    def leaves(data: Any, path: str = "") -> list[str]:
        pairs = data.items() if isinstance(data, dict) else enumerate(data)
        return [
            leaf
            for name, value in pairs
            for leaf in (
                leaves(value, f"{path}.{name}")
                if isinstance(value, dict | list) and value
                else [f"{path}.{name}"]
            )
        ]

    spec = json.loads(make_result().to_json())["spec"]
    keys = set()
    for leaf in leaves(spec):
        other = copy.deepcopy(spec)
        *parents, last = leaf.strip(".").split(".")
        owner = other
        for part in parents:
            owner = owner[int(part) if part.isdigit() else part]
        owner[int(last) if last.isdigit() else last] = "changed"
        keys.add(content_key(other))
    assert len(keys) == len(leaves(spec)) > 30
    assert content_key(spec) not in keys


def test_key_of_another_spec_is_refused(tmp_path):
    result = make_result()
    message = refusal(tmp_path, json.dumps(changed("spec.seed", 7)))
    assert f"key is {result.key} but the spec hashes to" in message


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("points.0.metrics.perplexity", "high", "points.0.metrics.perplexity"),
        ("points.1.amount.in_scope", 1.5, "points.1.amount.in_scope"),
        ("points.1.amount.weights_removed", 2.5, "points.1.amount.weights_removed"),
        ("points.1.samples.loss", [1.0, None], "points.1.samples.loss.1"),
        ("spec.unit", "filter", "spec.unit"),
        ("spec.scorer.name", "../wanda", "spec.scorer.name"),
        ("spec.model.slug", "../../etc", "spec.model.slug"),
        ("spec.model.slug", "", "spec.model.slug"),
        ("spec.extra", 1, "spec.extra"),
        ("spec.ablation", "none", "spec.ablation"),
        ("spec.removal", "middle", "spec.removal"),
        ("spec.controls", -1, "spec.controls"),
        ("points.1.intervals", {"kl": [1]}, "points.1.intervals.kl.1"),
        ("points.1.control", {"kl": [None]}, "points.1.control.kl.0"),
        ("sketch", {"units": 3, "stride": 1, "levels": "0A"}, "sketch.levels"),
        ("curve", {"area": {"value": "large"}}, "curve.area.value"),
        ("created", None, "created"),
        ("cost.evaluation.seconds", -1, "cost.evaluation.seconds"),
        ("key", "ABCDEF012345", "key"),
        ("status", "running", "status"),
        ("schema_version", 0, "schema_version"),
        ("schema_version", "1", "schema_version"),
    ],
)
def test_wrong_field_is_named_by_its_path(tmp_path, path, value, named):
    assert f"`{named}`: " in refusal(tmp_path, json.dumps(changed(path, value)))


@pytest.mark.parametrize("field", sorted(make_result().model_dump()))
def test_missing_field_is_named_unless_it_has_a_default(tmp_path, field):
    data = make_result().model_dump(mode="json")
    del data[field]
    if field not in REQUIRED:
        file = tmp_path / "result.json"
        file.write_text(json.dumps(data))
        assert read_result(file) == make_result()
    else:
        assert f"`{field}`: Field required." in refusal(tmp_path, json.dumps(data))


def test_number_of_further_problems_is_told(tmp_path):
    data = changed("spec.unit", "filter")
    data["created"] = 3
    assert refusal(tmp_path, json.dumps(data)).endswith("(1 more)")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize(
    "path", ["points.0.metrics.kl", "points.1.samples.loss", "cost.attribution.seconds"]
)
def test_number_that_is_not_finite_is_refused(tmp_path, path, number):
    value = ["here"] if path.endswith("loss") else "here"
    text = json.dumps(changed(path, value)).replace('"here"', number)
    message = refusal(tmp_path, text)
    assert "finite" in message if "999" in number else f"{number} is not allowed" in message


@pytest.mark.parametrize("status", ["ok", "failed"])
@pytest.mark.parametrize("path", ["spec.amounts", "spec.scorer.options"])
def test_number_in_the_spec_that_is_not_finite_is_refused(tmp_path, path, status):
    result = make_result(status=status, error="why" if status == "failed" else None)
    data = json.loads(result.to_json())
    data["spec"]["amounts"] = ["here"] if path.endswith("amounts") else [0.0, 0.5]
    data["spec"]["scorer"]["options"] = {} if path.endswith("amounts") else {"power": "here"}
    refusal(tmp_path, json.dumps(data).replace('"here"', "1e999"))


def test_newer_schema_is_told_as_such(tmp_path):
    message = refusal(tmp_path, json.dumps({"schema_version": SCHEMA_VERSION + 1, "unheard": "of"}))
    newer = f"has schema_version {SCHEMA_VERSION + 1}; this sparc3-bench reads up to"
    assert f"{newer} {SCHEMA_VERSION}. Upgrade it." in message


def test_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    text = make_result().model_dump_json()
    monkeypatch.setattr(module, "_MAX_BYTES", len(text) - 1)
    assert f"larger than {len(text) - 1:,} bytes" in refusal(tmp_path, text)
    monkeypatch.setattr(module, "_MAX_BYTES", len(text))
    assert read_result(tmp_path / "result.json") == make_result()


@pytest.mark.parametrize(
    "text",
    ["", "{", "perplexity: 3", "{'a': 1}", b"\xff\xfe{}", b"\x00", '{"a": 1}{"b": 2}'],
    ids=["empty", "cut short", "YAML", "Python", "no UTF-8", "null byte", "two"],
)
def test_file_that_is_no_json_is_refused(tmp_path, text):
    assert "is not valid JSON" in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["[]", "3", '"text"', "null", '[{"schema_version": 1}]'])
def test_json_that_is_no_object_is_refused(tmp_path, text):
    assert "`the record`" in refusal(tmp_path, text)


@pytest.mark.parametrize("depth", [200, 400, 900, 5_000, 100_000])
@pytest.mark.parametrize("within", [False, True], ids=["alone", "in an option"])
def test_deep_nesting_is_refused_in_one_sentence(tmp_path, depth, within):
    deep = "[" * depth + "]" * depth
    whole = json.dumps(changed("spec.scorer.options", {"deep": "here"}))
    refusal(tmp_path, whole.replace('"here"', deep) if within else deep)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(RecordError, match="cannot be read: No such file or directory"):
        read_result(tmp_path / "absent.json")
    with pytest.raises(RecordError, match="cannot be read: Is a directory"):
        read_result(tmp_path)


def test_failed_result_must_say_why(tmp_path):
    data = changed("status", "failed")
    assert "a run that is failed must say why in `error`" in refusal(tmp_path, json.dumps(data))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("points", [], "points are at [], not at spec.amounts"),
        ("points.1.amount.requested", 0.4, "points are at [0.0, 0.4], not at spec.amounts"),
        ("points.1.metrics", {"kl": 1}, "points.1.metrics must have exactly"),
        ("metrics", [], "points.0.metrics must have exactly []"),
        ("points.1.amount.requested", 1.5, "points are at [0.0, 1.5], not at spec.amounts"),
    ],
)
def test_points_must_fit_the_spec_and_the_metrics(tmp_path, path, value, expected):
    assert expected in refusal(tmp_path, json.dumps(changed(path, value)))


def test_result_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        make_result().status = "failed"


def test_results_of_a_folder_come_in_order_with_relative_paths(tmp_path):
    made = [make_result(name) for name in ("wanda", "lrp", "gradient")]
    paths = sorted(save(tmp_path, result) for result in made)
    assert [path for path, _ in read_results(tmp_path)] == paths
    assert {result.key for _, result in read_results(tmp_path)} == {r.key for r in made}


def test_file_is_written_whole_into_folders_that_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "file.json"
    write_atomically(path, "one: é\n")
    write_atomically(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["disk", "key"])
@pytest.mark.parametrize("step", ["replace", "open"])
def test_writing_that_fails_leaves_the_old_file_and_no_part(tmp_path, monkeypatch, step, error):
    def fail(*args: Any, **named: Any) -> None:
        raise error

    path = tmp_path / "file.json"
    write_atomically(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, step, fail)
        with pytest.raises(type(error)):
            write_atomically(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]
    assert path.read_text() == "old"


def test_text_that_cannot_be_encoded_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "file.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert os.listdir(tmp_path) == ["file.json"]  # noqa: PTH208
    assert path.read_text() == "old"


@pytest.mark.parametrize("status", ["failed", "interrupted", "withdrawn"])
def test_a_run_that_did_not_come_to_its_end_is_refused_by_its_status(status):
    said = {"status": status, "error": "no memory.\nAt all."}
    result = make_result().model_copy(update=said)
    told = rf"^x\.json is of a run that is {status} \(no memory\); run it again, or name another\.$"
    with pytest.raises(RecordError, match=told):
        result.check_finished("x.json")
    if status == "withdrawn":
        result.check_finished("x.json", trusted=False)
    make_result().check_finished("x.json")


def test_seeds_that_are_typed_twice_are_run_once():
    assert with_seeds(["random@1,0,1", "wanda", "random@0,2", "wanda"], 0) == [
        ("random", [1, 0]),
        ("wanda", [0]),
        ("random", [2]),
    ]
