"""Effects of crossed designs: planted ones are found, intervals hold, what is mixed up is named."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.design import Design
from sparc3_bench.statistics.dominance import dominating
from sparc3_bench.statistics.effects import Effects

CELLS = list(itertools.product("abc", "wxyz", "rst"))
FACTORS = {name: [cell[place] for cell in CELLS] for place, name in enumerate(("one", "two", "3"))}
SQUARE = [str((ord(a) + ord(b) + ord(c)) % 3) for a, b, c in CELLS]
"""A seed for each run by a Latin square."""

ONE = {"a": 0.0, "b": 0.2, "c": 0.5}
THREE = {"r": 0.0, "s": 0.0, "t": 0.3}


def planted(seed=0, windows=16, noise=0.1, by_seed=0.1, runs=CELLS):
    """Return losses of windows: those of `ONE` and `THREE`, nothing of the second factor."""
    generator = np.random.default_rng(seed)
    shape = len(runs), windows
    hard = 2 * generator.normal(size=windows)
    own = {level: 0.3 * generator.normal(size=windows) for level in ONE}
    means = np.array([ONE[a] + THREE[c] for a, _, c in runs])[:, None]
    drift = by_seed * generator.normal(size=(len(runs), 1))
    windowed = hard + np.stack([own[a] for a, *_ in runs]) + noise * generator.normal(size=shape)
    return means + windowed + drift + 0.4 * np.array([[float(one)] for one in SQUARE[: len(runs)]])


def effects(losses, factors=FACTORS, nuisance=("seed", SQUARE), **given):
    drawn = resampled_means(losses)
    return Effects(losses.mean(1), drawn, factors, losses.shape[1], nuisance=nuisance, **given)


def test_planted_effects_are_found_and_are_marginal_means():
    losses = planted(by_seed=0.01, windows=64)
    found = effects(losses)
    (one, two, *_) = found.terms
    values = losses.mean(1)
    for level, true in ONE.items():
        at = np.array(FACTORS["one"]) == level
        got = one.levels[(level,)]
        assert got.effect.value == pytest.approx(values[at].mean() - values.mean())
        assert got.effect.low < true - np.mean([*ONE.values()]) < got.effect.high
    assert one.p_value < 0.05 < two.p_value
    shares = sum(term.share.value for term in found.terms)
    assert shares + found.error + found.seeds + found.shared == pytest.approx(1)
    balanced = effects(losses, nuisance=None)
    assert balanced.shared == pytest.approx(0, abs=1e-9)
    assert balanced.seeds == 0 < found.seeds
    assert found.terms[2].share.value > 2 * found.terms[5].share.value


def test_on_a_log_scale_effects_are_ratios_of_geometric_means():
    losses = planted()
    plain, logs = (
        effects(losses),
        Effects(
            *(np.exp(losses.mean(1)), np.exp(resampled_means(losses)), FACTORS, 16),
            scale="log",
            nuisance=("seed", SQUARE),
        ),
    )
    for term, other in zip(plain.terms, logs.terms, strict=True):
        assert other.share.value == pytest.approx(term.share.value)
        for levels, level in term.levels.items():
            assert other.levels[levels].effect.value == pytest.approx(np.exp(level.effect.value))
            assert other.levels[levels].mean.value == pytest.approx(np.exp(level.mean.value))


@pytest.mark.parametrize(("noise", "by_seed"), [(0.0, 0.1), (0.5, 0.1), (0.5, 0.0)])
def test_intervals_hold_the_truth_over_samples_and_seeds(noise, by_seed):
    held, contrasts, false = [], [], []
    for seed in range(60):
        found = effects(planted(seed, noise=noise, by_seed=by_seed))
        for (level,), one in found.terms[0].levels.items():
            true = ONE[level] - np.mean([*ONE.values()])
            held.append(one.effect.low <= true <= one.effect.high)
        ends = {"one": "b", "3": "t"}, {"one": "a", "3": "r"}
        gap = found.contrast(*ends, {"two": ["w", "x"]})
        contrasts.append(gap.low <= ONE["b"] + THREE["t"] <= gap.high)
        false.append(any(t.p_value <= 0.05 for t in found.terms if t.factors not in TRUE))
    assert np.mean(held) > 0.9
    assert np.mean(contrasts) > 0.85
    assert np.mean(false) < 0.1


TRUE = (("one",), ("3",))


def test_errors_of_seeds_count_though_windows_see_none_of_them():
    still, moved = effects(planted(by_seed=0.0)), effects(planted(by_seed=0.5))
    at = {"one": "b"}, {"one": "a"}
    widths = [one.contrast(*at).high - one.contrast(*at).low for one in (still, moved)]
    assert widths[1] > 1.5 * widths[0]
    assert moved.freedom == len(CELLS) - moved.design.rank


def test_errors_differ_by_level_and_are_those_of_the_runs_that_are_asked():
    loud = planted(by_seed=0.01)
    loud[[cell[1] == "z" for cell in CELLS]] += np.random.default_rng(1).normal(size=(9, 1))
    pooled, own = effects(loud), effects(loud, error_by="two")
    at = {"one": "b"}, {"one": "a"}, {"two": ["w", "x"]}
    quiet = pooled.only(lambda row: row["two"] != "z")
    taken = own.only(lambda row: True, like=quiet)
    widths = [
        gap.high - gap.low for gap in (one.contrast(*at) for one in (pooled, own, quiet, taken))
    ]
    assert widths[0] > 1.2 * widths[1]
    assert widths[1] > 1.2 * widths[2]
    assert widths[3] == pytest.approx(widths[2], rel=0.3)
    assert quiet.design.levels["two"] == ("w", "x", "y")


def test_what_three_do_together_is_mixed_up_with_the_seed():
    design = Design(FACTORS, ("seed", SQUARE))
    assert design.nuisance == ("seed",)
    assert ("seed",) in design.mixed["one", "two", "3"]
    assert not any(design.mixed_with(term) for term in design.terms)
    alone = Design(FACTORS)
    assert alone.mixed == {("one", "two", "3"): ()}


def test_a_seed_that_goes_with_a_factor_is_left_out():
    design = Design(FACTORS, ("seed", FACTORS["3"]))
    assert design.nuisance == ()
    assert "seed" not in design.levels
    assert all(design.told(term) == design.wanted(term) for term in design.terms)


def test_factors_that_go_together_are_named_and_have_no_effects():
    both = {"one": FACTORS["one"], "same": FACTORS["one"], "3": FACTORS["3"]}
    found = effects(planted(), both, None)
    one, same, three, *_ = found.terms
    assert (one.told, one.levels) == (0, {})
    assert ("same",) in one.mixed_with
    assert same.told == 0
    assert three.told == three.wanted == 2
    assert three.levels
    assert one.share.value == 0  # nothing beyond the other


def test_cells_that_lack_leave_the_rest_as_it_is():
    kept = [place for place, cell in enumerate(CELLS) if cell[:2] != ("a", "w")]
    factors = {name: [some[i] for i in kept] for name, some in FACTORS.items()}
    found = effects(planted()[kept], factors, ("seed", [SQUARE[i] for i in kept]))
    one, two, three, pair, *_ = found.terms
    assert pair.told == pair.wanted - 1
    assert set(pair.mixed_with) == {("one",), ("two",), ()}
    assert one.told < one.wanted
    assert three.told == three.wanted
    assert found.contrast({"one": "b"}, {"one": "c"}).value == pytest.approx(
        effects(planted()).contrast({"one": "b"}, {"one": "c"}).value, abs=1e-9
    )
    with pytest.raises(Sparc3Error, match="No run of one a is like one of one b"):
        found.contrast({"one": "a"}, {"one": "b"}, {"two": ["w"]})
    assert found.mean({"one": ["a"], "two": ["w"]}) is None
    assert two.share.value < three.share.value


def test_without_an_error_intervals_are_over_samples_alone():
    factors = {name: FACTORS[name] for name in ("one", "two")}
    places = [i for i, cell in enumerate(CELLS) if cell[2] == "r"]
    own = {name: [some[i] for i in places] for name, some in factors.items()}
    found = effects(planted()[places], own, None)
    assert found.freedom == 0
    assert found.error == pytest.approx(0)
    assert found.terms[0].levels[("a",)].effect.low < found.terms[0].levels[("a",)].effect.high


def test_spread_of_levels_in_some_runs_beside_others():
    losses = planted(by_seed=0.0)
    losses[[cell[1] == "z" and cell[0] == "c" for cell in CELLS]] += 1
    found = effects(losses)
    spread = found.spread("one", {"two": ["w", "x"]}, {"two": ["z"]})
    assert spread is not None
    own, other, ratio = spread
    assert own == pytest.approx(np.std([*ONE.values()], ddof=1), abs=0.15)
    assert other > own
    assert ratio.high < 1


def test_levels_dominate_that_have_most_of_the_variance():
    values = np.array([ONE[a] for a, *_ in CELLS]) + np.random.default_rng(0).normal(size=36) / 9
    assert dominating(values, {name: FACTORS[name] for name in ("two", "3")}) == []
    far = values + 9 * np.array([cell[1] == "z" for cell in CELLS])
    assert dominating(far, FACTORS)[0] == ("two", "z")
    assert dominating(np.exp(far), FACTORS, "log") == dominating(far, FACTORS)
    farther = far + 3 * np.array([cell[1] == "y" for cell in CELLS])
    assert [one for one in dominating(farther, FACTORS) if one[0] == "two"] == [("two", "z")]
    two_left = {"two": [cell[1] if cell[1] == "z" else "w" for cell in CELLS]}
    assert dominating(far, two_left) == []


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ({"one": FACTORS["one"]}, "got one (3)"),
        ({"one": FACTORS["one"], "two": ["w"] * 36}, "two (1)"),
    ],
)
def test_one_factor_is_refused(factors, told):
    with pytest.raises(Sparc3Error, match="two factors or more") as refused:
        effects(planted(), factors, None)
    assert told in str(refused.value)


def test_numbers_that_fit_no_runs_or_never_differ_are_refused():
    with pytest.raises(Sparc3Error, match="a column for each of the 36 runs, got 3"):
        Effects(planted().mean(1), np.ones((9, 3)), FACTORS, 16)
    with pytest.raises(Sparc3Error, match="same number"):
        Effects(np.ones(36), np.ones((9, 36)), FACTORS, 16)
