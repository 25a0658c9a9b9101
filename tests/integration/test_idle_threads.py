"""Threads without work sleep, in the command and in its worker, unless told not to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparc3_bench.record.files import files_below, read_result
from sparc3_bench.testing.tiny import save_model, save_text

COMMAND = [sys.executable, "-c", "from sparc3_bench.cli import main; main()"]


def sparc3(folder: Path, policy: str | None, *typed: str) -> str:
    known = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    known |= {"SPARC3_ON": "local"} | ({} if policy is None else {"OMP_WAIT_POLICY": policy})
    done = subprocess.run(
        [*COMMAND, *typed], env=known, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("said", "holds"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_a_worker_waits_as_the_command_does_and_as_its_user_says(tmp_path, said, holds):
    save_model("llama", tmp_path / "llama")
    save_text(tmp_path / "text.txt", 200, 1)
    options = ["reference_text=text.txt", "evaluation_text=text.txt", "allow_overlap=true"]
    options += ["reference_windows=2", "evaluation_windows=2"]
    options += ["reference_length=16", "evaluation_length=16"]
    typed = ["--model", "llama", "--scorer", "magnitude", "--amounts", "0,0.5"]
    typed += [word for one in options for word in ("--task-option", one)]
    sparc3(tmp_path, said, "run", *typed, "--cache", "cache", "--results", "results")
    (file,) = files_below(tmp_path / "results")
    result = read_result(file)
    assert (result.status, result.environment.idle_threads) == ("ok", holds)


def test_the_doctor_names_how_they_wait(tmp_path):
    told = json.loads(sparc3(tmp_path, None, "doctor", "--json", "--cache", "cache"))
    assert told["machine"]["idle_threads"] == "PASSIVE"
