"""The sentences of the first page: right on boards of known truth, and no more than their tests."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path

from board import BLUNT, COIN, RANDOM, SCORERS, SHARP, TWINS, section, write_board
from scipy.stats import binom
from unit.results import make_result
from unit.site_pages import drawn, every_page
from unit.test_leaderboard_site import pairs

from sparc3_bench.comparison.control_verdict import BETTER
from sparc3_bench.comparison.tables import split
from sparc3_bench.leaderboard.answers import Answer, how_good, how_sure
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.leaderboard.sentences import said
from sparc3_bench.record.files import read_results
from sparc3_bench.record.result import Result

BOARDS = 200


def answered(*results: Result) -> list[Answer]:
    sections, _ = split((Path(f"{at}.json"), result) for at, result in enumerate(results))
    leading = [one for board in boards(sections) for one in board.leading]
    return [Answer(one, one.tests.ranks) for one in leading if one.tests.ranks]


@functools.cache
def answer(seed: int) -> Answer:
    """Return what is answered of a made-up board."""
    (found,) = answered(*section(seed, SCORERS, intervals=False))
    return found


def told_apart(one: Answer, first: int, second: int) -> bool:
    difference, p_value = one.ranks.differences[min(first, second), max(first, second)]
    return p_value <= 0.05 and difference.sign != 0


def test_the_best_scorer_is_among_the_leaders_at_the_nominal_rate() -> None:
    wrong = sum(
        SHARP.name not in {row.scorer.name for row in answer(seed).leaders.values()}
        for seed in range(BOARDS)
    )
    assert wrong <= binom.ppf(0.999, BOARDS, 0.05)


def test_of_each_unit_the_section_of_most_scorers_is_the_first_of_its_board() -> None:
    few = section(0, [SHARP, BLUNT], samples=16, intervals=False)
    results = enumerate([*few, *section(0, SCORERS, intervals=False)])
    sections, _ = split((Path(f"{at}.json"), result) for at, result in results)
    assert [len(one.scorers) for one in sections] == [2, sum(not s.is_control for s in SCORERS)]
    (board,) = boards(sections)
    assert board.sections == sections[::-1]
    assert board.leading == sections[1:]


def test_no_sentence_says_more_than_its_test() -> None:
    for seed in range(BOARDS):
        one = answer(seed)
        leaders, others = set(one.leaders), set(one.scorers) - set(one.leaders)
        # Who ties is not told apart from any other that does.
        assert not any(told_apart(one, *pair) for pair in itertools.combinations(leaders, 2))
        found = re.search(
            r"ahead of (?:(\d+) of )?the other (?:(\d+) )?scorers?", said("lead", one)
        )
        ahead = {p for p in others if all(told_apart(one, at, p) for at in leaders)}
        claimed = 0
        if found:
            assert int(found[2] or 1) == len(others)
            claimed = int(found[1] or found[2] or 1)
        if "not " not in said("lead", one):
            assert claimed == len(ahead)
        told = said("lead", one)
        assert all(row.scorer.title in told for row in one.leaders.values())
        sure = {
            r.scorer.title for r in one.leaders.values() if one.section.beside_random(r) == BETTER
        }
        if "only" in said("random", one):
            assert all(name in said("random", one) for name in sure)
        assert {r.scorer.title for r in one.sure} == sure
        told = said("random", one)
        assert ("All of these" in told or "It is shown" in told) == (len(sure) == len(leaders))


def test_the_cheapest_is_named_from_one_kind_of_machine_only() -> None:
    runs = list(section(1, (*TWINS, BLUNT, COIN, RANDOM), intervals=False))
    (one,) = answered(*runs)
    assert len(one.leaders) > 1
    seconds = {row.scorer.title: row.cost().centre for row in one.leaders.values()}
    cheapest = min(seconds, key=lambda title: seconds[title])
    if "costs least" in said("cost", one):
        assert f"{cheapest} costs least" in said("cost", one)
    moved = []
    for at, run in enumerate(runs):
        elsewhere = run.environment.model_copy(update={"processor": f"Another {at}"})
        moved.append(run.model_copy(update={"environment": elsewhere}))
    (alone,) = answered(*moved)
    assert said("cost", alone) == ""


def test_the_first_page_answers_and_draws_for_every_task(tmp_path: Path) -> None:
    write_board(tmp_path, 40)
    found = list(read_results(tmp_path))
    page = every_page(found)["index.html"]
    told = answered(*(result for _, result in found))
    assert told
    text = re.sub(r"<[^>]+>", "", page)
    for one in told:
        assert said("answer", one) in text.replace("&lt;", "<").replace("&#39;", "'")
    short = [one.in_short for one in told]
    assert how_good(short) in text
    assert how_sure(short) in text
    assert len(drawn(page, "scatter")) == len({one.section.spec.task.name for one in told})


def at_cost(run: Result, seconds: float) -> Result:
    spent = run.cost["attribution"].model_copy(update={"seconds": seconds})
    return run.model_copy(update={"cost": {**run.cost, "attribution": spent}})


def test_a_cheaper_scorer_is_named_where_it_beats_random_and_takes_half_of_the_time() -> None:
    twin = TWINS[0].name
    for seconds, part in (
        (10.0, ""),
        (6.0, ""),
        (2.0, "about a fifth"),
        (0.5, "less than a tenth"),
    ):
        runs = (
            at_cost(run, seconds if run.spec.scorer.name == twin else 10.0)
            for run in section(5, SCORERS, intervals=False)
        )
        (one,) = answered(*runs)
        (lead,) = (row.scorer.title for row in one.leaders.values())
        (name,) = (r.scorer.title for r in one.scorers.values() if r.scorer.name == twin)
        who = f"{name}, which does not lead and is shown to be better than random, takes"
        assert said("cheaper", one) == (f"{who} {part} of the time of {lead}." if part else "")
        assert said("answer", one).endswith(said("cheaper", one) or said("random", one))
    # A scorer that knows nothing is not recommended however cheap it is.
    runs = (
        at_cost(run, 0.1 if run.spec.scorer.name == COIN.name else 10.0)
        for run in section(5, SCORERS, intervals=False)
    )
    (one,) = answered(*runs)
    assert said("cheaper", one) == ""


def test_a_task_on_two_models_has_a_column_for_each() -> None:
    runs = [run for model in ("one", "two") for run in section(3, model=model, intervals=False)]
    made = every_page([(Path(f"{at}.json"), run) for at, run in enumerate(runs)])
    boards_made = [text for name, text in made.items() if name.startswith("boards/")]
    assert len(boards_made) == 2
    ((name, text),) = [(name, text) for name, text in made.items() if name.startswith("models/")]
    assert all(f'href="../{name}"' in text for text in boards_made)
    head, _, body = text.partition("</table>")[0].partition("<tbody>")
    assert re.findall(r">(one|two)</a>", head) == ["one", "two"]
    ranks = re.findall(r"<b>([\d–]+)</b>", body)
    assert len(ranks) == 2 * len([one for one in SCORERS if not one.is_control])
    first = [int(rank.partition("–")[0]) for rank in ranks[::2]]
    assert first == sorted(first)
    assert "On 1 other model" in made["index.html"]


def test_without_tests_nothing_is_claimed() -> None:
    page = every_page(pairs(make_result("wanda"), make_result("lrp")))["index.html"]
    assert "What to use for what" not in page
    assert "How good?" not in page
