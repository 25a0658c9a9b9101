"""`sparc3 circuit` from the command line: what it tells, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from circuits import made_again, options, run, sentence

from sparc3_bench.record.files import read_result, write_atomically


@pytest.fixture(scope="module")
def llama(folder) -> Path:
    """A result by weight."""
    return run(folder, group="model")


@pytest.fixture(scope="module")
def gpt2(folder) -> Path:
    """A result by head on another model."""
    return run(folder, model="gpt2", unit="head")


@pytest.fixture(scope="module")
def trio(folder) -> list[Path]:
    """Three results on one model, by head."""
    return [run(folder, name, unit="head") for name in ("gradient", "wanda", "random@7")]


def changed(path: Path, where: str, **fields: object) -> Path:
    """Write a copy of a result whose spec says something else."""
    result = read_result(path)
    spec = result.spec
    if where:
        inner = getattr(spec, where).model_copy(update=fields)
        spec = spec.model_copy(update={where: inner})
    else:
        spec = spec.model_copy(update=fields)
    other = result.model_copy(update={"spec": spec, "key": spec.key})
    target = path.parent / "changed" / f"{spec.scorer.name}--{spec.key}.json"
    write_atomically(target, other.to_json())
    return target


def refusals(path: Path) -> dict[str, tuple[Path, str]]:
    """Return results that cannot be rebuilt, with what is said of each."""
    digest = "0" * 64
    reference = read_result(path).spec.datasets[0].model_copy(update={"token_digest": digest})
    rest = read_result(path).spec.datasets[1:]
    return {
        "weights": (
            changed(path, "model", weight_digest=digest),
            "as its circuit would be another one: `model.weight_digest` was '00000000",
        ),
        "tokenizer": (
            changed(path, "model", tokenizer_digest=digest),
            "`model.tokenizer_digest` was '0000",
        ),
        "version": (changed(path, "scorer", version="9"), "`scorer.version` was '9' and is '"),
        "task": (changed(path, "task", task_version=99), "`task.task_version` was 99 and is 1 now"),
        "data": (
            changed(path, "", datasets=(reference, *rest)),
            "`datasets.0.token_digest` was '0000",
        ),
        "scorer": (changed(path, "scorer", name="wnda"), "Unknown scorer 'wnda'."),
        "option": (
            changed(path, "scorer", options={"power": 2}),
            "Unknown scorer option 'power'.",
        ),
        "seed": (changed(path, "", seed=5), "`datasets.0.token_digest` was"),
    }


@pytest.mark.parametrize(
    "which",
    [
        *("weights", "tokenizer", "version", "task"),
        *("data", "scorer", "option", "seed"),
    ],
)
def test_a_result_that_names_another_circuit_now_is_refused(
    folder, llama, circuit, tmp_path, which
):
    path, expected = refusals(llama)[which]
    out = tmp_path / "out"
    done = circuit("export", path, "--size", "0.5", "--out", out, *options(folder))
    line = sentence(done)
    assert expected in line
    assert line.startswith(str(path))
    assert not out.exists()


def test_a_result_of_other_code_is_rebuilt_and_what_cannot_be_told_is_said(
    folder, llama, circuit, tmp_path
):
    path = changed(llama, "scorer", source_digest="f" * 16)
    for size, told in (
        ("0.4", ""),
        ("0.5", "The code of scorer 'gradient' is other than what made"),
    ):
        done = circuit("export", path, "--size", size, "--out", tmp_path / size, *options(folder))
        assert done.code == 0
        assert told in done.err


def test_what_the_weights_are_called_makes_no_other_circuit(folder, llama, circuit, tmp_path):
    path = changed(llama, "model", label="by another name")
    out = tmp_path / "out"
    assert circuit("export", path, "--size", "0.4", "--out", out, *options(folder)).code == 0


def test_an_option_that_is_newer_than_a_result_makes_no_other_circuit(
    folder, llama, circuit, tmp_path
):
    before = dict(read_result(llama).spec.task.options)
    assert before.pop("begin") == "auto"
    path = changed(llama, "task", options=before)
    out = tmp_path / "out"
    assert circuit("export", path, "--size", "0.4", "--out", out, *options(folder)).code == 0


def test_files_that_are_not_there_are_refused_with_the_way_out(folder, llama, circuit, tmp_path):
    arguments = ("export", llama, "--size", "0.5", "--out", tmp_path / "out")
    line = sentence(circuit(*arguments, "--cache", folder / "cache"))
    assert "cannot be rebuilt: Model 'llama' is neither a named model" in line
    assert "`--files FOLDER` says where they are" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "A circuit has a size: give `--size`, the fraction kept; measured were 0.4, 0.7, 1."),
        (("--size", "2"), "must be a number from 0 to 1"),
        (("--remove", "2"), "give `--size` with the fraction kept."),
        (("--size", "1", "--remove", "2"), "both name the size"),
    ],
)
def test_what_is_no_size_is_refused(llama, circuit, tmp_path, arguments, expected):
    assert expected in sentence(circuit("export", llama, *arguments, "--out", tmp_path / "out"))


def test_failed_and_missing_results_are_refused(llama, circuit, tmp_path):
    failed = read_result(llama).model_copy(
        update={"status": "failed", "error": "no memory\nfor that", "points": ()}
    )
    write_atomically(tmp_path / "failed.json", failed.to_json())
    for command in (("show",), ("export", "--size", "0.5", "--out", tmp_path / "o"), ("diff",)):
        name, *rest = command
        line = sentence(circuit(name, tmp_path / "failed.json", *rest))
        told = f"{tmp_path / 'failed.json'} is of a run that is failed (no memory); run it again"
        assert line.startswith(told)
        missing = sentence(circuit(name, tmp_path / "missing.json", *rest))
        assert missing.startswith(f"{tmp_path / 'missing.json'} cannot be read")


def test_show_tells_the_circuit_and_draws_it(folder, gpt2, circuit, tmp_path):
    done = circuit("show", gpt2, "--size", "0.4", "--picture", tmp_path / "p.svg")
    assert done.code == 0, done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p-heads.svg", "p.svg"]
    result = read_result(gpt2)
    assert f"{result.points[2].metrics['perplexity']:.4g}" in done.out
    kept = made_again(folder, gpt2).circuit(0.6).kept
    for block, heads in kept.items():
        row = "".join("■" if head else "·" for head in heads)
        assert f"block {block}  {row}  2" in done.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--size", "0.3"), "The result has no circuit of `--size 0.3`; it has 0.4, 0.7, 1."),
        (("--picture", "p.png"), "must name a file that ends in .svg, got 'p.png'."),
        (("--picture", "file/p.svg"), "The picture file/p.svg cannot be written"),
        (("--picture", "d.svg"), "but d.svg is a folder."),
    ],
)
def test_what_cannot_be_shown_is_refused(gpt2, circuit, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "d.svg").mkdir()
    assert expected in sentence(circuit("show", gpt2, *arguments))


def test_diff_counts_what_two_circuits_share(folder, trio, circuit):
    done = circuit("diff", *trio[:2], *options(folder))
    assert done.code == 0, done.err
    left, right = (made_again(folder, path).circuit(0.6).kept for path in trio[:2])
    both = sum(int((left[n] & right[n]).sum()) for n in left)
    row = next(line.split() for line in done.out.splitlines() if line.split()[:1] == ["0.4"])
    count = sum(int(keep.sum()) for keep in left.values())
    assert row == [
        *("0.4", str(count), str(count), str(both)),
        *(f"{both / (2 * count - both):.3f}", f"{both / count:.3f}"),
    ]
    assert "Spearman correlation of the scores: " in done.out
    assert "A − B at 0.4" in done.out


def test_sketches_of_few_units_say_the_same_as_the_scores(folder, trio, circuit):
    exact = circuit("diff", *trio[:2], "--size", "0.4", "--size", "0.7", *options(folder))
    rough = circuit("diff", *trio[:2], "--size", "0.4", "--size", "0.7", "--sketch")
    assert (exact.code, rough.code) == (0, 0)
    lines = [line for line in exact.out.splitlines() if line and "Spearman" not in line]
    assert lines == [line for line in rough.out.splitlines() if line and "sampled" not in line]


def test_diff_of_three_results_gives_matrices(folder, trio, circuit):
    done = circuit("diff", *trio, "--size", "0.5", *options(folder))
    assert done.code == 0, done.err
    titles = [line[:22].strip() for line in done.out.splitlines() if " A " in line[20:]]
    assert titles == ["Jaccard at 0.5", "overlap at 0.5", "Spearman of the scores"]


def test_what_cannot_be_compared_is_refused(llama, gpt2, trio, circuit):
    assert "has model 'llama " in sentence(circuit("diff", trio[0], gpt2))
    assert "has unit 'head'" in sentence(circuit("diff", trio[0], llama))
    assert "named twice" in sentence(circuit("diff", llama, llama))
    assert "takes 2 to 26" in sentence(circuit("diff", llama))
    line = sentence(circuit("diff", *trio[:2], "--sketch", "--size", "0.5"))
    assert "has no circuit of size 0.5, and a sketch tells only the sizes" in line


def test_show_and_sketches_need_no_torch(trio, tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "from sparc3_bench.cli import main\n"
        "main()\n"
    )
    for arguments in (
        ["show", trio[0], "--picture", tmp_path / "p.svg"],
        ["diff", *trio[:2], "--sketch"],
        ["export", "--help"],
    ):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, "circuit", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
