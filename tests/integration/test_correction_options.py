"""Options of corrections: what they change, what they leave, and one sentence for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from integration.correcting import BY_SAMPLE, made, made_up, options, run, save_prompts
from sparc3_tasks.correction.looping import RepetitionCorrection
from sparc3_tasks.correction.toxicity import ToxicityCorrection

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.result import Result
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.options import build
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.facts import Learned
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.rank import Rank
from sparc3_bench.testing.tiny import save_model

TOXICITY, REPETITION = "toxicity-correction", "repetition-correction"
CLASSES = {TOXICITY: ToxicityCorrection, REPETITION: RepetitionCorrection}
BOTH = pytest.mark.parametrize("task", CLASSES)
ONE = {"contrast": "difference"}
ERRORS = {"aggregation": "signed-mean", "standard_error": "true"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    with made_up(tmp_path_factory.mktemp("correction")) as folder:
        yield folder


@pytest.fixture(scope="module")
def kept(folder) -> Path:
    """Return a cache that the tests below share."""
    return folder / "cache"


def whole(result: Result) -> Result:
    assert (result.status, result.error) == ("ok", None)
    return result


def refused(task: str, changes: dict[str, Any], folder: Path) -> str:
    with pytest.raises(Sparc3Error) as caught:
        made(folder, task, task_options=changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"contrast": "diference"},
            "must be 'auto', 'difference', 'unit-mass', 't-statistic', 'set-difference', "
            "'general' or 'undesired', got 'diference'.",
        ),
        ({"threshold": 0}, "must be greater than 0, got '0'."),
        ({"threshold": 1.1}, "must be less than or equal to 1, got '1.1'."),
        ({"threshold": "nan"}, "must be less than or equal to 1, got 'nan'."),
        ({"low_part": 0}, "must be greater than 0, got '0'."),
        (
            {"control_count": 10},
            "`control_count` is 10, more than the 9 test prompts it is taken from.",
        ),
        (
            {"samples": 2, "greedy": "true"},
            "Greedy continuations of one prompt are all the same, and 2 samples are asked for; ask "
            "for one, or set `greedy` to false.",
        ),
        ({"general": "all"}, "'matched', 'windows' or 'both', got 'all'."),
        ({"normalise": "l1"}, "'none', 'tokens' or 'mass', got 'l1'."),
        ({"test_count": 0}, "must be greater than or equal to 1, got '0'."),
        ({"last_words": -1}, "must be greater than or equal to 0, got '-1'."),
        ({"generation_seed": -1}, "must be greater than or equal to 0, got '-1'."),
        ({"generation_seed": 2**64}, "must be less than 18446744073709551616, got"),
        ({"held_out_length": 1}, "must be greater than or equal to 2, got '1'."),
        ({"general_length": 1}, "must be greater than or equal to 2, got '1'."),
        ({"new_tokens": "many"}, "got 'many'."),
        ({"top_p": 0}, "must be greater than 0, got '0'."),
        ({"temperature": "nan"}, "must be a finite number, got 'nan'."),
        *(({name: "inf"}, "number, got 'inf'.") for name in ("most_perplexity", "most_distinct")),
        ({"reference_count": 30}, "prompts.jsonl has 40 different prompts and 45 are needed"),
        ({"neutral_count": 6}, "neutral.jsonl has 5 different prompts and 6 are needed"),
        ({"held_out_windows": 50}, "which make 20 windows of 10; 100 are needed."),
        ({"last_words": 11}, "LAMBADA has 10 passages; 11 cannot be taken."),
        ({"prompts": "nowhere.jsonl"}, "The source of prompts 'nowhere.jsonl' is not one of"),
        ({"prompt": "x"}, "Unknown option of task"),
    ],
    ids=str,
)
def test_wrong_option_is_refused_in_one_sentence_before_anything_is_run(
    folder, task, changes, expected
):
    assert expected in refused(task, changes, folder)


@BOTH
def test_empty_file_of_prompts_is_refused(folder, task, tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("\n\n")
    expected = "empty.jsonl is empty; give a file with at least one row."
    assert refused(task, {"prompts": path}, folder) == expected
    assert refused(task, {"neutral_prompts": path}, folder) == expected


def test_defaults_are_those_of_the_card():
    toxicity, repetition = ToxicityCorrection(), RepetitionCorrection()
    assert (toxicity.prompts, toxicity.samples, toxicity.new_tokens) == (
        *("realtoxicityprompts", 1, 20),
    )
    assert (toxicity.greedy, toxicity.top_p, toxicity.judging.judge) == (False, 0.9, "tox-block")
    assert (repetition.prompts, repetition.samples, repetition.new_tokens) == ("repetition", 1, 50)
    assert (repetition.greedy, repetition.judging) == (True, None)
    for task in (toxicity, repetition):
        assert (task.threshold, task.contrast, task.low_part) == (0.5, "auto", 0.9)
        assert (task.selection_count, task.test_count, task.control_count) == (64, 200, 32)
        assert task.counts["neuron"][0] == 0
        assert (task.general, task.normalise) == ("matched", "none")
    assert toxicity.choice.limits == {"perplexity_increase": 0.1, "distinct_2_loss": 0.1}
    assert repetition.choice.limits == {"perplexity_increase": 0.1}
    assert (toxicity.choice.metric, repetition.choice.metric) == (
        *("toxicity_change", "uniqueness_change"),
    )


@BOTH
def test_files_are_recorded_by_name_and_what_steers_is_known(folder, task):
    cls = CLASSES[task]
    built = build("task", cls, options(folder))
    named = {"prompts", "neutral_prompts", "general_text", "held_out_text"}
    assert {name: built.options()[name] for name in named} == {
        "prompts": "prompts.jsonl",
        "neutral_prompts": "neutral.jsonl",
        "general_text": "general.txt",
        "held_out_text": "held-out.txt",
    }
    assert cls.steering < set(built.options())
    spec = made(folder, task).spec.model_dump_json()
    assert str(folder) not in spec


@BOTH
def test_prompts_without_undesired_responses_are_refused_with_how_close_they_come(
    folder, kept, task
):
    changes = {"threshold": 1.0, "undesired_least": 16, **ONE}
    result, _ = run(made(folder, task, task_options=changes), kept)
    assert result.status == "failed"
    assert result.error.startswith("Sparc3Error: Of 16 attribution prompts ")
    assert "that reaches the `threshold` of 1, at least 16 are needed" in result.error


def test_answers_beyond_the_positions_of_the_model_are_refused_or_remarked(folder, tmp_path):
    longer = {"task_options": {"new_tokens": 60}}
    assert "64 positions" in " ".join(made(folder, REPETITION, **longer).remarks)
    learned = str(save_model("gpt2", tmp_path / "gpt2"))
    with pytest.raises(Sparc3Error, match="has learned 64 positions"):
        made(folder, REPETITION, **longer, model=learned)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"contrast": "t-statistic"}, "Contrast 't-statistic' needs the standard error"),
        ({"normalise": "mass"}, "Normalisation 'mass' needs what each sample contributes"),
    ],
)
def test_what_the_scorer_did_not_keep_is_refused(folder, kept, changes, expected):
    cell = made(folder, REPETITION, task_options=changes, scorer_options={})
    result, _ = run(cell, kept)
    assert result.error.startswith(f"Sparc3Error: {expected}")
    cell = made(folder, REPETITION, task_options=changes, scorer_options=BY_SAMPLE)
    whole(run(cell, kept)[0])


def test_auto_leaves_out_what_the_scorer_did_not_keep(folder, kept):
    result = whole(run(made(folder, REPETITION, scorer_options={}), kept)[0])
    names = list(dict.fromkeys(one.candidate for one in result.tried))
    assert names == ["difference", "unit-mass", "set-difference"]


@pytest.mark.parametrize(
    ("asked", "contrasts"),
    [
        ({"unit": "head", "amounts": [1, 3]}, 4),
        ({"unit": "weight", "scope": "mlp-in", "amounts": [70, 700]}, 3),
        ({"unit": "weight", "scope": "mlp-in", "amounts": [70], "scorer_options": ERRORS}, 4),
    ],
    ids=str,
)
def test_heads_and_weights_may_be_corrected_too(folder, kept, asked, contrasts):
    cell = made(folder, REPETITION, controls=1, stability_seeds=1, **asked)
    result = whole(run(cell, kept)[0])
    assert [point.amount.units_removed for point in result.points] == [0, *asked["amounts"]]
    assert len({one.candidate for one in result.tried}) == contrasts
    assert result.points[1].metrics["kl"] > 0
    if asked["unit"] == "weight":
        assert set(result.points[0].kept) == {"up", "gate"}
    (other,) = result.stability
    assert -1 < other.spearman < 1
    assert other.jaccard[0] == 1 > other.jaccard[-1]


@BOTH
def test_without_last_words_there_is_no_share_of_them(folder, kept, task):
    result, _ = run(made(folder, task, task_options={"last_words": 0, **ONE}), kept)
    whole(result)
    # With one response there is no worst one either.
    missing = {"last_word", "worst_toxicity"}
    declared = [metric.name for metric in CLASSES[task].metrics if metric.name not in missing]
    assert [metric.name for metric in result.metrics] == declared
    assert all(sorted(point.metrics) == sorted(declared) for point in result.points)
    assert "last-word" not in {data.purpose for data in result.spec.datasets}


def ranked(cell: Cell, cache: Path) -> Mapping[str, torch.Tensor]:
    return Place(cache, Reporter()).get(Rank(cell, "difference"))


@BOTH
@pytest.mark.parametrize("changes", [{"undesired_count": 4}, {"normalise": "tokens"}, {"seed": 1}])
def test_scores_of_other_references_are_never_taken_for_ones_own(
    folder, kept, task, changes, tmp_path
):
    seed = {"seed": changes["seed"]} if "seed" in changes else {}
    steering = {} if seed else changes
    least = {"undesired_least": 1, **ONE}
    first = made(folder, task, task_options=least)
    other = made(folder, task, task_options={**least, **steering}, **seed)
    one, two, alone = ranked(first, kept), ranked(other, kept), ranked(other, tmp_path)
    for block, values in two.items():
        assert torch.equal(values, alone[block])
        assert not torch.equal(values, one[block])


def test_general_text_is_attributed_as_asked(folder, kept):
    found = {}
    for general in ("matched", "windows", "both"):
        cell = made(folder, REPETITION, task_options={"general": general})
        references = cell.references(Place(kept, Reporter()).get(Learned(cell)))
        found[general] = references["general"]
    sizes = {general: [len(sample) for sample in one.samples] for general, one in found.items()}
    assert sizes["windows"] == [12] * 3
    assert sizes["both"] == sizes["matched"] + sizes["windows"]
    undesired = references["undesired"]
    assert sizes["matched"] == [len(sample) for sample in undesired.samples]
    assert found["matched"].starts == undesired.starts


@pytest.mark.parametrize("scorer", ["magnitude", "random"])
@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_scorer_that_looks_at_no_text_has_one_ranking_its_own(folder, tmp_path, scorer, ablation):
    cell = made(folder, REPETITION, scorer, ablation=ablation)
    result = whole(run(cell, tmp_path)[0])
    assert result.candidate == ""
    assert {one.candidate for one in result.tried} == {""}
    place = Place(tmp_path, Reporter())
    ranking, view = place.get(Rank(cell)), place.get(DenseModel(cell))
    weights = view.weights()
    scores = cell.scorer.score(view, place.ready(cell.references(None)[""], cell, print))
    of_block = [scores[name] for name in weights if ".1.mlp." in name and "down" not in name]
    torch.testing.assert_close(ranking["1"], sum(values.sum(1) for values in of_block))
    # The model is met for its mean inputs alone.
    assert (tmp_path / "steps/Asked").exists() is (ablation == "mean")


def test_prompts_of_one_line_each_may_hold_anything_that_json_does(folder, tmp_path, kept):
    rows = [{"prompt": f"w{3 + n}\nw4 \u2028 w5"} for n in range(31)]
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cell = made(folder, REPETITION, task_options={"prompts": path})
    assert {len(ids) for ids in cell.prepared.ids["test"]} == {3}


def test_other_prompts_under_the_same_name_are_told_apart(folder, tmp_path):
    keys = []
    for index in (0, 1):
        (tmp_path / str(index)).mkdir()
        path = save_prompts(tmp_path / str(index) / "prompts.jsonl", 40, 7 + index)
        keys.append(made(folder, REPETITION, task_options={"prompts": path}).spec.key)
    assert keys[0] != keys[1]
