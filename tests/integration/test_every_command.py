"""Every command: help that is light, JSON that fits the schema, one sentence for wrong input."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from circuits import Outcome, call, run, save_inputs, sentence
from integration import writers
from unit.crossed import crossed, factorial, plausible
from unit.results import save
from unit.test_replicate_command import SUITE

import sparc3_bench.cli as cli
from sparc3_bench.cli.answers import answers_schema
from sparc3_bench.record.files import files_below, read_result, samples_path, write_result
from sparc3_bench.testing.tiny import save_model

SCHEMA = Path(__file__).parents[2] / "leaderboard/schema/answers-1.json"
HEAVY = ("torch", "numpy", "pandas", "transformers", "datasets", "safetensors", "scipy")


def commands() -> dict[str, Any]:
    """Return every command that does something, by what is typed."""
    found = {}
    for name, one in cli.Commands().items():
        inner = getattr(one, "commands", None)
        found |= {f"{name} {n}": i for n, i in inner.items()} if inner else {name: one}
    return found


COMMANDS = commands()

MODEL = (
    "--model in/llama --cache cache --dtype float32 "
    "--task-option reference_text=in/reference.txt --task-option evaluation_text=in/evaluation.txt "
    "--task-option reference_length=32 --task-option evaluation_length=32 "
    "--task-option reference_windows=3 --task-option evaluation_windows=4"
)
CALLS = {
    "list": "list",
    "plan": f"plan --scorer wanda --scorer magnitude --amounts 0.3,0.6 {MODEL}",
    "run": f"run --scorer wanda --amounts 0.3,0.6 --results more --on here {MODEL}",
    "suite show": "suite show suite.toml",
    "status": "status results",
    "replicate": "replicate suite.toml --only-existing --results results --cache cache",
    "results list": "results list",
    "results find": "results find results --scorer wanda --unit weight --amount 0.3",
    "show": "show {wanda}",
    "compare": "compare {gradient} {wanda}",
    "report": "report wanda",
    "effects": "effects crossed",
    "export": "export results --out numbers.csv --format csv",
    "replay": "replay {wanda} --files in --cache cache --results replays",
    "circuit show": "circuit show {wanda}",
    "circuit diff": "circuit diff {wanda} {gradient} --sketch",
    "circuit export": "circuit export {wanda} --size 0.4 --out circuit --files in --cache cache",
    "inspect": "inspect in/llama",
    "doctor": "doctor --cache cache",
    "prune": f"prune --amount 0.5 --out pruned --task-option selection_windows=2 {MODEL}",
    "score": f"score --scorer gradient --out s.safetensors --batch-size 2 {MODEL}",
    "publish": "publish results site",
    "validate": "validate results",
    "migrate": "migrate --check results",
    "submit": "submit --check --results results {path}",
    "withdraw": "withdraw copy --reason old",
    "new": "new scorer mine",
    "check": "check magnitude",
}
"""A call of each command that prints JSON; `correct` and `rejudge` have tests of their own."""

WRONG = {
    "show missing.json": "missing.json cannot be read: No such file",
    "show bad.json": "bad.json is not valid JSON",
    "show feedbeef": "No result in results or leaderboard/results has a key that begins with",
    "show wanda": "'wanda' names no result; give its file, the first 4 or more digits",
    "show fee": "'fee' names no result",
    "show results": "The folder results has 2 results (",
    "show empty": "The folder empty has no result and one is asked for; name it.",
    "show aaaa --results twins": "2 results have a key that begins with 'aaaa', twins/wanda--aaaa",
    "compare {wanda}": "is one; name two, or a folder of both.",
    "compare twins {wanda}": "Two results are compared, and 3 are named; name two, or a folder",
    "compare {wanda} failed.json": "failed.json is of a run that is failed (no memory); run it",
    "compare {wanda} {gradient} --metric no": "Unknown metric 'no'. Available: kl, perplexity.",
    "report lrp": "lrp",
    "effects crossed --factors colour": "Unknown factor 'colour'",
    "effects {wanda}": "Effects need two factors or more",
    "effects crossed --markdown --json": "are two forms; choose one",
    "export results --out x --format word": "Unknown format 'word'.",
    "export missing.json --out x.csv --format csv": "missing.json cannot be read",
    "replay missing.json": "missing.json cannot be read",
    "report wanda --out wanda.pdf": "`wanda.pdf` must end in .md or .html",
    "circuit show {wanda} --size 2": "`--size` must be a number from 0 to 1",
    "circuit show {wanda} --size 0.123": "has no circuit of `--size 0.123`",
    "circuit show {wanda} --remove x": "`--remove` must be a valid integer; see `sparc3 circuit",
    "circuit export {wanda} --out in": "A circuit has a size: give `--size`",
    "circuit diff {wanda} {wanda}": "A result is named twice",
    "circuit": "",
    "results": "",
    "results find nowhere": "'nowhere' names no result",
    "results find results --scorer lrp": "Unknown scorer of a result in results 'lrp'.",
    "results find results --scorer wnda --json": "in results 'wnda'. Did you mean 'wanda'?",
    "results find results --seed 3": "Unknown seed of a result in results '3'. Available: 0.",
    "results find results --amount 0.123": "No result in results is like that; see what is there",
    "export results --out x.csv --format parquet": "`--format parquet` does not go with the file",
    "results find results --amount x": "`--amount` must be a valid number; see",
    "list scores": "Unknown kind or name 'scores'. Did you mean 'scorers'?",
    "list scorers wnada": "Unknown scorer 'wnada'. Did you mean 'wanda'?",
    "schema results": "Unknown schema 'results'. Did you mean 'result'?",
    "status in": "No runner has worked on in; name a folder of `sparc3 run`.",
    "validate bad.json": "bad.json is not valid JSON",
    "migrate empty": "No result file (*.json) is in empty.",
    "submit missing.json": "missing.json cannot be read",
    "withdraw failed.json --reason x": "failed.json is failed already; only finished runs are",
    "publish nowhere site2": "nowhere",
    "publish results bad.json": "The folder bad.json cannot be made: ",
    "inspect nowhere": "Model 'nowhere' is neither a named model",
    "score --scorer wnada --out s": "Unknown scorer 'wnada'. Did you mean 'wanda'?",
    "prune --model in/llama --out p": "Nothing says how much is removed; give one of",
    "prune --model in/llama --out p --amount x": "`--amount` must be a valid number; see",
    "correct --model in/llama --out p --neurons 0": "`--neurons` must be greater than or equal",
    "score --scorer wanda": "Missing option '--out'; see `sparc3 score --help`.",
    "check wnada": "Unknown scorer, task, adapter, allocation or repair 'wnada'. Did you mean",
    "check lrp --jobs x": "`--jobs` must be a valid integer; see `sparc3 check --help`.",
    "new scorer wanda": "The scorer name 'wanda' is already taken",
    "new thing it": "Unknown kind of plugin 'thing'.",
    "rejudge missing.json --judge word-list": "missing.json cannot be read",
    "plan missing.toml": "The suite missing.toml cannot be read",
    "plan --seconds x": "`--seconds` must be a valid number; see",
    "replicate quick": "The suite quick repeats no paper",
    "run quick --scorer wanda": "`--scorer` does not go with a suite",
    "run quick --with wnada": "Unknown scorer 'wnada'. Did you mean 'wanda'?",
    "run quick --suite quick": "Two suites are named",
    "suite show quik": "Unknown suite 'quik'. Did you mean 'quick'?",
    "suite": "",
    "run --batch-size 0": "`--batch-size` must be greater than or equal to 1; see",
    "nothing": "No such command 'nothing'",
    "show --colour": "No such option: --colour",
}
"""What is typed, and how the sentence begins or what it has; help alone is told on standard out."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Go to a folder with models, texts, two results and files that are none."""
    folder = tmp_path_factory.mktemp("commands")
    save_inputs(folder)
    paths = {name: run(folder, name) for name in ("gradient", "wanda")}
    known = {name: read_result(path).key[:6] for name, path in paths.items()}
    (folder / "suite.toml").write_text(SUITE)
    (folder / "bad.json").write_text("{")
    failed = {"status": "failed", "error": "no memory.\nat line 1", "points": (), "curve": {}}
    one = read_result(paths["wanda"])
    write_result(folder / "failed.json", one.model_copy(update=failed))
    (folder / "empty").mkdir()
    twins = ("twins/wanda--aaaa00000001.json", "twins/wanda--aaaa00000002.json")
    for twin in (*twins, "copy/a.json", "alone/a.json"):
        (folder / twin).parent.mkdir(exist_ok=True)
        shutil.copy(paths["wanda"], folder / twin)
        shutil.copy(samples_path(paths["wanda"]), samples_path(folder / twin))
    for one in crossed(factorial()[:12], plausible):
        save(folder / "crossed", one)
    with contextlib.chdir(folder):
        yield {**known, "path": str(paths["wanda"].relative_to(folder))}


def sparc3(capsys: pytest.CaptureFixture[str], typed: str, **known: str) -> Outcome:
    capsys.readouterr()
    return Outcome(call(*typed.format(**known).split()), *capsys.readouterr())


def test_help_of_every_command_says_all_and_imports_nothing_heavy():
    code = (
        "import contextlib, io, sys\n"
        "from sparc3_bench.cli import app\n"
        f"for name in {['', *COMMANDS]!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as said:\n"
        "        app([*name.split(), '-h'], prog_name='sparc3', standalone_mode=False)\n"
        "    assert f'Usage: sparc3 {name}'.strip() in said.getvalue(), name\n"
        f"    heavy = {set(HEAVY)!r} & set(sys.modules)\n"
        "    assert not heavy, (name, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, command in COMMANDS.items():
        assert command.help, name
        assert [one.name for one in command.params if not one.help] == [], name


def test_the_first_line_of_a_file_tells_what_its_command_does(capsys):
    shown = sparc3(capsys, "--help").out
    for name in cli.Commands():
        assert cli.summary(name), name
        assert f"\n│ {name} " in shown
    assert not [name for name in shown.splitlines() if len(name) > 80]


def test_the_committed_schema_of_answers_is_that_of_the_commands(capsys):
    told = json.loads(sparc3(capsys, "schema answers").out)
    assert json.loads(SCHEMA.read_text()) == told == answers_schema()
    jsonschema.Draft202012Validator.check_schema(told)
    for name, table in told["$defs"].items():
        assert table["description"], name
        for field, of in table.get("properties", {}).items():
            here = of.get("description") or "$ref" in of or field == "command"
            assert here, f"{name}.{field}"


def test_every_command_that_prints_json_is_called_here():
    able = {name for name, one in COMMANDS.items() if "as_json" in {p.name for p in one.params}}
    assert able == {*CALLS, "correct", "rejudge"}


def valid(told: str) -> dict[str, Any]:
    """Return an answer, alone on standard output, after holding it against the schema."""
    answer = json.loads(told)
    jsonschema.validate(answer, json.loads(SCHEMA.read_text()))
    return answer


@pytest.mark.parametrize("name", CALLS)
def test_json_is_one_object_that_fits_the_schema(place, capsys, name):
    done = sparc3(capsys, f"{CALLS[name]} --json", **place)
    assert done.code in (0, 1, 3), done.err
    assert name.startswith(valid(done.out)["command"])


def test_json_of_a_correction_and_of_another_judge(tmp_path, capsys):
    save_model("llama", tmp_path / "llama")
    first = writers.run(tmp_path, tmp_path / "first", amounts="8")
    given = ("--judge", "even", "--cache", tmp_path / "cache", "--json")
    done = writers.sparc3(capsys, "rejudge", first, *given)
    (one,) = valid(done.out)["results"]
    assert Path(one["path"]).is_file()
    given = ("--model", tmp_path / "llama", "--neurons", 8, "--judge", "low", "--dtype", "float32")
    given = (*given, "--scorer", "gradient", "--cache", tmp_path / "cache", "--json")
    done = writers.sparc3(capsys, "correct", *given, "--out", tmp_path / "out")
    assert valid(done.out)["has_model"], done.err


@pytest.mark.parametrize("typed", WRONG)
def test_wrong_input_is_one_sentence_and_exit_code_2(place, capsys, typed):
    done = sparc3(capsys, typed, **place)
    if WRONG[typed]:
        assert WRONG[typed] in sentence(done)
    else:
        assert (done.code, done.err) == (2, "")
        assert "Usage: " in done.out
    if "as_json" in {one.name for one in getattr(COMMANDS.get(typed.split()[0]), "params", ())}:
        assert sparc3(capsys, f"{typed} --json", **place)[1:] == done[1:]


def test_results_are_named_by_file_key_or_folder(place, capsys):
    told = sparc3(capsys, "show {wanda}", **place).out
    assert sparc3(capsys, "show {path}", **place).out == told
    assert sparc3(capsys, "show {wanda} --results results", **place).out == told
    assert sparc3(capsys, "show alone").out == told.replace(place["path"], "alone/a.json")
    listed = sparc3(capsys, "results find results --paths").out.split()
    assert [Path(one) for one in listed] == files_below(Path("results"))
    both = sparc3(capsys, "compare results").out
    assert both == sparc3(capsys, f"compare {' '.join(listed)}").out


@pytest.mark.parametrize(
    "typed",
    [
        "validate {} --json",
        "migrate --check {} --json",
        "submit --check {} --results results --json",
        "export {} --format csv --out {{wanda}}.csv --json",
        "publish {} site-of-one",
    ],
)
def test_whatever_is_done_with_a_file_is_done_with_what_its_key_names(place, capsys, typed):
    by_file = sparc3(capsys, typed.format("{path}"), **place)
    by_key = sparc3(capsys, typed.format("{wanda}"), **place)
    assert (by_file.code, by_key.out) == (0, by_file.out), by_file.err
    by_both = sparc3(capsys, typed.format("{wanda} {gradient}"), **place)
    assert (by_both.code, sparc3(capsys, typed.format("results"), **place).code) == (0, 0)


def test_quiet_leaves_results_and_what_goes_wrong(place, capsys):
    loud = sparc3(capsys, f"score --scorer activation --out a.safetensors {MODEL}")
    quiet = sparc3(capsys, f"-q score --scorer fisher --out f.safetensors {MODEL}")
    assert loud.err
    assert quiet.err == ""
    assert quiet.out.startswith("f.safetensors: ")
    wrong = sparc3(capsys, "-q validate alone/a.json results/missing.json {path}", **place)
    assert wrong.code == 1
    assert wrong.err.count("left out: ") == 2


def test_version(capsys):
    assert sparc3(capsys, "-V").out == sparc3(capsys, "--version").out
    assert sparc3(capsys, "-V").out.startswith("sparc3-bench ")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sparc3 ru", ["run"]),
        ("sparc3 run --scorer magn", ["magnitude"]),
        ("sparc3 results find --task comp", ["compression"]),
        ("sparc3 inspect smol", ["smollm2-135m"]),
        ("sparc3 list suit", ["suites"]),
        ("sparc3 plan paper-com", ["paper-compression"]),
        ("sparc3 score --scope mlp-", ["mlp-in", "mlp-out"]),
    ],
)
def test_the_shell_completes_names_without_torch(typed, offered):
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: [sys.stderr.write(name) for name in {HEAVY!r}"
        " if name in sys.modules])\n"
        "from sparc3_bench.cli import app\n"
        "app(prog_name='sparc3')\n"
    )
    variables = {
        "_SPARC3_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (offered, "")
