"""Ranks on the page: ties share one, controls have none, and what cannot be tested has none."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from unit.results import make_result
from unit.site_pages import render

from sparc3_bench.api.results import Results
from sparc3_bench.comparison.ranks import Ranks, draws_of, ranks
from sparc3_bench.comparison.tables import split
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.record.result import Result

WINDOWS = 64
NOISE = np.random.default_rng(5).normal(size=(4, WINDOWS))


def measured(scorer: str, shift: float, noise: int, **changes) -> Result:
    """Return a result whose losses are shared by all but for a shift and small noise."""
    shared = np.random.default_rng(1).normal(3, 0.5, size=WINDOWS)
    dense, pruned = shared, shared + 1 + shift + 0.05 * NOISE[noise]
    values = [math.exp(losses.mean()) for losses in (dense, pruned)]
    result = make_result(scorer, values, windows=WINDOWS, **changes)
    points = tuple(
        point.model_copy(update={"samples": {"loss": tuple(losses), "kl": tuple(0 * losses)}})
        for point, losses in zip(result.points, (dense, pruned), strict=True)
    )
    return result.model_copy(update={"points": points})


def ranked(*results: Result) -> tuple[dict[str, str], Ranks | None]:
    """Return the ranks by scorer."""
    pairs = [(Path(result.spec.path), result) for result in results]
    (section,), _ = split(pairs)
    found = ranks(section, draws_of(section))
    texts = found.texts if found else {}
    return {section.series[at].scorer.name: text for at, text in texts.items()}, found


def test_scorers_that_cannot_be_told_apart_share_a_rank():
    found, about = ranked(
        measured("wanda", 0, 0), measured("lrp", 0, 1), measured("magnitude", 0.5, 2)
    )
    assert found == {"wanda": "1–2", "lrp": "1–2", "magnitude": "3"}
    assert about is not None
    # Between the two that are equal and the one that is far away.
    assert about.scale == "log"
    assert 1 < about.resolvable < math.exp(0.5)


def test_a_difference_that_all_windows_show_is_told_apart_however_much_windows_differ():
    assert ranked(measured("wanda", 0, 0), measured("lrp", 0.05, 1))[0] == {
        "wanda": "1",
        "lrp": "2",
    }


def test_seeds_of_a_scorer_are_one_row_and_controls_have_no_rank():
    found, _ = ranked(
        measured("wanda", 0, 0),
        measured("lrp", 0.3, 1, seed=0),
        measured("lrp", 0.3, 2, seed=1),
        measured("random", 2, 3, is_control=True),
    )
    assert found == {"wanda": "1", "lrp": "2"}


def test_a_table_of_results_has_ranks_and_marks_what_is_not_better_than_random():
    drawn = [measured("random", 0.5, seed, seed=seed, is_control=True) for seed in range(3)]
    failed = make_result("lrp", windows=WINDOWS, status="failed", error="No more memory.")
    results = [measured("magnitude", 0.5, 2), *drawn, measured("wanda", 0, 0), failed]
    (table,) = Results(results).tables()
    names, rank, dense, pruned = zip(*(row[:4] for row in table.rows), strict=True)
    assert names == ("Wanda", "Magnitude", *drawn_names(drawn), "Lrp")
    assert rank == ("1", "2", *["–"] * 4)
    assert [text.endswith("°") for text in pruned] == [False, True, *[False] * 4]
    assert dense[-1] == "failed"
    for said in ("Lrp failed: No more memory.", "° is not better", "Ranks are by perplexity at"):
        assert said in table.note


def drawn_names(drawn: list[Result]) -> list[str]:
    return ["Random", *(f"Random, seed {one.spec.seed}" for one in drawn[1:])]


def test_nothing_is_ranked_where_nothing_can_be_tested():
    one, other = measured("wanda", 0, 0), measured("lrp", 0.5, 1)
    assert ranked(one) == ({}, None)
    without = other.model_copy(
        update={"points": tuple(p.model_copy(update={"samples": {}}) for p in other.points)}
    )
    assert ranked(one, without) == ({}, None)
    for changes in ({"task": "not-installed"}, {"task_version": 99}):
        unknown = [measured(name, 0, 0, **changes) for name in ("wanda", "lrp")]
        assert ranked(*unknown) == ({}, None)
    many = [measured(f"scorer-{n}", n / 10, 0) for n in range(31)]
    assert ranked(*many) == ({}, None)
    assert len(ranked(*many[:30])[0]) == 30


def test_only_samples_that_the_number_follows_from_count():
    def few(result: Result) -> Result:
        """Let the windows of the losses be of three documents, those of the divergence of one."""
        documents = [window % 3 for window in range(WINDOWS)]
        return result.model_copy(
            update={"clusters": {"loss": tuple(documents), "kl": (0,) * WINDOWS}}
        )

    assert ranked(measured("wanda", 0, 0), measured("lrp", 0.5, 1))[1].clusters == WINDOWS
    found, about = ranked(few(measured("wanda", 0, 0)), few(measured("lrp", 0.5, 1)))
    assert (about.clusters, len(found)) == (3, 2)


@pytest.mark.parametrize("order", [1, -1])
def test_the_page_shows_them_beside_the_scorers(order):
    results = [measured("wanda", 0, 0), measured("lrp", 0, 1), measured("magnitude", 0.5, 2)]
    page = render([(Path(result.spec.path), result) for result in results[::order]])
    assert page.count("rank <b>1–2</b>") == 2
    assert page.count("rank <b>3</b>") == 1
    assert "neighbours must typically differ by" in page


def test_the_resolution_that_is_printed_counts_documents_and_not_windows():
    documents = [window // 8 for window in range(WINDOWS)]
    results = [
        result.model_copy(update={"clusters": {"loss": documents, "kl": documents}})
        for result in (measured("wanda", 0, 0), measured("lrp", 0.5, 1))
    ]
    _, about = ranked(*results)
    losses = [np.reshape(result.points[1].samples["loss"], (8, 8)).mean(1) for result in results]
    gap = losses[1] - losses[0]
    # Two rows are one pair: t of 7 degrees of freedom at 0.05, and no normal 1.96.
    least = scipy.stats.t.ppf(0.975, 7) * gap.std(ddof=1) / math.sqrt(8)
    assert math.log(about.resolvable) == pytest.approx(least, rel=0.05)
    page = render([(Path(result.spec.path), result) for result in results])
    assert f"neighbours must typically differ by ×{about.resolvable:.4g} to be told apart" in page
    assert f"{least_of(page)}" == f"×{about.resolvable:.4g}"


def least_of(page: str) -> str:
    """Return the resolution in the last line of the table, at the second amount."""
    foot = page.split("<tfoot>")[1]
    return re.findall(r"<td[^>]*>([^<]*)</td>", foot)[1]


def test_of_several_variants_the_one_nearest_to_the_defaults_stands_for_the_scorer():
    usual = {"aggregation": "token-rms", "variant": "attnlrp"}
    other = usual | {"variant": "gates-only"}
    runs = [
        measured("lrp", 0.3, 0, options=other, created="2026-01-01T00:00:00Z"),
        measured("lrp", 0.5, 1, options=usual, created="2026-01-02T00:00:00Z"),
        measured("lrp", 0.1, 2, options=other, seed=1, created="2026-01-03T00:00:00Z"),
        measured("wanda", 0, 3),
    ]
    sections, _ = split((Path(result.spec.path), result) for result in runs)
    ((entry,),) = (board.sections for board in boards(sections))
    assert entry.scorers["lrp"].rising[0].spec.scorer.options == usual
