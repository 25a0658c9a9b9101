"""Every number that was measured is made of committed results, or stands beside its command.

What a test can see of that: outside the blocks that `tests/renew.py` makes, a number with a point,
a ± or an interval stands in a section with a command and without such blocks; and no sentence there
says which of two scorers is better. It cannot see whole numbers, nor run every command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import readme_tables
import rows
from renew import documents, made_files
from rows import ROOT
from tables import renewed, without

from sparc3_bench.comparison.phrasing import number
from sparc3_bench.host import default_host

DOCUMENTS = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "leaderboard/README.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "plugins").rglob("README.md"),
    *(ROOT / "tasks").rglob("README.md"),
]
MADE = dict(documents())

SET = {
    *(
        "0.001",
        "0.002",
        "0.005",
        "0.01",
        "0.02",
        "0.05",
        "0.1",
        "0.2",
        "0.5",
        "0.9",
        "0.999",
        "1.0",
    ),
}
"""Numbers with a point that somebody set (levels, bars, limits, requests) and nobody measured."""

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(
    r"^(?: {4})?(?:sparc3|make|python|lm_eval) [\w-]|`(?:sparc3|make) [a-z][^`]*`", re.MULTILINE
)
CODE = re.compile(r"^ {4}\S.*$|`[^`\n]*`", re.MULTILINE)
NAMES = re.compile(  # links, citations and places in them, versions of packages
    r"\[[^\]\n]*[a-z]\d{4}[^\]\n]*\]|\]\([^)]*\)|\b(?:sec|eq|app)\. [\w.]+"
    r"|\b(?:Python|Apache|lxt|arXiv|version)[ -][\d.]+\d|\b[\d.]+\d-"
)
MEASURED = re.compile(
    r"(?<![\w.,])\d[\d,]*\.\d+(?![\w.]*\d)|±\s?\d|\d\.\de[−-]?\d|\[[−+]?\d+\.\d+, [−+]?\d[^\]\n]*\]"
)
COMPARED = re.compile(
    r"\b(?:better|worse|lower|higher|below|above|beats|ties?|tied|wins|separable)\b"
)


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the sections of a document: whole, and what in them is neither made nor code."""
    blocks = [*FENCE.finditer(text)]
    starts = [
        found.start()
        for found in re.finditer(r"^#+ ", text, re.MULTILINE)
        if not any(block.start() < found.start() < block.end() for block in blocks)
    ]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        section = text[start:end]
        yield section, NAMES.sub("", CODE.sub("", FENCE.sub("", without(section))))


def unbacked(text: str) -> list[str]:
    """Return measured numbers of a document that neither a result nor a command stands for."""
    found = []
    for section, prose in parts(text):
        if without(section) != section or not COMMAND.search(section):
            found += [number for number in MEASURED.findall(prose) if number not in SET]
    return found


def told(text: str) -> list[str]:
    """Return sentences that compare two scorers and are not made."""
    titles = {entry.cls.title for entry in default_host().all("scorer").values()}
    scorer = re.compile(rf"\b(?:{'|'.join(map(re.escape, titles))})\b", re.IGNORECASE)
    sentences = re.split(r"(?<=[.;:])\s|\n\n", FENCE.sub("", without(text)))
    return [
        one
        for one in sentences
        if COMPARED.search(one) and len({name.lower() for name in scorer.findall(one)}) > 1
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_measured_number_is_made_of_results_or_stands_beside_its_command(path):
    assert unbacked(path.read_text()) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_which_scorer_is_better_is_said_by_the_rule_of_compare_alone(path):
    assert told(path.read_text()) == []


def test_a_number_without_its_source_would_be_seen():
    assert unbacked("## Found\n\nLRP has 43.75.\n") == ["43.75"]
    assert unbacked("## Found\n\nIt is ±3.5 wide.\n") == ["±3"]
    assert unbacked("## Found\n\n    sparc3 list tasks\n\nIt is 43.75.\n") == []
    assert unbacked(
        "## Found\n\n`make bench`\n\n<!-- made: a -->\n1.25\n<!-- end -->\n\nand 0.75.\n"
    ) == ["0.75"]
    assert told("Here LRP is better than Wanda.") == ["Here LRP is better than Wanda."]


@pytest.mark.parametrize("path", MADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_are_those_that_the_committed_results_make(path):
    text = path.read_text()
    assert renewed(text, MADE[path]) == text, "stale; run `python tests/renew.py`"


def test_a_block_that_is_stale_would_be_seen():
    path = ROOT / "docs/circuits.md"
    text = path.read_text().replace("| LRP |", "| LRP, p < 0.01 |", 1)
    assert renewed(text, MADE[path]) != text


def test_files_that_are_made_are_not_stale():
    for path, make in made_files():
        assert path.read_text() == make(), "stale; run `python tests/renew.py`"


class TestRows:
    def test_a_row_with_several_seeds_is_their_mean_with_their_range(self):
        (one,) = [row for row in _rows() if row.label == "Wanda"]
        (other,) = [row for row in _rows() if row.label == "Magnitude"]
        alone = rows.Row(one.results[:1])
        both = rows.Row((*alone.results, *other.results))
        values = [row.value(0.5, "perplexity") for row in (alone, other)]
        assert both.value(0.5, "perplexity") == pytest.approx(sum(values) / 2)
        assert both.spread(0.5, "perplexity") == f" ({number(values[0])} to {number(values[1])})"
        assert alone.spread(0.5, "perplexity") == ""

    def test_what_another_draw_of_the_reference_could_turn_is_no_difference(self):
        (one,) = [row for row in _rows() if row.label == "Wanda"]
        (other,) = [row for row in _rows() if row.label == "Magnitude"]
        apart = rows.verdicts([one, other], [0.5], "perplexity")
        assert "is better than" in " ".join(apart)
        # Each with a run of the other: their ranges over seeds are the same.
        mixed = [rows.Row((*one.results, *other.results)), rows.Row((*other.results, one.first))]
        said = " ".join(rows.verdicts(mixed, [0.5], "perplexity"))
        assert "is better than" not in said

    def test_of_what_was_run_twice_the_newest_counts_whatever_options_came_later(self):
        (old,) = [row.first for row in _rows() if row.label == "LRP"]
        options = dict(old.spec.scorer.options)
        assert options.pop("by_sample") is False
        scorer = old.spec.scorer.model_copy(update={"options": options})
        spec = old.spec.model_copy(update={"scorer": scorer})
        new = old.model_copy(update={"spec": spec, "created": "2999-01-01T00:00:00Z"})
        assert rows.newest([new, old]) == [new]
        assert rows.newest([old, new]) == [new]

    def test_other_data_are_not_mixed_in(self):
        (old,) = [row.first for row in _rows() if row.label == "LRP"]
        model = old.spec.model.model_copy(update={"weight_digest": "0" * 64})
        other = old.model_copy(
            update={
                "spec": old.spec.model_copy(update={"model": model, "seed": 1}),
                "created": "2000-01-01T00:00:00Z",
            }
        )
        assert rows.newest([other, old]) == [old]

    def test_a_row_that_is_not_there_is_left_out(self, monkeypatch):
        left = [
            one for one in rows.committed("compression") if "lrp" not in one[1].spec.scorer.name
        ]
        monkeypatch.setattr(rows, "committed", lambda task: left)
        assert "LRP" not in readme_tables.came_out()
        assert "LRP" not in readme_tables.compared()
        assert "Wanda" in readme_tables.readings()


def _rows() -> list[rows.Row]:
    return readme_tables.measured()[0]
