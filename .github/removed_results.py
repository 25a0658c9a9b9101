"""Refuse results that a pull request deletes or renames, unless they were withdrawn before.

`python removed_results.py BASE` is run in a checkout of the pull request; it runs nothing of it.
"""

from __future__ import annotations

import json
import subprocess
import sys

RESULTS = "leaderboard/results/"


def git(*words: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


def removed(base: str) -> list[str]:
    """Return the results that are in the base and no longer in their place, and are relied on."""
    listed = git("diff", "--name-only", "--no-renames", "--diff-filter=D", "-z", f"{base}...HEAD")
    gone = [one for one in listed.split("\0") if one.startswith(RESULTS) and one.endswith(".json")]
    since = git("merge-base", base, "HEAD").strip()
    status = {one: json.loads(git("show", f"{since}:{one}")).get("status") for one in gone}
    return [one for one, told in status.items() if told != "withdrawn"]


if __name__ == "__main__":
    found = removed(sys.argv[1])
    for name in found:
        sys.stdout.write(
            f"{name} is on the leaderboard and may not be deleted or renamed; mark it by "
            "`sparc3 withdraw` instead.\n"
        )
    sys.exit(bool(found))
