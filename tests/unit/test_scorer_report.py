"""The report on a scorer: the page's numbers, sentences that say no more than their tests."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer
from board import BLUNT, COIN, RANDOM, SCORERS, SHARP, TWINS, Scorer, section
from typer.testing import CliRunner, Result
from unit.results import make_result, save

from sparc3_bench.cli import app
from sparc3_bench.cli.report import ReportAnswer
from sparc3_bench.comparison.control_verdict import BETTER
from sparc3_bench.comparison.phrasing import p_value
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.leaderboard.scorer_report import ScorerReport, report_on
from sparc3_bench.leaderboard.scorer_row import ScorerRow
from sparc3_bench.leaderboard.sentences import rounded_up, said
from sparc3_bench.record.files import read_results
from sparc3_bench.run.intervals import renewed

FOLDER = Path(__file__).resolve().parents[2] / "leaderboard" / "results"
LEVEL = 0.05


@cache
def committed() -> list:
    """Return the committed results but those of the largest tables, of dozens of variants."""
    found = [(path, one) for path, one in read_results(FOLDER) if len(one.points) != 3]
    return [(path, renewed(one, default_host())) for path, one in found]


@cache
def about(scorer: str) -> ScorerReport:
    return report_on([scorer], committed(), default_host())


@cache
def every_row() -> list[ScorerRow]:
    names = sorted({result.spec.scorer.name for _, result in committed()})
    return [row for name in names for row in about(name).rows]


@cache
def plain_sections() -> dict[str, Section]:
    """Return the sections of the page in which every scorer has one row, by their names."""
    every = [one for board in boards(split(committed())[0]) for one in board.sections]
    return {section.id: section for section in every if not section.has_variants}


def made(*scorers: Scorer, **changes) -> list:
    runs = section(0, scorers or SCORERS, **changes)
    return [(Path(result.spec.path), result) for result in runs]


def row_of(scorer: str, results: list) -> ScorerRow:
    (row,) = report_on([scorer], results, default_host()).rows
    return row


def test_ranks_and_differences_are_those_of_the_page():
    compared, at_amounts = 0, 0
    for row in every_row():
        section = plain_sections().get(row.section)
        if section is None or not section.prunes:
            continue
        series = section.series
        at = {one.scorer.name: place for place, one in enumerate(series)}
        assert row.rank == section.rank(series[at[row.scorer]])
        value = section.value(series[at[row.scorer]])
        assert (row.value, row.low, row.high) == (value.centre, *(value.interval or (None, None)))
        ranks = section.tests.ranks
        for other in row.neighbours:
            assert other.rank == section.rank(series[at[other.scorer]])
            pair = tuple(sorted((at[row.scorer], at[other.scorer])))
            found, p_adjusted = ranks.differences[pair]
            found = found if pair[0] == at[row.scorer] else found.turned()
            told = (other.difference, other.difference_low, other.difference_high, other.p_value)
            assert told == (found.value, found.low, found.high, p_adjusted)
            compared += 1
            if section.ordered_at is not None:
                # The very numbers that the page has of the two at that amount.
                (meeting,) = [
                    one for one in section.tests.meetings[pair] if one.amount == section.order
                ]
                alone = meeting.difference
                assert (found.value, found.p_value) in [
                    (alone.value, alone.p_value),
                    (alone.turned().value, alone.p_value),
                ]
                at_amounts += 1
    assert compared > 40
    assert at_amounts > 10


def test_no_sentence_says_more_than_its_test():
    told = 0
    for row in every_row():
        text = said("headline", row)
        sign = 1 if row.direction == "higher" else -1
        parts = re.split(r", (?=worse than|not told apart from|better than)|;", text)
        for other in row.neighbours:
            (part,) = [one for one in parts if f"{other.title} (" in one and " is " not in one]
            ahead = sign * (other.difference - (1 if row.scale == "log" else 0)) > 0
            if other.p_value > LEVEL:
                assert part.startswith("not told apart from")
            else:
                assert part.startswith("better than" if ahead else "worse than")
            assert p_value(other.p_value) in part
            told += 1
        if not row.is_control:
            assert text.endswith(f", {BETTER}.") == (row.random == BETTER)
        if row.rank and not row.is_control:
            best, _, worst = row.rank.partition("–")
            assert re.search(rf" is {best}[a-z]+ (to {worst}[a-z]+ )?of {row.scorers},", text)
    assert told > 100


def test_who_cannot_be_told_apart_is_told_what_would_do_it():
    twin = row_of("twin-a", made(samples=64))
    (tie,) = [one for one in twin.neighbours if one.scorer == "twin-b"]
    assert tie.verdict == "tied"
    assert tie.more is not None
    assert tie.more.factor > 1
    assert (tie.more.item, tie.more.now) == ("window", 64)
    assert [one.verdict for one in twin.neighbours if one is not tie] == ["worse", "better"]
    # As many times as many windows as said tell them apart, if they differ by as much.
    sharp = row_of("sharp", made(samples=64))
    assert {one.verdict for one in sharp.neighbours} == {"better"}
    assert [said("next", sharp, one) for one in sharp.neighbours] == [""]


def test_what_is_not_worth_it_is_said_and_not_commanded():
    twin = row_of("twin-a", made(samples=64))
    (tie,) = [one for one in twin.neighbours if one.scorer == "twin-b"]

    def changed(one, **other):
        return one.model_copy(update=other)

    far = changed(tie, more=changed(tie.more, factor=1000.0))
    assert "more than 6,400 windows in place of 64" in said("next", twin, far)
    assert "not worth it" in said("next", twin, far)
    same = changed(tie, more=changed(tie.more, factor=None))
    assert "the same number" in said("next", twin, same)
    crowded = changed(tie, more=changed(tie.more, factor=3.0, clusters=8))
    assert "24 clusters of windows in place of 8" in said("next", twin, crowded)


@pytest.mark.parametrize(
    ("value", "expected"), [(7.2, 8), (16, 16), (99.5, 100), (101, 110), (1234, 1300)]
)
def test_counts_are_rounded_up_to_two_digits(value, expected):
    assert rounded_up(value) == expected


def test_every_command_it_suggests_parses_and_asks_for_more():
    program = typer.main.get_command(app)
    commands = [(row, row.command) for row in every_row() if row.command]
    assert commands
    for row, line in commands:
        _, name, *arguments = shlex.split(line)
        context = program.commands[name].make_context(name, arguments)
        asked = [one.partition("@")[0] for one in context.params["scorer"]]
        tied = [one for one in row.neighbours if one.more and one.more.option]
        assert asked[0] == row.scorer
        assert set(asked[1:]) <= {one.scorer for one in tied}
        options = dict(pair.split("=", 1) for pair in context.params["task_option"])
        assert int(options[tied[0].more.option]) > tied[0].more.now


def test_variants_are_no_rivals_of_their_own_scorer():
    mixed = [Scorer("mixed", lift, {"aggregation": name}) for name, lift in _AGGREGATIONS.items()]
    report = report_on(["mixed"], made(SHARP, BLUNT, RANDOM, *mixed), default_host())
    assert [row.scorers for row in report.rows] == [3, 3]
    assert {row.rank for row in report.rows} == {"2"}
    assert all({one.scorer for one in row.neighbours} == {"sharp", "blunt"} for row in report.rows)
    assert [row.leads for row in report.rows].count(True) == 1


_AGGREGATIONS = {"token-rms": 0.5, "signed-mean": 0.3}


def test_what_applications_share_is_not_said_of_each():
    results = [*made(), *made(model="other"), *made(task="planted-circuit")]
    first, second, third = report_on(["sharp"], results, default_host()).headlines
    assert first.startswith("Compression, made-up: Sharp is 1st of 5")
    assert second.startswith("Compression, other: Sharp is 1st of 5")
    assert third.startswith("Planted-circuit: Sharp ")


def test_a_control_is_what_others_are_all_scorers():
    row = row_of("random", made(SHARP, *TWINS, COIN, RANDOM))
    assert row.rank == ""
    assert row.neighbours == ()
    verdicts = {name: verdict for name, _, verdict in row.all_scorers}
    assert verdicts["Sharp"] == BETTER
    assert verdicts["Coin"] == "not better than random"
    assert "3 of 4 scorers are shown to be better than random, 1 not." in said("headline", row)


def test_scores_that_are_measured_themselves_are_no_competition():
    report = about("lrp")
    rows = [row for row in report.rows if row.numbers]
    assert rows
    assert all(not row.rank and not row.neighbours and not row.random for row in rows)
    assert "no competition" in said("headline", rows[0])


def test_rows_of_other_code_are_counted():
    code = {"suite": "1" * 16, "scorer": "2" * 16}
    results = made(SHARP, BLUNT, RANDOM, control_seeds=1)

    def with_code(result, digests):
        spec = result.spec.model_copy(update={"code": digests})
        return result.model_copy(update={"spec": spec, "key": spec.key})

    (sharp, blunt, random) = [one for _, one in results]
    runs = [
        with_code(sharp, code),
        with_code(blunt, code | {"scorer": "3" * 16}),
        with_code(random, code | {"suite": "4" * 16}),
    ]
    row = row_of("sharp", [(Path(one.spec.path), one) for one in runs])
    assert (row.earlier, row.others) == (1, 2)


def test_what_is_missing_is_said():
    failed = make_result("sharp", status="failed", error="Out of memory.", task="zero-shot")
    results = [*made(), (Path(failed.spec.path), failed)]
    report = report_on(["sharp", "absent"], results, default_host(), not_run=["zero-shot: no data"])
    assert report.not_run[0] == "zero-shot: no data"
    assert "Out of memory." in report.not_run[1]
    assert report.not_run[2] == "absent: no finished result."
    for told in (report.text(), report.markdown(), report.html()):
        assert "absent: no finished result." in told
    with pytest.raises(UnknownNameError, match="sharp"):
        report_on(["sharq"], results, default_host())


@pytest.mark.parametrize("scorer", ["lrp", "wanda", "random"])
def test_all_renderings_have_the_same_sentences_and_numbers(scorer):
    report = about(scorer)
    text, page = report.text(), report.html()
    flat = " ".join(text.split())
    for part in report.parts:
        assert part.title in report.markdown()
        for sentence in part.sentences if not part.is_aside else ():
            assert " ".join(sentence.split()) in flat
            assert sentence in report.markdown()
    assert len(page) > 5000
    assert all(len(line) <= 100 for line in text.splitlines())
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_titles_of_others_are_text_on_the_page():
    hostile = "<script>alert(1)</script>"
    results = [
        (path, one.model_copy(update={"spec": spec, "key": spec.key}))
        for path, one in made()
        for spec in [
            one.spec.model_copy(
                update={"scorer": one.spec.scorer.model_copy(update={"title": hostile})}
            )
        ]
    ]
    page = report_on(["sharp"], results, default_host()).html()
    assert hostile not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Return a folder with a scorer's own results, and one with those of everybody."""
    for _, result in made(SHARP):
        save(tmp_path / "own", result)
    for _, result in made():
        save(tmp_path / "all", result)
    return tmp_path / "own", tmp_path / "all"


def sparc3(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_results_of_others_stand_in(folders, tmp_path):
    own, every = folders
    alone = sparc3("report", "sharp", "--results", own)
    assert "the only scorer there" in alone.output
    done = sparc3("report", "sharp", "--results", own, "--against", every, "--json")
    assert done.exit_code == 0, done.exception
    answer = ReportAnswer.model_validate_json(done.output)
    assert answer.rows[0].scorers == 5
    assert answer.results == len(made())  # nobody's run counts twice
    assert json.loads(done.output)["command"] == "report"


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_it_is_written_to_a_file(name, folders, tmp_path):
    done = sparc3("report", "sharp", "--results", folders[1], "--out", tmp_path / name)
    assert done.exit_code == 0, done.exception
    assert "Sharp is 1st of 5" in (tmp_path / name).read_text()


@pytest.mark.parametrize("wrong", [["sharq"], ["sharp", "--out", "report.pdf"]])
def test_what_is_wrong_is_one_sentence(wrong, folders, tmp_path):
    for folder in (folders[1], tmp_path / "nowhere"):
        done = sparc3("report", *wrong, "--results", folder)
        assert isinstance(done.exception, Sparc3Error)
        assert "\n" not in str(done.exception)
