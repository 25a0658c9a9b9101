"""Retention: shares of the dense model's numbers on the same items, with what may be guessed."""

from __future__ import annotations

import re

import pytest
from unit.results import make_result
from unit.retained import answered, pairs
from unit.site_pages import drawn, every_page, render

from sparc3_bench.comparison.ranks import draws_of
from sparc3_bench.comparison.retention import Benchmark, retention
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.record.result import Result

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}"


def section_of(*results: Result) -> Section:
    (section,), _ = split(pairs(*results))
    return section


def found(*results: Result) -> tuple[Benchmark, ...]:
    section = section_of(*results)
    return retention(section, draws_of(section))


def cells(page: str, title: str) -> list[str]:
    """Return the cells of every table row that starts with a title, as texts."""
    rows = re.findall(r"<tr>\s*<th scope=\"row\"[^>]*>([^<]*)</th>(.*?)</tr>", page, re.DOTALL)
    texts = [
        re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", rest)) for name, rest in rows if title in name
    ]
    return texts


def test_what_is_left_is_a_share_of_the_dense_model_on_each_benchmark():
    rows = found(answered(left=(1.0, 0.9, 0.5)))
    names = [(one.metric.name, one.samples) for one in rows]
    assert names == [
        ("accuracy", ""),
        ("piqa_acc", "piqa"),
        ("piqa_acc_norm", "piqa"),
        ("lambada_openai_acc", "lambada_openai"),
    ]
    for one in rows:
        assert one.kept[0.3, 0].centre == pytest.approx(0.9)
        assert one.kept[0.5, 0].centre == pytest.approx(0.5)
        low, high = one.kept[0.5, 0].interval
        assert low < 0.5 < high


def test_the_interval_is_of_the_same_items_before_and_after():
    (_, one, *_) = found(answered(left=(1.0, 1.0, 0.9)))
    # Nothing was answered otherwise: whatever items are drawn, all is left.
    assert one.kept[0.3, 0].interval == (1.0, 1.0)
    low, high = one.kept[0.5, 0].interval
    # Of two independent samples of 100 items it would be about 0.34 wide.
    assert 0.05 < high - low < 0.2


def test_scorers_that_are_told_apart_have_other_ranks():
    rows = found(
        answered("wanda", (1.0, 1.0, 0.95)),
        answered("lrp", (1.0, 1.0, 0.93)),
        answered("magnitude", (1.0, 1.0, 0.3)),
    )
    assert [rows[0].ranks[0.5, place] for place in range(3)] == ["1–2", "1–2", "3"]
    assert {rows[0].ranks[0.3, place] for place in range(3)} == {"1–3"}


def test_what_may_be_guessed_is_told_apart_from_what_is_left():
    rows = {one.metric.name: one for one in found(answered(left=(1.0, 0.98, 0.72)))}
    piqa, lambada = rows["piqa_acc"], rows["lambada_openai_acc"]
    assert piqa.chance == 0.5
    assert not piqa.is_guessing
    # 50.4 % right of two answers each: 72 % of the dense model, and yet nothing.
    assert piqa.guessing == {(0.5, 0)}
    assert lambada.guessing == frozenset()
    page = render(pairs(answered(left=(1.0, 0.98, 0.72))))
    assert any(
        "not better than guessing" in text for text in cells(page, "PIQA: accuracy, chance 50%")
    )
    assert not any("not better than guessing" in text for text in cells(page, "LAMBADA"))


def test_a_benchmark_that_the_dense_model_cannot_do_is_left_out():
    rows = found(answered(dense={"piqa": 0.7, "lambada_openai": 0.0}))
    assert "lambada_openai_acc" not in {one.metric.name for one in rows}
    assert "piqa_acc" in {one.metric.name for one in rows}


def test_so_few_right_answers_that_a_draw_may_have_none_give_no_interval():
    rows = {
        one.metric.name: one for one in found(answered(dense={"piqa": 0.7, "lambada_openai": 0.03}))
    }
    assert rows["lambada_openai_acc"].kept[0.5, 0].interval is None
    assert rows["piqa_acc"].kept[0.5, 0].interval is not None


def test_seeds_of_a_scorer_are_one_column_with_their_range():
    (_, one, *_) = found(
        answered("random", (1.0, 0.6, 0.2), seed=0, is_control=True),
        answered("random", (1.0, 0.8, 0.4), seed=1, is_control=True),
        answered("random", (1.0, 0.9, 0.5), seed=2, is_control=True),
    )
    value = one.kept[0.5, 0]
    assert (value.low, value.centre, value.high) == pytest.approx((0.2, 0.4, 0.5), abs=0.01)
    assert one.ranks == {}


def test_runs_of_other_amounts_stand_beside_one_another():
    (first, *_) = found(
        answered("wanda", (1.0, 0.9, 0.8)), answered("lrp", (1.0, 0.7), amounts=(0.0, 0.5))
    )
    places = {
        one.scorer.name: at
        for at, one in enumerate(
            section_of(
                answered("wanda", (1.0, 0.9, 0.8)), answered("lrp", (1.0, 0.7), amounts=(0.0, 0.5))
            ).series
        )
    }
    assert (0.3, places["lrp"]) not in first.kept
    assert (0.3, places["wanda"]) in first.kept


@pytest.mark.parametrize(
    "results",
    [
        [make_result("wanda"), make_result("lrp")],
        [answered(), answered("lrp")],
        [answered(left=(1.0,), amounts=(0.0,))],
    ],
    ids=["no benchmarks", "another version", "nothing removed"],
)
def test_there_is_no_table_where_nothing_can_be_told(results, request):
    if "another version" in request.node.name:
        results = [
            one.model_copy(update={"spec": spec, "key": spec.key})
            for one in results
            for spec in [
                one.spec.model_copy(
                    update={"task": one.spec.task.model_copy(update={"task_version": 99})}
                )
            ]
        ]
    assert found(*results) == ()
    assert "Retention" not in render(pairs(*results))


def test_a_run_without_samples_leaves_the_others_theirs():
    bare = answered("lrp", (1.0, 0.95, 0.9))
    bare = bare.model_copy(
        update={"points": tuple(p.model_copy(update={"samples": {}}) for p in bare.points)}
    )
    rows = found(bare, answered("wanda"))
    assert {place for _, place in rows[0].kept} == {1}
    assert found(bare) == ()


def test_one_scorer_at_one_amount_has_a_drawing_and_a_table():
    page = render(pairs(answered(left=(1.0, 0.8), amounts=(0.0, 0.5))))
    assert len([one for one in drawn(page) if one.get("small")]) == 3
    assert page.count('<table class="retention"') == 1
    assert "<summary>The same at" not in page
    assert all("80" in text for text in cells(page, "Mean accuracy"))


def test_every_amount_has_a_table_and_every_set_of_items_a_drawing():
    page = render(pairs(answered(), answered("lrp", (1.0, 0.95, 0.9))))
    assert page.count('<table class="retention"') == 2
    assert "The same at 30\N{NO-BREAK SPACE}% sparsity" in page
    assert len([one for one in drawn(page) if one.get("small")]) == 3
    # Guessing is drawn where it is more than nothing: on the mean and on PIQA.
    assert sum(bool(one["metrics"][0].get("chance")) for one in drawn(page, "curves")) == 2


def test_words_of_strangers_are_escaped():
    made = every_page(pairs(answered(title=HOSTILE), answered("lrp", model="tiny-llama")))
    for name, text in made.items():
        if name.startswith(("sections/", "boards/")):
            assert "<script>alert" not in text, name
            assert "<img" not in text, name
