"""Makes the hostile plugins visible to a process, without pip."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
POINTS: Mapping[str, str] = tomllib.loads((HERE / "pyproject.toml").read_text())["project"][
    "entry-points"
]["sparc3_bench"]
"""The plugins: `hostile`, with all scorers, and those that do it when they are imported."""


def visible(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment in which these plugins, keys of `POINTS`, are installed.

    What tells of the distribution is in a folder, which is empty before, and the cache is empty.
    """
    about = folder / "sparc3_hostile-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sparc3-hostile\nVersion: 0.1\n")
    points = "".join(f"{name} = {POINTS[name]}\n" for name in names)
    (about / "entry_points.txt").write_text(f"[sparc3_bench]\n{points}")
    path = [str(folder), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    cache = {"SPARC3_CACHE": str(folder / "cache")}
    return {**os.environ, **cache, "PYTHONPATH": os.pathsep.join(path)}
