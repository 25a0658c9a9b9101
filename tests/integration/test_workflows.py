"""Workflows of the forge: what they run is pinned, may do little, and sees results that go."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+(\.\d+)+")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_hash_and_may_only_read_unless_they_publish(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert all(PINNED.fullmatch(one) for one in used)
    found = yaml.safe_load(text)
    assert found["permissions"] == {"contents": "read"}
    rights = {name: job.get("permissions", {}) for name, job in found["jobs"].items()}
    publishing = {"pages": ["deploy"], "release": ["publish"]}.get(path.stem, [])
    assert [name for name, asked in rights.items() if asked] == publishing
    assert "pull_request_target" not in text
    checkouts = [s for job in found["jobs"].values() for s in job["steps"] if "checkout" in str(s)]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def delete(result: Path) -> None:
    result.unlink()


def rename(result: Path) -> None:
    result.rename(result.with_name("other.json"))


def change(result: Path) -> None:
    result.write_text(json.dumps({"status": "withdrawn"}))


@pytest.mark.parametrize(
    ("status", "do", "is_refused"),
    [
        ("ok", delete, True),
        ("failed", delete, True),
        ("ok", rename, True),
        ("ok", change, False),
        ("withdrawn", delete, False),
    ],
)
def test_a_result_that_goes_is_refused_unless_it_was_withdrawn(
    tmp_path: Path, status: str, do: Callable[[Path], None], is_refused: bool
) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    result = tmp_path / "leaderboard/results/task/model/one.json"
    result.parent.mkdir(parents=True)
    result.write_text(json.dumps({"status": status, "points": list(range(100))}))
    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "before")
    git("switch", "-c", "offered")
    do(result)
    git("add", ".")
    git("commit", "-m", "after")
    done = subprocess.run(
        [sys.executable, ROOT / ".github/removed_results.py", "main"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (int(is_refused), "")
    assert ("task/model/one.json is on the leaderboard" in done.stdout) is is_refused
