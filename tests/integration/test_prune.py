"""`sparc3 prune`: the folder is the model that was measured, for whoever has transformers alone."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from circuits import REFUSING, Outcome, call, sentence
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import sparc3_bench as sb
from sparc3_bench.assets import file_digest
from sparc3_bench.cli.changing import ChangedAnswer
from sparc3_bench.record.files import read_result
from sparc3_bench.run.steps.evaluate import Evaluate
from sparc3_bench.run.steps.score import Score
from sparc3_bench.testing.tiny import make_model, make_tokenizer, save_text

Prune = Callable[..., Outcome]

FILES = {
    *("README.md", "report.md", "plot.svg", "pruning.json", "mask.safetensors", "result.json"),
    *("result.samples.json.gz", "config.json", "generation_config.json", "model.safetensors"),
    *("tokenizer.json", "tokenizer_config.json"),
}
LENGTH, WINDOWS = 32, 6

READER = (
    REFUSING
    + """
import json, math, os, pathlib, re
import torch
import transformers
transformers.utils.logging.disable_progress_bar()
os.chdir(sys.argv[1])
text, dtype = pathlib.Path(sys.argv[2]).read_text(), sys.argv[3]
load, read = re.findall("```python\\n(.*?)```", pathlib.Path("report.md").read_text(), re.DOTALL)
space = {}
exec(load, space)
exec(read, space)
model, tokenizer = space["model"], space["tokenizer"]
stored = str(model.dtype)
model = model.to(getattr(torch, dtype)).eval()
ids = tokenizer(text, add_special_tokens=False)["input_ids"]
rows = [ids[start : start + 32] for start in range(0, len(ids) - 31, 32)]
chosen = [rows[index * len(rows) // 6] for index in range(6)]
losses = []
with torch.no_grad():
    for row in chosen:
        window = torch.tensor([row])
        losses.append(float(model(window, labels=window).loss))
masks = {name: torch.from_numpy(keep) for name, keep in space["keep"].items()}
gone = {name: int((~keep).sum()) for name, keep in masks.items()}
kept = all(bool((model.get_parameter(n)[~keep] == 0).all()) for n, keep in masks.items())
print(json.dumps({"perplexity": math.exp(sum(losses) / 6), "gone": sum(gone.values()),
                  "stored": stored, "zero": kept}))
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prune")
    for architecture, dtype in (("llama", "float32"), ("gpt2", "bfloat16"), ("opt", "float16")):
        target = folder / architecture
        make_model(architecture, getattr(torch, dtype)).save_pretrained(target)
        make_tokenizer().save_pretrained(target)
    save_text(folder / "reference.txt", 400, 1)
    save_text(folder / "held-out.txt", 800, 2)
    return folder


@pytest.fixture
def prune(capsys, folder) -> Prune:
    """Return a function that does `sparc3 prune` in this process."""
    sizes = {
        "reference_length": LENGTH,
        "evaluation_length": LENGTH,
        "reference_windows": 3,
        "evaluation_windows": WINDOWS,
        "selection_windows": 5,
    }

    def do(out: Path, *arguments: object, model: str = "llama") -> Outcome:
        capsys.readouterr()
        texts = {"--reference": "reference.txt", "--held-out": "held-out.txt"}
        given = [part for name, file in texts.items() for part in (name, folder / file)]
        given += [part for n, v in sizes.items() for part in ("--task-option", f"{n}={v}")]
        given += ["--model", folder / model, "--out", out, "--cache", folder / "cache"]
        code = call("prune", *given, "--dtype", "float32", *arguments)
        return Outcome(code, *capsys.readouterr())

    return do


def read_by_others(out: Path, folder: Path) -> dict[str, object]:
    command = [sys.executable, "-c", READER, out, folder / "held-out.txt", "float32"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("model", "unit", "stored"),
    [("llama", "weight", "float32"), ("gpt2", "neuron", "bfloat16"), ("opt", "head", "float16")],
)
def test_the_folder_loads_anywhere_and_has_the_perplexity_of_its_report(
    folder, prune, tmp_path, model, unit, stored
):
    out = tmp_path / "out"
    done = prune(out, "--amount", 0.5, "--unit", unit, "--controls", 2, model=model)
    assert done.code == 0, done.err
    there = {path.name for path in out.iterdir()}
    assert there == FILES
    result = read_result(out / "result.json")
    point = result.points[1]
    theirs = read_by_others(out, folder)
    assert theirs["perplexity"] == pytest.approx(point.metrics["perplexity"], rel=1e-6)
    assert theirs["stored"] == f"torch.{stored}"
    assert theirs["zero"]
    about = json.loads((out / "pruning.json").read_text())
    assert about["amount"]["requested"] == 0.5
    mask = sb.load_mask(out)
    assert theirs["gone"] == sum(int((~keep).sum()) for keep in mask.values())
    if unit == "weight":
        assert theirs["gone"] == point.amount.weights_removed
    whole = {
        name: values.dtype
        for name, values in load_file(folder / model / "model.safetensors").items()
    }
    assert {n: v.dtype for n, v in load_file(out / "model.safetensors").items()} == whole
    for name, digest in about["files"].items():
        assert file_digest(out / name) == digest
    assert len(point.control["perplexity"]) == 2
    last = done.out.splitlines()
    assert last[-2:] == [
        "from transformers import AutoModelForCausalLM",
        f'model = AutoModelForCausalLM.from_pretrained("{out}", dtype="auto")',
    ]
    space: dict[str, object] = {}
    exec("\n".join(last[-2:]), space)


@pytest.mark.parametrize(
    ("model", "group", "more"),
    [
        ("llama", "2:4", ()),
        ("gpt2", "1:2", ("--amount", 0.5)),
        ("opt", "4:8", ("--scorer", "magnitude")),
    ],
)
def test_a_pattern_is_in_the_folder_in_its_controls_and_in_its_report(
    folder, prune, tmp_path, model, group, more
):
    done = prune(tmp_path / "out", "--group", group, *more, model=model)
    assert done.code == 0, done.err
    assert sb.pattern_breaks(tmp_path / "out", group) == {}
    kept, of = group.split(":")
    result = read_result(tmp_path / "out/result.json")
    assert (result.spec.group, result.spec.amounts) == (group, (0, 0.5))
    (sizes,) = {len(drawn) for drawn in result.points[1].control.values()}
    assert sizes == 3
    report = (tmp_path / "out/report.md").read_text()
    assert f"{kept} of every {of} consecutive inputs of a row kept" in report
    assert f"the random ones keep as many in every {of} inputs of a row" in report
    assert f"its zeros lie in the pattern {group}" in report


def test_every_weight_that_stays_keeps_its_bits(folder, prune, tmp_path):
    assert prune(tmp_path / "out", "--amount", 0.3).code == 0
    dense = AutoModelForCausalLM.from_pretrained(folder / "llama")
    pruned = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    with sb.prune(dense, sb.load_mask(tmp_path / "out")):
        for name, values in dense.state_dict().items():
            ours = pruned.state_dict()[name]
            assert torch.equal(values.view(torch.int32), ours.view(torch.int32)), name


def test_a_second_time_nothing_is_computed(prune, tmp_path, monkeypatch):
    assert prune(tmp_path / "out", "--amount", 0.4).code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def computed(self, at, got):
        raise AssertionError(self)

    monkeypatch.setattr(Score, "make", computed)
    monkeypatch.setattr(Evaluate, "make", computed)
    assert prune(tmp_path / "out", "--amount", 0.4).code == 0
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for name in ("model.safetensors", "mask.safetensors", "report.md", "README.md", "plot.svg"):
        assert before[name] == after[name], name


def test_the_report_says_what_the_record_has(folder, prune, tmp_path):
    out = tmp_path / "out"
    assert prune(out, "--amount", 0.6, "--controls", 3).code == 0
    result, report = read_result(out / "result.json"), (out / "report.md").read_text()
    point = result.points[1]
    low, high = point.intervals["perplexity"]
    (row,) = [line for line in report.splitlines() if line.startswith("| Perplexity | lower")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3] == f"{point.metrics['perplexity']:.0f} [{low:.0f}, {high:.0f}]"
    assert "random weights (3 draws)" in report
    assert "Perplexity, this over random, on the same windows: ×" in report
    assert "no faster than the one it was made of" in report
    assert "60\N{NO-BREAK SPACE}% of the weights in all matrices of the decoder blocks\n" in report
    rise = 100 * (1 / point.metrics["retained"] - 1)
    assert f"Perplexity changes by {'+' if rise > 0 else ''}" in report
    assert f"digest of its weights `{result.spec.model.weight_digest}`" in report
    drawing = (out / "plot.svg").read_text()
    assert "<svg" in drawing


def test_the_card_has_what_hubs_read(folder, prune, tmp_path):
    out = tmp_path / "out"
    card = folder / "llama" / "README.md"
    card.write_text("---\nlicense: mit\ntags: [x]\n---\nhello\n")
    try:
        assert prune(out, "--amount", 0.5).code == 0
    finally:
        card.unlink()
    _, matter, rest = (out / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(matter)
    assert told["license"] == "mit"
    assert told["library_name"] == "transformers"
    assert {"pruning", "wanda"} <= set(told["tags"])
    assert "base_model" not in told  # a folder is none of a hub's
    point = read_result(out / "result.json").points[1]
    (entry,) = told["model-index"][0]["results"]
    perplexity = entry["metrics"][0]
    assert perplexity["value"] == point.metrics["perplexity"]
    assert perplexity["args"]["interval_95"] == list(point.intervals["perplexity"])
    assert rest.lstrip().startswith("# llama-pruned\n")
    assert 'from_pretrained(".", dtype="auto")' in rest


def test_a_budget_is_kept_on_the_windows_that_it_was_looked_for_on(folder, prune, tmp_path):
    out = tmp_path / "out"
    done = prune(out, "--budget", "3%", "--scorer", "magnitude", "--group", "model")
    assert done.code == 0, done.err
    search, result = read_result(out / "search.json"), read_result(out / "result.json")
    found = search.found
    assert found.at_least == pytest.approx(1 / 1.03)
    amount = found.point.amount.requested
    assert result.spec.amounts == (0.0, amount)
    assert result.points[1].metrics == found.point.metrics
    # A little more goes beyond it, where the search tried that: on its own windows.
    report = (out / "report.md").read_text()
    assert "Most removed with perplexity at most 3 % higher: the amount was found by" in report
    kept = "keeps to it" if found.point.metrics["retained"] >= found.at_least else "goes beyond it"
    assert kept in report
    assert "`search.json`" in report
    assert f"magnitude: {amount:g} stays within 3% on the selection part" in done.err
    assert {path.name for path in out.iterdir()} >= FILES | {"search.json"}


def test_where_nothing_stays_within_the_budget_there_is_no_folder(prune, tmp_path, monkeypatch):
    from sparc3_bench.run.steps.decide import Reaches

    monkeypatch.setattr(Reaches, "make", lambda self, at, got: False)
    monkeypatch.setattr(Reaches, "codec", None)
    done = prune(tmp_path / "out", "--budget", "1%", "--scorer", "magnitude", "--unit", "head")
    assert (done.code, done.out) == (1, "")
    assert "Nothing that magnitude removes stays within 1%; no model is written." in done.err
    assert list(tmp_path.iterdir()) == []


class Hub:
    """A hub that notes what is done with it."""

    done: list[tuple[object, ...]] = []  # noqa: RUF012

    def create_repo(self, repo, private, exist_ok):
        self.done.append(("made", repo, private, exist_ok))

    def upload_folder(self, repo_id, folder_path, commit_message):
        self.done.append(("pushed", repo_id, {path.name for path in folder_path.iterdir()}))
        return f"https://hub/{repo_id}"


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr(Hub, "done", [])
    return Hub


def test_the_folder_is_pushed_as_a_private_repository(prune, tmp_path, hub):
    done = prune(tmp_path / "out", "--amount", 0.5, "--push", "me/pruned-llama")
    assert done.code == 0, done.err
    assert hub.done == [
        ("made", "me/pruned-llama", True, True),
        ("pushed", "me/pruned-llama", FILES),
    ]
    assert "pushed to https://hub/me/pruned-llama" in done.out
    card = (tmp_path / "out/README.md").read_text()
    assert 'from_pretrained("me/pruned-llama", dtype="auto")' in card
    assert "# pruned-llama\n" in card


def test_what_a_hub_does_not_take_stays_on_disk(prune, tmp_path, hub, monkeypatch):
    def refused(self, repo, private, exist_ok):
        raise OSError("401 Unauthorized.\nand more")

    monkeypatch.setattr(hub, "create_repo", refused)
    done = prune(tmp_path / "out", "--amount", 0.5, "--push", "me/pruned-llama")
    assert done.code == 2
    assert (
        f"{tmp_path / 'out'} is written, and the hub did not take it (OSError: 401 Unauthorized); "
        f"`hf upload me/pruned-llama {tmp_path / 'out'}` tries again." in done.err
    )
    assert (tmp_path / "out/model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Nothing says how much is removed; give one of `--amount` and `--budget`."),
        (("--amount", 0.5, "--budget", "5%"), "`--amount` and `--budget` both say how much is rem"),
        (("--amount", 0), "`--amount 0` removes nothing; give a fraction above 0."),
        (("--budget", "5"), "`--budget` must be a percentage above 0 such as 5%, got '5'."),
        (("--budget", "-5%"), "`--budget` must be a percentage above 0 such as 5%, got '-5%'."),
        (
            ("--budget", "5%", "--group", "2:4"),
            "Group '2:4' removes 0.5 of the weights whatever that costs; leave `--budget` out, or",
        ),
        (
            ("--amount", 0.3, "--group", "2:4"),
            "Group '2:4' removes 0.5 of the weights, got 0.3; leave the amount out, or choose",
        ),
        (
            ("--group", "3:7"),
            "Group '3:7' takes the inputs of a row 7 by 7, and `model.layers.0.self_attn.q_proj` "
            "has",
        ),
        (
            ("--amount", 0.5, "--group", "4:2"),
            "Unknown group '4:2'. Available: RxC, layer, model, n:m, row.",
        ),
        (("--group", "2:4", "--unit", "neuron"), "Group '2:4' ranks the weights inside one row an"),
        (("--group", "1:3", "--unit", "head"), "Group '1:3' takes heads 3 by 3, and `0` has 4 of "),
        (
            ("--amount", 0.5, "--group", "layer", "--unit", "block"),
            "Group 'layer' ranks the units of a layer and cannot rank units of 'block'; choose 'mo",
        ),
        (("--amount", 0.5, "--scorer", "wnda"), "Unknown scorer 'wnda'. Did you mean 'wanda'?"),
        (("--amount", 0.5, "--unit", "layer"), "Unknown unit 'layer'."),
        (("--amount", 0.5, "--task", "compression"), "Task 'compression' does not measure what pr"),
        (
            ("--amount", 0.5, "--task-option", "reference_text=c4"),
            "`--reference` and `--task-option reference_text=…` say the same; give one of them.",
        ),
        (("--amount", 0.5, "--push", "me"), "`--push` must name a repository as OWNER/NAME, got"),
        (("--amount", 0.5, "--push", "me/one"), "There is no hub to push to 'me/one', as HF_HUB_O"),
        (("--amount", 0.5, "--held-out", "no.txt"), "no.txt"),
        (("--amount", 0.5, "--out", "{file}"), "The folder {file} cannot be made: {file} is a fi"),
        (("--amount", 0.5, "--out", "{full}"), "The folder {full} is not empty and holds other t"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(prune, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").touch()
    (tmp_path / "file").touch()
    named = {"file": tmp_path / "file", "full": tmp_path / "full"}
    before = sorted(tmp_path.rglob("*"))
    given = [str(argument).format(**named) for argument in arguments]
    assert expected.format(**named) in sentence(prune(tmp_path / "out", *given))
    assert sorted(tmp_path.rglob("*")) == before


def test_with_json_what_came_out_is_printed_and_nothing_else(prune, tmp_path, hub):
    out = tmp_path / "out"
    done = prune(out, "--amount", 0.5, "--json", "--push", "me/tiny")
    assert done.code == 0, done.err
    told = ChangedAnswer.model_validate_json(done.out)
    result = read_result(out / "result.json")
    dense, point = result.points
    assert (told.command, told.key, told.has_model) == ("prune", result.key, True)
    assert told.folder == str(out)
    assert told.point == point.model_copy(update={"samples": {}, "kept": {}})
    assert told.dense.metrics == dense.metrics
    assert len(hub.done) == 2


@pytest.mark.real
def test_half_of_the_default_model_goes(cache, tmp_path, capsys):
    sizes = {"reference_windows": 2, "evaluation_windows": 2, "selection_windows": 1}
    options = [part for n, v in sizes.items() for part in ("--task-option", f"{n}={v}")]
    options += ["--task-option", "reference_length=128", "--task-option", "evaluation_length=128"]
    out = tmp_path / "out"
    given = ("--model", "smollm2-135m", "--amount", 0.5, "--controls", 0, "--cache", cache)
    assert call("prune", *given, "--dtype", "float32", "--out", out, *options) == 0
    point = read_result(out / "result.json").points[1]
    assert point.amount.weights_removed == 106_168_320 // 2
    told = yaml.safe_load((out / "README.md").read_text().split("---\n", 2)[1])
    assert told["license"] == "apache-2.0"
    model = AutoModelForCausalLM.from_pretrained(out, dtype="float32")
    zeros = sum(int((p == 0).sum()) for n, p in model.named_parameters() if n in sb.load_mask(out))
    assert zeros >= point.amount.weights_removed
    assert math.isfinite(point.metrics["perplexity"])
