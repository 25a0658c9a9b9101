"""Runs of models that are read block by block: the same results, resumed, refused, out of disk."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from circuits import call, run

import sparc3_bench as sb
from sparc3_bench.graph import tensors
from sparc3_bench.model.passage import PassageBlock
from sparc3_bench.record.files import read_result
from sparc3_bench.testing.tiny import make_model

SMALL = "1kB"
"""Less memory than any model takes."""
OF_THE_RUN = {"created", "cost", "streamed", "command", "content_hash", "asked"}
"""What two runs may differ in."""


@pytest.fixture
def fresh(folder, tmp_path) -> Path:
    """Return a folder with nothing in its cache."""
    (tmp_path / "in").symlink_to(folder / "in")
    return tmp_path


def read(path: Path) -> dict[str, Any]:
    return {n: v for n, v in json.loads(path.read_text()).items() if n not in OF_THE_RUN}


@pytest.mark.parametrize(
    ("scorer", "model", "asked"),
    [
        ("lrp", "llama", {"controls": 1, "amounts": "0,0.3,1"}),
        ("lrp", "gpt2", {"group": "layer"}),
        ("gradient", "opt", {"group": "model", "controls": 1}),
        ("wanda", "llama", {"unit": "neuron", "removal": "highest"}),
        ("wanda", "opt", {"group": "2:4", "amounts": "0,0.5", "controls": 1}),
    ],
)
def test_a_result_is_that_of_the_whole_model_but_for_its_cost(fresh, scorer, model, asked):
    whole = run(fresh, scorer, model, **asked)
    expected, samples = read(whole), whole.with_suffix(".samples.json.gz").read_bytes()
    assert not read_result(whole).streamed
    spent = {name: phase.backward_tokens for name, phase in read_result(whole).cost.items()}
    assert spent.pop("attribution") == (0 if scorer == "wanda" else 96)
    assert set(spent.values()) <= {0}
    whole.unlink()
    streamed = run(fresh, scorer, model, memory=SMALL, **asked)
    result = read_result(streamed)
    assert streamed == whole
    assert read(streamed) == expected
    assert streamed.with_suffix(".samples.json.gz").read_bytes() == samples
    assert result.streamed
    assert result.asked["memory"] == 1000
    assert result.cost["attribution"].tokens == 96
    assert result.cost["attribution"].backward_tokens == (0 if scorer == "wanda" else 96)


def test_from_python_scores_are_those_of_the_whole_model(fresh):
    given = {"scorer": "lrp", "reference": ["w3 w4 w5", "w6 w7"], "dtype": "float32"}
    whole = sb.score(fresh / "in/llama", cache=fresh / "whole", **given)
    found = sb.score(fresh / "in/llama", cache=fresh / "cache", memory=SMALL, **given)
    assert (whole.model.streams, found.model.streams) == (False, True)
    assert list(found) == list(whole)
    assert all(torch.equal(found[name], values) for name, values in whole.items())
    assert found.cost.tokens == whole.cost.tokens
    with pytest.raises(sb.Sparc3Error, match="leave `dtype`, `device` and `memory` out"):
        sb.score(make_model("llama"), memory=SMALL, **{**given, "dtype": "auto"})


def typed(folder: Path, **given: object) -> list[object]:
    """Return a small run as it is typed."""
    where = {"model": folder / "in/llama", "cache": folder / "cache"}
    found = [part for name, one in {**where, **given}.items() for part in (f"--{name}", one)]
    for text in ("reference", "evaluation"):
        found += ["--task-option", f"{text}_text={folder / 'in' / text}.txt"]
        found += ["--task-option", f"{text}_length=16", "--limit", 2]
    return found


def test_a_plan_counts_every_block_and_all_that_it_does(fresh, capsys):
    def planned(**given: object) -> tuple[list[str], dict[str, float]]:
        capsys.readouterr()
        assert call("plan", "--json", "--floors", *typed(fresh, scorer="lrp", **given)) == 0
        (one,) = json.loads(capsys.readouterr().out)["tables"][0]["runs"]
        return list(one["new"].values()), one["phases"]["attribution"]

    (whole, cost), (kinds, streamed) = planned(), planned(memory=SMALL)
    assert (whole.count("Score"), kinds.count("Score"), kinds.count("BlockScores")) == (1, 0, 3)
    assert [streamed[name] for name in ("tokens", "flops")] == [cost["tokens"], cost["flops"]]
    assert cost["flops"] / cost["tokens"] == 6 * (3 * (32 * 96 + 96 * 48) + 32 * 96)
    assert streamed["seconds"] > 0


def test_it_goes_on_between_blocks(fresh, monkeypatch):
    passes, stops, plain = list[int](), [KeyboardInterrupt()], PassageBlock.propagate

    def interrupted(block: PassageBlock, objective: Any, batch: Any) -> None:
        if block._index == 1 and stops:
            raise stops.pop()
        passes.append(block._index)
        plain(block, objective, batch)

    monkeypatch.setattr(PassageBlock, "propagate", interrupted)
    with pytest.raises(AssertionError):
        run(fresh, "lrp", memory=SMALL)
    assert passes == [2]
    (stopped,) = (fresh / "results").rglob("lrp*.json")
    stopped.unlink()
    path = run(fresh, "lrp", memory=SMALL)
    assert passes == [2, 1, 0]
    assert read_result(path).cost["attribution"].tokens == 96
    expected = read(path)
    path.unlink()
    assert read(run(fresh, "lrp")) == expected


def test_out_of_disk_in_the_middle_is_told_and_leaves_nothing_that_counts(fresh, monkeypatch):
    written, plain = list[Path](), tensors.save_file

    def full(values: Any, path: Path, **options: Any) -> None:
        if len(written) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        plain(values, path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(tensors, "save_file", full)
        with pytest.raises(AssertionError):
            run(fresh, "lrp", memory=SMALL)
    (failed,) = (fresh / "results").rglob("lrp*.json")
    told = read_result(failed)
    assert told.status == "failed"
    assert told.error == (
        f"Sparc3Error: The cache {fresh / 'cache/steps'} cannot be written (No space left on "
        "device), and what is larger than the memory is kept nowhere else; make room there, or "
        "name another folder with `--cache`."
    )
    assert len([*(fresh / "cache/steps/BlockScores").rglob("*.safetensors")]) == 2
    failed.unlink()
    expected = read(run(fresh, "lrp", memory=SMALL))
    failed.unlink()
    assert read(run(fresh, "lrp")) == expected


def test_a_scorer_that_changes_the_whole_model_is_told_that_it_cannot(fresh):
    with pytest.raises(AssertionError):
        run(fresh, "integrated-gradients", memory=SMALL)
    (failed,) = (fresh / "results").rglob("integrated*.json")
    assert read_result(failed).error == (
        "Sparc3Error: What is asked changes the whole model, and this model is read block by "
        "block as it does not fit into the memory; give more with `--memory`, or choose something "
        "else."
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"scorer": "lrp-lxt"}, "Scorer 'lrp-lxt' is no `IncrementalScorer` and scores the whole"),
        ({"scorer": "wanda", "schedule": "blockwise"}, "Schedule 'blockwise' prunes and scores"),
        ({"scorer": "lrp", "ablation": "mean"}, "Ablation 'mean' keeps the inputs of the whole"),
        ({"scorer": "lrp", "memory": "3 pages"}, "The memory must be a size such as 3GB or 800MB"),
    ],
)
def test_what_cannot_be_done_block_by_block_is_refused_in_a_sentence(fresh, capsys, asked, told):
    arguments = typed(fresh, **{"memory": SMALL, **asked})
    assert call("run", *arguments, "--results", fresh / "results") == 2
    assert told in " ".join(capsys.readouterr().err.split())
