"""Runs that judge and choose: what is kept of them, and what is made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from integration.tabled import TABLE, Table, Tabled, made, run, whole

from sparc3_bench.record.result import Result
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.score import Score
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import save_model
from sparc3_bench.types.values import Progress


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("choice") / "llama")


@pytest.fixture(autouse=True)
def table() -> Table:
    """Return a fresh table, in which less is left of a score the more is removed."""
    TABLE.__dict__.update(Table(score=lambda case: max(0, 0.5 - case.count / 10)).__dict__)
    return TABLE


def numbers(result: Result) -> dict[str, Any]:
    """Return what was measured, judged and chosen."""
    fields = ("points", "found", "tried", "candidate", "curve", "clusters", "warnings")
    return result.model_dump(mode="json", include=set(fields))


class Stopping(Reporter):
    """Stops a run at its n-th step."""

    def __init__(self, at: int | None = None) -> None:
        super().__init__()
        self.at, self.calls = at, 0

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def steps(self, label: str) -> Iterator[Progress]:
        def step(done: int, total: int) -> None:
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt

        yield step


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
def test_interrupted_run_goes_on_and_writes_and_reads_nothing_twice(model, tmp_path, table, share):
    (cell,), counting = made(model, "gradient", controls=2), Stopping()
    expected = whole(run_cell(cell, Place(tmp_path / "once", counting), "once")[0])
    written, read = Counter(table.written), Counter(table.read)
    assert (table.asked, table.learned) == ([0], 1)
    assert max(written.values()) == 1
    table.written.clear()
    table.read.clear()
    stop = Stopping(1 + int(share * (counting.calls - 1)))
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, Place(tmp_path / "twice", stop), "stopped")
    result, responses = run_cell(cell, Place(tmp_path / "twice", Stopping()), "resumed")
    whole(result)
    assert numbers(result) == numbers(expected)
    assert Counter(table.written) == written
    assert Counter(table.read) == read
    assert table.asked == [0, 0]
    assert responses.record() == result.responses


def test_finished_run_is_made_of_what_is_kept(model, tmp_path, table):
    first = whole(run(model, tmp_path, "gradient", controls=2))
    known = len(table.written), len(table.read), len(table.asked)
    assert numbers(whole(run(model, tmp_path, "gradient", controls=2))) == numbers(first)
    assert (len(table.written), len(table.read), len(table.asked)) == known


def test_another_judge_reads_what_was_written(model, tmp_path, table):
    one = whole(run(model, tmp_path, "gradient", controls=1))
    written, read = list(table.written), len(table.read)
    other = whole(run(model, tmp_path, "gradient", controls=1, judge="mild"))
    assert table.written == written
    assert len(table.read) == 2 * read
    assert (one.spec.judge.name, other.spec.judge.name) == ("table", "mild")
    assert one.key != other.key
    for point, mild in zip(one.points, other.points, strict=True):
        assert mild.metrics["score"] == pytest.approx(point.metrics["score"] / 2)
        assert mild.control["score"] == pytest.approx([s / 2 for s in point.control["score"]])
        assert mild.samples["cost"] == point.samples["cost"]


@pytest.mark.parametrize("name", ["most", "reverse", "steer"])
def test_options_that_steer_make_nothing_be_written_again(model, tmp_path, table, name):
    options = {"reverse": "false"}
    whole(run(model, tmp_path, "weighed", task_options=options))
    known, read = len(table.written), len(table.read)
    # The reverse of a ranking is new; the ranking itself is not.
    more = {"most": "0.2", "reverse": "true", "steer": "3"}[name]
    result = whole(run(model, tmp_path, "weighed", task_options={**options, name: more}))
    assert len(table.written) - known == (3 if name == "reverse" else 0)
    assert (len(table.read) > read) is (name == "reverse")
    assert str(result.spec.task.options[name]).lower() == more
    whole(run(model, tmp_path, "weighed", task_options={**options, "style": "other"}))
    assert len(table.written) == 2 * known + (3 if name == "reverse" else 0)


def test_option_that_steers_the_reference_moves_scores_alone(model, tmp_path, table):
    options = {"reverse": "false"}
    one = whole(run(model, tmp_path, "gradient", task_options=options))
    other = whole(run(model, tmp_path, "gradient", task_options={**options, "steer": "3"}))
    assert (table.asked, table.learned) == ([0], 2)
    assert one.sketch.levels != other.sketch.levels
    alone = whole(run(model, tmp_path / "b", "gradient", task_options={**options, "steer": "3"}))
    assert numbers(alone) == numbers(other)
    dense = [what for what in table.written if what == ("test", frozenset())]
    assert len(dense) == 2


def test_means_of_another_reference_are_not_taken_for_ones_own(model, tmp_path, table):
    asked = {"ablation": "mean", "amounts": [2], "amount_kind": "count"}
    options = {"reverse": "false"}
    for steer, times in ((0, 1), (0, 1), (3, 2)):
        whole(run(model, tmp_path, task_options={**options, "steer": str(steer)}, **asked))
        # The dense model has no means, and is measured once.
        assert Counter(len(gone) for _, gone in table.written) == {0: 2, 2: 2 * times}


def test_scorer_without_a_reference_does_not_make_the_task_meet_the_model(model, tmp_path, table):
    whole(run(model, tmp_path, "magnitude"))
    assert (table.asked, table.learned, table.ranked) == ([], 0, [])
    whole(run(model, tmp_path, "gradient"))
    assert (table.asked, table.learned, table.ranked) == ([0], 1, [("task", "other")])


def test_scores_of_one_purpose_are_not_taken_for_those_of_another(model, tmp_path):
    (cell,) = made(model, "gradient")
    assert cell.purposes == ("task", "other")
    fresh, kept = (
        {purpose: place.get(Score(cell, purpose)) for purpose in cell.purposes}
        for place in (Place(tmp_path, Reporter()), Place(tmp_path, Reporter()))
    )
    for name, values in fresh["task"].items():
        assert not torch.equal(values, fresh["other"][name])
        assert all(torch.equal(kept[purpose][name], fresh[purpose][name]) for purpose in kept)


def test_task_meets_the_model_once_for_all_scorers_of_a_plan(model, tmp_path, table):
    cells, together = made(model, ["gradient", "wanda", "lrp"]), Place(tmp_path, Reporter())
    assert len(cells) == 3
    for cell in cells:
        whole(run_cell(cell, together, cell.scorer.name)[0])
    assert (table.asked, table.learned) == ([0], 1)


def test_scorer_without_a_reference_has_its_own_ranking_even_where_means_are_needed(
    model, tmp_path, table
):
    zero = whole(run(model, tmp_path, "magnitude"))
    table.written.clear()
    mean = whole(run(model, tmp_path, "magnitude", ablation="mean"))
    assert table.ranked == []
    assert table.asked == [0]
    assert mean.sketch == zero.sketch


@pytest.mark.parametrize("schedule", ["one-shot", "blockwise"])
def test_dense_model_is_back_when_what_takes_it_is_asked(
    model, tmp_path, table, schedule, monkeypatch
):
    if schedule == "blockwise":  # which goes with tasks that choose nothing
        monkeypatch.setattr(Tabled, "choice", None)
    asked = {"amounts": [0.1, 0.5], "amount_kind": "fraction", "schedule": schedule}
    whole(run(model, tmp_path, "magnitude", **asked))
    assert {len(gone) for part, gone in table.written if part == "test"} == {0, 12, 72}
    assert table.after == [0] * len(table.written)
