"""Numbers and conventions as the page writes them, and the way to the sections."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from unit.choices import JUDGE
from unit.results import KL, PERPLEXITY, make_result

from sparc3_bench.comparison.phrasing import (
    brief,
    convention_text,
    count,
    dataset_text,
    drawn_in,
    judge_text,
    metric_title,
    number,
    percent,
    plain,
    precise,
    probability,
    samples,
    within,
)
from sparc3_bench.comparison.tables import split
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.record.parts import EstimateRecord, MetricRecord
from sparc3_bench.record.result import Result
from sparc3_bench.types.conventions import CONVENTIONS, values_of

OPEN = {
    "group": ("2:4", "4:8"),
    "allocation": ("owl", "owl:width=0.1"),
    "repair": ("obs", "energy"),
}
ACCURACY = MetricRecord(name="accuracy", direction="higher", unit="", title="Accuracy")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.012345, "0.01235"),
        (20.3149, "20.31"),
        (999.96, "1,000"),
        (1234567.0, "1,235,000"),
        (-0.5, "−0.5000"),
        (12345678.0, "1.23 × 10⁷"),
        (0.00001234, "1.23 × 10⁻⁵"),
        (math.inf, "∞"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_percentages() -> None:
    assert percent(0.5) == "50\N{NO-BREAK SPACE}%"
    assert percent(1 / 3, 2) == "33.33\N{NO-BREAK SPACE}%"


def test_a_pure_number_has_no_unit() -> None:
    assert [metric_title(metric) for metric in (PERPLEXITY, ACCURACY, KL)] == [
        "Perplexity",
        "Accuracy",
        "KL divergence, nats",
    ]


def test_conventions_in_words() -> None:
    assert convention_text(make_result().spec) == (
        "Single weights are removed, ranked within each output row, scored once, on the dense "
        "model, in all matrices of the decoder blocks. Removed weights read zero; the lowest are "
        "removed"
    )
    neurons = make_result(unit="neuron", group="layer", schedule="blockwise", scope="mlp").spec
    assert "neurons are removed, ranked within each block, scored block by" in convention_text(
        neurons
    )
    heads = make_result(
        unit="head", group="model", removal="highest", ablation="mean", amount_kind="count"
    ).spec
    assert convention_text(heads).endswith(
        "of the decoder blocks, counted in heads. Removed weights read the mean of their inputs "
        "over the reference samples; the highest are removed: the circuit goes and the rest stays"
    )
    resampled = convention_text(make_result(ablation="resample").spec)
    assert "Removed weights read their inputs on the corrupted prompt; the lowest" in resampled
    assert convention_text(make_result(judge=JUDGE).spec).endswith("removed; judged by Harm judge")


def test_a_judge_is_named_with_all_that_its_scores_depend_on() -> None:
    assert judge_text(JUDGE) == (
        "Harm judge (harm-judge, sparc3-bench 0.1.0, weights 0123456789ab)"
    )
    options = JUDGE.model_copy(update={"options": {"words": "x", "at": 0.5}})
    assert judge_text(options).endswith("weights 0123456789ab, at 0.5, words x)")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.5, "0.5"), (0.0012, "0.0012"), (0.0009995, "< 0.001"), (0.0, "< 0.001")],
)
def test_probabilities(value: float, text: str) -> None:
    assert probability(value) == text


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Change of harm", "change of harm"),
        ("KL divergence", "KL divergence"),
        ("A share", "a share"),
        ("X", "X"),
        ("", ""),
    ],
)
def test_a_title_inside_a_sentence_starts_small_unless_it_is_an_acronym(
    title: str, text: str
) -> None:
    assert within(title) == text


def test_round_numbers_have_no_more_digits_than_they_need() -> None:
    assert [plain(value) for value in (0.1, -0.05, 1000.0, 0.0, 2e7)] == [
        *("0.1", "−0.05", "1,000", "0", "2.00 × 10⁷")
    ]


def test_random_circuits_have_as_many_in_every_row_matrix_or_layer() -> None:
    assert drawn_in(make_result().spec) == "row"
    assert [drawn_in(make_result(group=group).spec) for group in ("layer", "model")] == [
        "matrix",
        "matrix",
    ]
    neurons = [make_result(unit=unit, group="model").spec for unit in ("neuron", "head")]
    assert [drawn_in(spec) for spec in neurons] == ["layer", "layer"]


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (0.83617, (0.806, 0.863), "0.836"),
        (-0.0004, (-0.03, 0.03), "0.000"),
        (-0.0123, (-0.04, 0.02), "−0.012"),
        (16.538, (15.7, 17.5), "16.54"),
        (1234.5, (1200.0, 1260.0), "1,234"),
        (0.5, (0.5, 0.5), "0.5000"),
        (5e8, (4e8, 6e8), "5.00 × 10⁸"),
    ],
)
def test_a_number_has_the_decimals_that_its_interval_gives_it(
    value: float, interval: tuple[float, float], text: str
) -> None:
    assert precise(value, interval) == text


def test_counts_are_whole_unless_they_are_means() -> None:
    assert [count(value) for value in (20.0, 12_740_198.0, 19.5)] == ["20", "12,740,198", "19.5"]


def test_samples_are_windows_or_what_the_task_calls_them() -> None:
    window = make_result().spec.datasets[1]
    assert (samples(window), dataset_text(window)) == ("4 × 128 tokens", "4 windows × 128 tokens")
    prompt = window.model_copy(update={"item": "prompt", "windows": 1, "window_length": 23})
    assert (samples(prompt), dataset_text(prompt)) == ("1 prompt", "1 prompt of at most 23 tokens")


def test_the_sections_are_grouped_by_task_and_model_and_say_what_sets_them_apart() -> None:
    def named(*results: Result) -> list[tuple[str, list[tuple[str, list[str]]]]]:
        sections, _ = split((Path(result.spec.path), result) for result in results)
        found: dict[str, list[tuple[str, list[str]]]] = {}
        for board in boards(sections):
            words = [entry.words for entry in board.sections]
            found.setdefault(board.title, []).append((board.model, words))
        return list(found.items())

    assert named(
        make_result(),
        make_result(group="model"),
        make_result(model="tiny-opt"),
        make_result(task="circuit", unit="head", group="model"),
        make_result(task="circuit", unit="head", group="model", removal="highest"),
        make_result(task="circuit", unit="head", group="model", ablation="mean"),
        make_result(task="harm", judge=JUDGE),
        make_result(task="harm", judge=JUDGE.model_copy(update={"name": "word-list"})),
    ) == [
        (
            "Circuit",
            [
                (
                    "tiny-llama",
                    [
                        "Heads by model, zero ablation, lowest removed",
                        "Heads by model, zero ablation, highest removed",
                        "Heads by model, mean ablation, lowest removed",
                    ],
                )
            ],
        ),
        (
            "Compression",
            [
                ("tiny-llama", ["Weights by row", "Weights by model"]),
                ("tiny-opt", ["Weights by row"]),
            ],
        ),
        (
            "Harm",
            [
                (
                    "tiny-llama",
                    [
                        "Weights by row, judged by harm-judge",
                        "Weights by row, judged by word-list",
                    ],
                )
            ],
        ),
    ]
    versions = named(make_result(), make_result(task_version=2))
    assert [task for task, _ in versions] == ["Compression", "Compression, version 1"]
    some = {"curve_metrics": [PERPLEXITY], "curve": {"perplexity": EstimateRecord(value=1.0)}}
    more = make_result(values=(20.0, 30.0, 40.0), amounts=(0.0, 0.5, 0.7), **some)
    assert named(make_result(**some), more) == [
        (
            "Compression",
            [
                (
                    "tiny-llama",
                    ["Weights by row, at 50\N{NO-BREAK SPACE}%", "Weights by row, 3 amounts"],
                )
            ],
        )
    ]
    ((_, ((_, words),)),) = named(make_result(), make_result(evaluation_digest="f" * 64))
    assert len(set(words)) == 2
    assert all(text.startswith("Weights by row, s-") for text in words)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_value_of_a_convention_has_words_of_its_own(name: str) -> None:
    values = (*values_of(name), *OPEN.get(name, ()))
    specs = [make_result(**{name: value}).spec for value in values]
    assert len({convention_text(spec) for spec in specs}) == len(specs)
    assert len({brief(spec) for spec in specs}) == len(specs)
    assert "{" not in "".join(convention_text(spec) + "".join(brief(spec)) for spec in specs)


def test_what_is_measured_on_tells_apart_what_conventions_do_not():
    def other(scorer: str, windows: int, **choices: str) -> Result:
        digest = f"{windows:064}"
        return make_result(scorer, windows=windows, evaluation_digest=digest, **choices)

    results = [
        *(other(scorer, 16) for scorer in ("lrp", "wanda")),
        *(other(scorer, 32) for scorer in ("lrp", "wanda", "gradient")),
        *(other(scorer, 32, allocation="owl:width=0.1") for scorer in ("lrp", "wanda")),
        *(other(scorer, 32, repair=f"obs:block={size}") for size in (64, 128) for scorer in "ab"),
    ]
    (board,) = boards(split((Path(one.spec.path), one) for one in results)[0])
    assert [one.words for one in board.sections] == [
        "Weights by row, 16 × 128 tokens",
        "Weights by row, 32 × 128 tokens",
        "Weights by row, repair obs:block=64",
        "Weights by row, repair obs:block=128",
        "Weights by row, allocation owl",
    ]
