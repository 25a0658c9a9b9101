"""`sparc3 correct`: what is saved is the model that was measured, or nothing is, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from circuits import Outcome, sentence
from integration.corrected import PROMPTS, WHOLE, cells, lost, numbers
from integration.writers import DIARY, Aimless, Counting, Writing, host, sparc3
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from sparc3_bench import Sparc3Error
from sparc3_bench.circuit import rebuild
from sparc3_bench.circuit.rebuild import rebuilt
from sparc3_bench.circuit.writer import parameter_masks
from sparc3_bench.cli.changing import ChangedAnswer, only_task
from sparc3_bench.cli.correct import corrects
from sparc3_bench.model.checkpoint import stored_formats
from sparc3_bench.record.files import read_result
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.testing.tiny import make_model, make_tokenizer, save_model

Correct = Callable[..., Outcome]

BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}

CASES = [
    ("llama", "neurons", "float32", "float32"),
    ("opt", "neurons", "float16", "float32"),
    ("gpt2", "heads", "bfloat16", "float32"),
    ("llama", "weights", "float32", "bfloat16"),
]
"""Architecture, what is removed, the format on disk and the format that the model runs in."""

COUNTS = {"neurons": 8, "heads": 2, "weights": 300}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("correct")
    for architecture, _, stored, _ in CASES:
        target = folder / f"{architecture}-{stored}"
        if not target.exists():
            make_model(architecture, getattr(torch, stored)).save_pretrained(target)
            make_tokenizer().save_pretrained(target)
    save_model("llama", folder / "llama")
    return folder


@pytest.fixture
def correct(capsys, folder) -> Correct:
    """Return a function that does `sparc3 correct` in this process."""

    def do(out: Path, *arguments: object, model: str = "llama") -> Outcome:
        given = ("--model", folder / model, "--out", out, "--cache", folder / "cache")
        rest = arguments if "--dtype" in arguments else (*arguments, "--dtype", "float32")
        return sparc3(capsys, "correct", *given, *rest)

    return do


def bits(values: torch.Tensor) -> torch.Tensor:
    return values.view(BITS[values.dtype])


def greedy(model) -> torch.Tensor:
    ids = make_tokenizer()(PROMPTS[:4], return_tensors="pt")
    return model.generate(**ids, do_sample=False, max_new_tokens=6, pad_token_id=2)


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(make_tokenizer()(PROMPTS, return_tensors="pt").input_ids).logits


@pytest.mark.parametrize(("architecture", "units", "stored", "run_in"), CASES)
def test_what_is_saved_is_the_model_that_was_measured(
    folder, correct, monkeypatch, tmp_path, architecture, units, stored, run_in
):
    monkeypatch.setattr(rebuild, "default_host", host)
    name, out, count = f"{architecture}-{stored}", tmp_path / "out", COUNTS[units]
    asked = (f"--{units}", count, "--dtype", run_in, "--scorer", "gradient", "--judge", "even")
    done = correct(out, *asked, "--controls", 0, model=name)
    assert done.code == 0, done.err

    # What plain transformers make of it is what was measured, to the last bit.
    result = read_result(out / "result.json")
    cache = folder / "cache"
    ours = rebuilt(result, "it", [folder], cache, Place(cache, Reporter()))
    keep = ours.circuit(count).mask
    theirs = AutoModelForCausalLM.from_pretrained(out / "model", dtype=run_in).eval()
    dense = logits(ours.view.model)
    with ours.view.masked(keep):
        assert torch.equal(bits(logits(theirs)), bits(logits(ours.view.model)))
        assert torch.equal(greedy(theirs), greedy(ours.view.model))
    assert not torch.equal(bits(logits(theirs)), bits(dense))
    assert AutoTokenizer.from_pretrained(out / "model")(PROMPTS[0]).input_ids[0] == 3

    # On disk every weight that stays has the bits and the format that it had.
    masks = load_file(out / "mask.safetensors")
    before = load_file(folder / name / "model.safetensors")
    after = load_file(out / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    for parameter, values in before.items():
        expected = values.clone()
        if parameter in masks:
            expected[~masks[parameter]] = 0
        assert after[parameter].dtype == values.dtype == getattr(torch, stored)
        assert torch.equal(bits(after[parameter]), bits(expected)), parameter
    assert masks.keys() <= before.keys()
    of_view = parameter_masks(ours.view, keep)
    assert masks.keys() == of_view.keys()
    assert all(torch.equal(mask, of_view[parameter]) for parameter, mask in masks.items())
    amount = result.points[1].amount
    assert amount.units_removed == count
    gone = sum(int((~mask).sum()) for mask in masks.values())
    assert gone == amount.weights_removed + keep.removed_biases > 0
    assert str(AutoModelForCausalLM.from_pretrained(out / "model").dtype) == f"torch.{stored}"
    assert f"stored in {stored}, like the original" in (out / "report.md").read_text()


def test_the_warnings_of_the_run_are_in_the_report(correct, tmp_path, monkeypatch):
    def remarks(self, metrics):
        return (f"The dense model is at {metrics['unwanted']:g}.",)

    monkeypatch.setattr("integration.writers.PreparedWriting.remarks", remarks)
    done = correct(tmp_path / "out", "--neurons", 4, "--judge", "low", "--scorer", "gradient")
    assert done.code == 0, done.err
    (warning,) = read_result(tmp_path / "out/result.json").warnings
    assert f"- {warning}\n" in (tmp_path / "out/report.md").read_text()
    assert f"warning: {warning}" in done.err


def test_it_goes_on_where_it_was_interrupted(folder, correct, tmp_path, monkeypatch):
    out, asked = tmp_path / "out", ("--neurons", 6, "--judge", "low", "--scorer", "gradient")
    asked = (*asked, "--controls", 1, "--cache", tmp_path / "cache")
    monkeypatch.setattr(DIARY, "stop_at", len(DIARY.written) + 5)
    done = correct(out, *asked)
    assert done.code == 130
    assert "the same command goes on from there" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    monkeypatch.setattr(DIARY, "stop_at", None)
    before = len(DIARY.written)
    assert correct(out, *asked).code == 0
    # Both rankings and the dense model on one part; test, control and its dense model, paired.
    assert len(DIARY.written) - before == 3 + 2 + 2 + 1 - 5
    (out / "report.md").write_text("changed")
    before = len(DIARY.written)
    assert correct(out, *asked).code == 0
    assert len(DIARY.written) == before
    assert (out / "report.md").read_text().startswith("# llama without 6 neurons")


def test_without_a_number_the_best_of_those_of_the_task_is_taken(correct, tmp_path):
    out = tmp_path / "out"
    done = correct(out, "--judge", "low", "--scorer", "gradient", "--controls", 0)
    assert done.code == 0, done.err
    result = read_result(out / "result.json")
    assert result.spec.amounts == (0, 4, 12)
    assert result.spec.unit == "neuron"
    chosen = result.found.point.amount.requested
    assert chosen > 0
    assert sum(map(len, lost(out).values())) == chosen
    _, *rows = cells((out / "report.md").read_text(), "What was tried")
    assert len(rows) == 4
    assert [row[1] for row in rows if "*" in row[0]] == [f"**{chosen:g}**"]


def test_fractions_of_weights_are_told_by_layer_and_role(correct, tmp_path):
    out = tmp_path / "out"
    done = correct(out, "--judge", "low", "--unit", "weight", "--scorer", "gradient")
    assert done.code == 0, done.err
    result = read_result(out / "result.json")
    assert result.spec.amounts == (0, 0.25)
    _, *rows = cells((out / "report.md").read_text(), "What was removed")
    told = sum(int(cell.replace(",", "")) for row in rows for cell in row[1:])
    assert told == result.points[1].amount.weights_removed
    assert len(rows) == 3


NOTHING_PASSES = ("--task-option", "most=-100", "--judge", "low", "--scorer", "gradient")


def test_a_number_that_was_given_is_removed_though_nothing_is_better(correct, tmp_path):
    out = tmp_path / "out"
    done = correct(out, "--neurons", 8, *NOTHING_PASSES, "--controls", 2)
    assert done.code == 0, done.err
    result = read_result(out / "result.json")
    assert result.found.point.amount.requested == 0
    assert sum(map(len, lost(out).values())) == 8
    assert "warning: On the selection prompts this was not better, within the limits" in done.err
    report = (out / "report.md").read_text()
    assert "**On the selection prompts this was not better, within the limits," in report
    assert "minus random" not in report
    _, *rows = cells(report, "Before and after")
    after = {row[0]: numbers(row[3])[0] for row in rows}
    assert after["Unwanted"] == pytest.approx(result.points[1].metrics["unwanted"], abs=0.01)
    assert json.loads((out / "correction.json").read_text())["is_choice"] is False


def test_without_a_number_there_is_no_model_where_nothing_is_better(correct, tmp_path):
    out = tmp_path / "out"
    done = correct(out, *NOTHING_PASSES, "--controls", 0)
    assert (done.code, done.out) == (1, "")
    assert "Nothing that was tried was better within the limits than the model as it" in done.err
    files = {path.name for path in out.iterdir()}
    assert files == set(WHOLE) - {"mask.safetensors", "model"}
    report = (out / "report.md").read_text()
    assert "so there is no corrected model" in report
    assert "from_pretrained" not in report
    _, *rows = cells(report, "What was tried")
    assert [row[-1] for row in rows] == ["no"] * 4


def test_with_json_a_folder_without_a_model_says_so(correct, tmp_path):
    done = correct(tmp_path / "out", *NOTHING_PASSES, "--controls", 0, "--json")
    assert done.code == 1
    told = ChangedAnswer.model_validate_json(done.out)
    assert (told.command, told.has_model, told.point.amount.requested) == ("correct", False, 0)
    assert told.point.metrics == told.dense.metrics
    assert told.key == json.loads((tmp_path / "out/correction.json").read_text())["key"]


def test_what_came_into_the_folder_in_the_meantime_is_not_lost(correct, tmp_path, monkeypatch):
    def remarks(self, metrics):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/mine.txt").touch()
        return ()

    monkeypatch.setattr("integration.writers.PreparedWriting.remarks", remarks)
    done = correct(tmp_path / "out", "--neurons", 4, "--judge", "low", "--scorer", "gradient")
    assert done.code == 2
    assert "holds other things than a correction" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_run_that_fails_leaves_no_folder(correct, tmp_path):
    done = correct(tmp_path / "out", "--neurons", 8, "--judge", "wild")
    assert (done.code, done.out) == (1, "")
    assert "failed: Sparc3Error: Judge 'wild' returned the score 2; it must be" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_scorer_that_changes_its_mind_is_refused(correct, tmp_path):
    done = correct(tmp_path / "out", "--neurons", 40, "--judge", "low", "--scorer", "flaky")
    assert done.code == 2
    assert "Scorer 'flaky' gave other scores when asked again" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--neurons", 8, "--heads", 2), "`--neurons` and `--heads` both say what is removed;"),
        (("--weights", 8, "--unit", "head"), "`--weights` and `--unit` both say what is removed;"),
        (("--unit", "layer"), "Unknown unit 'layer'."),
        (("--neurons", 145), "145 units of 'neuron' cannot be removed: the scope has 144."),
        (("--undesired", "no.txt"), "The prompts no.txt cannot be read; give a file."),
        (
            ("--undesired", "a", "--task-option", "prompts=b"),
            "`--undesired` and `--task-option prompts=…` say the same; give one of them.",
        ),
        (("--task", "writting"), "Unknown task 'writting'. Did you mean 'writing'?"),
        (
            ("--task", "aimless", "--undesired", "a"),
            "Task 'aimless' does not say which of its options takes prompts; leave `--undesired`",
        ),
        (("--task", "aimless"), "Task 'aimless' does not say what a correction is to reach;"),
        (("--judge", "lw"), "Unknown judge 'lw'."),
        (("--scorer", "lrpp"), "Unknown scorer 'lrpp'. Did you mean 'lrp'?"),
        (("--cache", "{file}"), "The folder {file} cannot be made: {file} is a file."),
        (("--results", "{file}/r"), "The folder {file}/r cannot be made: {file} is a file."),
        (("--out", "{file}"), "The folder {file} cannot be made: {file} is a file."),
        (
            ("--out", "{full}"),
            "The folder {full} is not empty and holds other things than a correction; choose",
        ),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(correct, tmp_path, arguments, expected):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/correction.json").write_text('{"format": "sparc3-correction"}')
    (tmp_path / "full/mine.txt").touch()
    (tmp_path / "file").touch()
    named = {"file": tmp_path / "file", "full": tmp_path / "full"}
    before = sorted(tmp_path.rglob("*"))
    judged = () if "--judge" in arguments or "aimless" in arguments else ("--judge", "low")
    given = [str(argument).format(**named) for argument in arguments]
    line = sentence(correct(tmp_path / "out", *judged, *given))
    assert expected.format(**named) in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("tasks", "judged", "expected"),
    [
        ((Writing, Aimless), True, "writing"),
        ((Writing, Aimless), False, "writing"),
        ((Writing, Counting), True, "writing"),
        (
            (Writing, Counting),
            False,
            "2 installed tasks can do it: counting, writing; choose one with `--task`.",
        ),
        ((Counting, Aimless), True, "No installed task can do it; install one, or name it with"),
        ((Aimless,), False, "No installed task can do it; install one, or name it with"),
    ],
)
def test_the_task_is_found_where_only_one_fits(tasks, judged, expected):
    def fits(task):
        return corrects(task, judged)

    if " " not in expected:
        assert only_task(host(tasks), fits, "do it") == expected
        return
    with pytest.raises(Sparc3Error) as refused:
        only_task(host(tasks), fits, "do it")
    assert str(refused.value).startswith(expected)


def test_the_format_on_disk_is_that_of_the_files_transformers_reads(tmp_path):
    values = {"a": torch.zeros(2, dtype=torch.float16), "n": torch.zeros(2, dtype=torch.int64)}
    (tmp_path / "training_args.bin").write_bytes(b"no tensors")
    torch.save({"a": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "pytorch_model.bin")
    assert stored_formats(tmp_path, "model") == {torch.bfloat16}
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    save_file(values, tmp_path / parts["a"])
    save_file({"b": torch.zeros(2)}, tmp_path / parts["b"])
    assert stored_formats(tmp_path, "model") == {torch.bfloat16}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    assert stored_formats(tmp_path, "model") == {torch.float16, torch.float32}
