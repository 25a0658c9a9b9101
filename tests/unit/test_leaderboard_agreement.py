"""Agreement: which pruned models were measured twice, and what two metrics of them say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from unit.results import make_result
from unit.retained import answered, both, pairs, perplexed
from unit.site_pages import drawn, every_page

from sparc3_bench.comparison.phrasing import coefficient_text
from sparc3_bench.comparison.tables import split
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.agreement import Agreement, agreements
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.leaderboard.sentences import said
from sparc3_bench.record.result import Result

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}"
SIX = {"wanda": 0.9, "lrp": 0.85, "gradient": 0.7, "fisher": 0.5, "magnitude": 0.3, "random": 0.0}


def found(results: list[Result]) -> Agreement | None:
    made = boards(split(pairs(*results))[0])
    told = agreements(made, default_host())
    every = {id(one): one for members in told.values() for one in members}
    assert len(every) <= 1
    return next(iter(every.values()), None)


def changed(result: Result, **spec: Any) -> Result:
    """Return a result of another spec."""
    own = result.spec.model_copy(update=spec)
    return result.model_copy(update={"spec": own, "key": own.key})


def test_pruned_models_are_those_measured_in_both_tasks():
    one = found(both(SIX))
    assert one is not None
    assert (one.x.metric.name, one.y.metric.name) == ("perplexity", "accuracy")
    # Not the dense model, which is the same for all.
    assert len(one.pairs) == 6 * 2
    assert {pair[0].point.amount.requested for pair in one.pairs} == {0.3, 0.5}
    for left, right in one.pairs:
        assert left.series.scorer.name == right.series.scorer.name
        assert left.point.amount == right.point.amount
    assert len(one.dense) == 1
    assert one.x.is_log
    assert not one.y.is_log


def test_a_relation_is_told_with_its_direction_and_its_interval():
    one = found(both(SIX))
    assert [line.words for line in one.lines] == [
        "all",
        "without controls",
        "30\N{NO-BREAK SPACE}% sparsity",
        "50\N{NO-BREAK SPACE}% sparsity",
    ]
    rank = one.lines[0].spearman
    assert rank.value < -0.9
    assert rank.low <= rank.value <= rank.high < 0
    assert one.lines[0].pearson.value < -0.9
    assert said("agreement", one).startswith(
        "Over 12 pruned models, mean accuracy over benchmarks falls as perplexity rises: Spearman −"
    )
    both_ways = (
        "what does better in one tends to do better in the other. Without controls: Spearman −"
    )
    assert both_ways in said("agreement", one)
    without = found(both({name: merit for name, merit in SIX.items() if name != "random"}))
    assert said("agreement", without).endswith(
        "what does better in one tends to do better in the other."
    )


def test_what_does_better_in_one_may_do_worse_in_the_other():
    turned = [
        answered(name, (1.0, 0.5 + 0.4 * harm, 0.2 + 0.6 * harm))
        if task == "zero-shot"
        else perplexed(name, (20.0, 20 + 30 * harm, 20 + 80 * harm))
        for name, harm in {name: 1 - merit for name, merit in SIX.items()}.items()
        for task in ("zero-shot", "compression")
    ]
    at_half = next(line for line in found(turned).lines if line.words.startswith("50"))
    assert at_half.spearman.value == pytest.approx(1)


def test_without_a_relation_it_cannot_be_told():
    results = both(SIX)
    merits = dict(zip(SIX, (0.5, 0.9, 0.0, 0.85, 0.7, 0.3), strict=True))
    mixed = [one for one in results if one.spec.task.name == "compression"]
    mixed += [one for one in both(merits) if one.spec.task.name == "zero-shot"]
    told = said("agreement", found(mixed))
    assert told.startswith("From 12 pruned models it cannot be told whether mean accuracy")
    assert "goes with perplexity: Spearman" in told


def test_of_fewer_than_five_models_only_their_number_is_said():
    one = found(both({"wanda": 0.9, "lrp": 0.5}))
    assert len(one.pairs) == 4
    assert one.lines == ()
    assert said("agreement", one).startswith(
        "4 pruned models were measured in both perplexity and mean"
    )
    one = found([answered(left=(1.0, 0.8), amounts=(0.0, 0.5)), perplexed("wanda", (20, 30, 40))])
    assert said("agreement", one).startswith("1 pruned model was measured in both")


def test_many_models_of_few_scorers_are_too_few():
    seeds = [one for seed in range(4) for one in both({"random": 0.0, "wanda": 0.8}, seed=seed)]
    one = found(seeds)
    assert len(one.pairs) == 16
    assert "of 2 scorers only, which is too few for an interval" in said("agreement", one)
    assert said("agreement", one).startswith("From 16 pruned models it cannot be told")


@pytest.mark.parametrize(
    "spec",
    [
        {"seed": 1},
        {"group": "layer"},
        {"unit": "neuron"},
        {"objective": "logit-sum"},
        {"schedule": "blockwise"},
        {"scope": "mlp"},
        {"ablation": "mean"},
        {"removal": "highest"},
        {"amount_kind": "count"},
    ],
)
def test_another_mask_is_no_pair(spec):
    ours, theirs = both({"wanda": 0.9})
    assert found([ours, theirs]) is not None
    assert found([ours, changed(theirs, **spec)]) is None


def test_other_weights_options_or_reference_samples_are_no_pair():
    ours, theirs = both({"wanda": 0.9})
    scorer, model = theirs.spec.scorer, theirs.spec.model
    for update in (
        {"model": model.model_copy(update={"weight_digest": "f" * 64})},
        {"scorer": scorer.model_copy(update={"options": {"power": 2}})},
        {"datasets": theirs.spec.datasets[1:]},
    ):
        assert found([ours, changed(theirs, **update)]) is None, update
    assert found([ours, changed(theirs, scorer=scorer.model_copy(update={"version": "9"}))])


def test_options_that_came_later_have_their_defaults():
    ours, theirs = both({"lrp": 0.9})
    later, earlier = (
        {"aggregation": "token-rms", "by_sample": False},
        {"aggregation": "token-rms"},
    )
    ours = changed(ours, scorer=ours.spec.scorer.model_copy(update={"options": later}))
    theirs = changed(theirs, scorer=theirs.spec.scorer.model_copy(update={"options": earlier}))
    assert len(found([ours, theirs]).pairs) == 2
    other = {"aggregation": "token-rms", "by_sample": True}
    ours = changed(ours, scorer=ours.spec.scorer.model_copy(update={"options": other}))
    assert found([ours, theirs]) is None


def test_one_number_format_goes_before_two_and_two_are_said():
    formats = {name: [one for one in both(SIX, dtype=name)] for name in ("float32", "bfloat16")}
    ours = [one for one in formats["float32"] if one.spec.task.name == "zero-shot"]
    theirs = [one for one in formats["bfloat16"] if one.spec.task.name == "compression"]
    one = found([*ours, *theirs])
    assert len(one.pairs) == 12
    (told,) = one.remarks
    assert told.startswith(
        "None of 12 pairs was run alike in both tasks (bfloat16 on cpu and float32"
    )
    alike = [one for one in formats["float32"] if one.spec.task.name == "compression"]
    one = found([*ours, *theirs, *alike[:2]])
    assert len(one.pairs) == 12
    assert one.remarks[0].startswith("8 of 12 pairs were not run alike in both tasks")
    assert found([*ours, *alike]).remarks == []


def test_the_scorers_code_is_compared():
    ours, theirs = both({"wanda": 0.9})
    other = theirs.spec.scorer.model_copy(update={"source_digest": "6" * 16})
    (told,) = found([ours, changed(theirs, scorer=other)]).remarks
    assert told.startswith("In 2 of 2 pairs the two runs had different states of the scorer's code")


def test_other_items_are_not_pooled():
    results = both(SIX)
    other = [
        changed(
            one,
            datasets=(
                one.spec.datasets[0],
                one.spec.datasets[1].model_copy(update={"token_digest": "1" * 64}),
            ),
        )
        for one in results[::2][:3]
    ]
    # Those items that most pruned models were measured on.
    assert len(found([*results, *other]).pairs) == 12


def test_a_run_that_was_made_again_counts_once():
    results = both({"wanda": 0.9})
    again = perplexed("wanda", (20.0, 30.0), amounts=(0.0, 0.5), created="2027-01-02T03:04:05Z")
    one = found([*results, again])
    assert len(one.pairs) == 2
    assert {pair[0].value for pair in one.pairs if pair[0].point.amount.requested == 0.5} == {30.0}


def test_another_model_or_the_same_task_is_no_agreement():
    ours, theirs = both({"wanda": 0.9})
    model = theirs.spec.model.model_copy(update={"id": "other", "slug": "other"})
    assert found([ours, changed(theirs, model=model)]) is None
    assert found([theirs, changed(theirs, unit="neuron")]) is None


def test_pages_of_both_tasks_show_it_and_their_sections_lead_there():
    made = every_page(pairs(*both(SIX)))
    shown = [name for name in made if name.startswith("boards/")]
    assert len(shown) == 2
    for name in shown:
        text = made[name]
        assert "Does perplexity tell of mean accuracy over benchmarks?" in text
        assert text.count("one by one") == 1
        assert len(re.findall(r'<tr[^>]*><th scope="row"[^>]*data-value="[^"]*">', text)) >= 12
        (chart,) = drawn(text, "scatter")
        assert sum(len(row["points"]) for row in chart["rows"]) == 12
    (id,) = set(re.findall(r'h2 id="(with-[^"]+)"', made[shown[0]]))
    for name, text in made.items():
        if name.startswith("sections/"):
            assert f"#{id}" in text, name


@pytest.mark.parametrize(("seeds", "words"), [(1, "2 pruned models were"), (4, "of 1 scorer only")])
def test_too_few_are_a_sentence_without_a_drawing(seeds, words):
    some = [one for seed in range(seeds) for one in both({"wanda": 0.9}, seed=seed)]
    made = every_page(pairs(*some))
    boards_ = [text for name, text in made.items() if name.startswith("boards/")]
    assert all(words in text for text in boards_)
    assert not any(drawn(text, "scatter") for text in boards_)
    assert not any("pruned models" in t for n, t in made.items() if n.startswith("sections/"))


def test_a_board_alone_says_nothing_of_others():
    made = every_page(pairs(make_result("wanda"), make_result("lrp")))
    assert not any("tell of" in text for name, text in made.items() if name.startswith("boards/"))


def test_numbers_that_are_all_equal_are_no_error():
    made = every_page(pairs(*both(dict.fromkeys(SIX, 1.0))))
    (text, _) = [text for name, text in made.items() if name.startswith("boards/")]
    assert "12 pruned models were measured in both" in text


def test_words_of_strangers_are_escaped():
    made = every_page(pairs(*both(SIX, title=HOSTILE)))
    for name, text in made.items():
        if name.startswith(("sections/", "boards/")):
            assert "<script>alert" not in text, name
            assert "<img" not in text, name
            assert "{{ 7*7 }}" in text, name


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.999, "−0.99"), (-1.0, "−1.00"), (0.0001, "0.00"), (-0.0001, "0.00"), (0.456, "0.46")],
)
def test_only_what_is_one_is_written_as_one(value, text):
    assert coefficient_text(value) == text
