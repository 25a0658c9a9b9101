"""Short runs: every task can be shortened alike, and they are never beside whole ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sparc3_tasks.compression import Compression
from unit.results import make_result
from unit.site_pages import every_page

from sparc3_bench.comparison.phrasing import convention_text
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.leaderboard.submission import review
from sparc3_bench.record.files import write_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.options import limited

TASKS = default_host().all("task")
MOST = 2


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_is_shortened_and_a_record_of_it_asks_for_the_same(name):
    task = TASKS[name].cls()
    short, limit = limited(task, MOST)
    assert limit == MOST
    assert task.sample_counts
    changed = {one for one, value in short.options().items() if value != task.options()[one]}
    assert changed <= set(task.sample_counts)
    assert all(1 <= getattr(short, one) <= MOST for one in task.sample_counts)
    assert limited(short, MOST) == (short, MOST)


def test_a_limit_that_leaves_nothing_out_is_none_and_all_there_are_is_shortened():
    assert limited(Compression(), 10**6) == (Compression(), None)
    every, _ = limited(Compression(evaluation_windows=0), MOST)
    assert every.evaluation_windows == MOST


def test_a_task_that_names_no_counts_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Silent(Compression):
        name = "silent"
        sample_counts = ()

    with pytest.raises(Sparc3Error, match="cannot be shortened; leave `--limit` out"):
        limited(Silent(), MOST)


def short(result: Result) -> Result:
    spec = result.spec.model_copy(update={"limit": MOST})
    return result.model_copy(update={"spec": spec, "key": spec.key})


def test_short_runs_stand_by_themselves_lead_nowhere_and_say_so():
    whole = [make_result("wanda"), make_result("magnitude", (21.0, 44.0))]
    results = [*whole, *map(short, whole)]
    sections, _ = split((Path(one.spec.path), one) for one in results)
    assert [len(one.series) for one in sections] == [2, 2]
    (alone,), _ = split((Path(one.spec.path), one) for one in whole)
    assert alone.id in {one.id for one in sections}
    (board,) = boards(sections)
    told = {entry.spec.limit: entry.words for entry in board.sections}
    assert told[MOST] == f"{told[None]}, short: at most {MOST} samples"
    assert all(entry.spec.limit is None for entry in board.leading)
    assert convention_text(short(whole[0]).spec).endswith(f"short: at most {MOST} samples")


def test_the_first_page_opens_with_how_many_runs_are_short():
    def opening(*results: Result) -> str:
        page = every_page([(Path(one.spec.path), one) for one in results])["index.html"]
        return page.partition("<section")[0]

    whole = [make_result("wanda"), make_result("magnitude", (21.0, 44.0))]
    assert "short" not in opening(*whole)
    assert "1 of these runs is short" in opening(*whole, short(whole[0]))
    assert "All of these runs are short" in opening(*map(short, whole))


def test_a_short_run_is_not_taken(tmp_path):
    result = short(make_result())
    write_result(tmp_path / "a.json", result)
    errors = review(tmp_path / "a.json", tmp_path / "all", default_host()).errors
    assert f"The run is short: at most {MOST} samples; only whole runs are taken." in errors


def test_the_question_of_a_spec_knows_whose_code_answers_it_no_more():
    spec = make_result().spec
    other = {"distribution": "b", "version": "2", "source_digest": "0" * 16}
    again = spec.model_copy(
        update={
            "code": {"suite": "1" * 16},
            "task": spec.task.model_copy(update=other),
            "batch_size": None,
        }
    )
    assert again.key != spec.key
    assert again.question == spec.question
    newer = spec.task.model_copy(update={"task_version": spec.task.task_version + 1})
    for changes in ({"task": newer}, {"seed": 7}, {"limit": 3}):
        assert spec.model_copy(update=changes).question != spec.question
