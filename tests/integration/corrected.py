"""The folder of a correction: what was made, and how its report is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from circuits import Outcome
from safetensors.torch import load_file

from sparc3_bench.record.files import read_result
from sparc3_bench.record.result import Result

PROMPTS = [f"w{n} w{n + 3} w{n + 1} w{n + 7} w{2 * n + 1} w{n + 2}" for n in range(3, 27)]

WHOLE = [
    *("correction.json", "mask.safetensors", "model", "plot.svg", "report.md"),
    *("result.json", "result.samples.json.gz"),
]
"""What is in the folder where there is a corrected model."""


class Made(NamedTuple):
    """A correction: the folder of the model, that of the correction, what the command said."""

    original: Path
    out: Path
    done: Outcome

    @property
    def result(self) -> Result:
        return read_result(self.out / "result.json")

    @property
    def report(self) -> str:
        return (self.out / "report.md").read_text()


def lost(out: Path) -> dict[int, list[int]]:
    """Return the columns that go from every matrix that reads neurons, by layer."""
    found = {}
    for name, mask in load_file(out / "mask.safetensors").items():
        if layer := re.fullmatch(r"model\.layers\.(\d+)\.mlp\.down_proj\.weight", name):
            found[int(layer[1])] = (~mask).all(0).nonzero().flatten().tolist()
            assert (~mask).any(0).nonzero().flatten().tolist() == found[int(layer[1])]
    return dict(sorted(found.items()))


def cells(report: str, title: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, with the head."""
    lines = report.split(f"\n## {title}\n")[1].split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in (table[0], *table[2:])]


def numbers(cell: str) -> list[float]:
    text = cell.replace("−", "-").replace(",", "").replace("*", "")
    return [float(number) for number in re.findall(r"-?[\d.]*\d", text)]
