"""Contrasts of two references: each is its formula, written out in float64, on cases by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from sparc3_tasks.correction.contrasts import AUTO, CONTRASTS, contrasted, of_equal_samples, usable
from torch import Tensor

from sparc3_bench import Ranking, Sparc3Error
from sparc3_bench.selection.select import choose

UNITS = {"0": (5,), "1": (5,)}
WEIGHTS = {"up": (2, 3), "down": (3, 2)}
LOW = 0.7
NONE = ("none", "tokens")

Scores = Mapping[str, Tensor]


def drawn(shapes: Mapping[str, tuple[int, ...]], seed: int, samples: int = 4) -> Ranking:
    """Draw a ranking with errors, and with samples where what is ranked are units."""
    generator = torch.Generator().manual_seed(seed)
    by_sample = {
        name: torch.randn(samples, *shape, generator=generator) for name, shape in shapes.items()
    }
    errors = {
        name: values.std(0) / samples**0.5 for name, values in by_sample.items() if samples > 1
    }
    scores = {name: values.mean(0) for name, values in by_sample.items()}
    return Ranking(scores, errors, by_sample if shapes is UNITS else {})


def of(*values: float, errors: Sequence[float] | None = None) -> Ranking:
    """Return a ranking of two blocks; the first has two units."""

    def split(numbers: Sequence[float]) -> dict[str, Tensor]:
        return {"0": torch.tensor(numbers[:2]), "1": torch.tensor(numbers[2:])}

    return Ranking(split(values), split(errors) if errors else {})


def joined(scores: Scores) -> np.ndarray:
    return np.concatenate([values.double().numpy().ravel() for values in scores.values()])


def rankings(
    contrast: str, general: Ranking, undesired: Ranking, low: float, normalise: str
) -> dict[str, Scores]:
    both = {"general": general, "undesired": undesired}
    names = usable(AUTO if contrast == "auto" else (contrast,), both, normalise)
    return {name: contrasted(name, both, low, normalise) for name in names}


def one(contrast: str, general: Ranking, undesired: Ranking, low: float = LOW) -> Scores:
    found = rankings(contrast, general, undesired, low, "none")
    assert list(found) == [contrast]
    return found[contrast]


def order(scores: Scores) -> list[int]:
    """Return in which order units are removed, one after the other."""
    total = len(joined(scores))
    gone: list[int] = []
    for count in range(1, total + 1):
        kept = choose(scores, count, unit="neuron", group="model", kind="count")
        flat = torch.cat([keep.flatten() for keep in kept.values()])
        gone += [i for i in range(total) if not flat[i] and i not in gone]
        assert len(gone) == count
    return gone


def formula(contrast: str, general: Ranking, undesired: Ranking) -> np.ndarray:
    g, u = joined(general.scores), joined(undesired.scores)
    match contrast:
        case "difference":
            return g - u
        case "unit-mass":
            return g / np.abs(g).sum() - u / np.abs(u).sum()
        case "t-statistic":
            variance = joined(general.errors) ** 2 + joined(undesired.errors) ** 2
            return (g - u) / np.sqrt(variance)
        case "general":
            return g
    assert contrast == "undesired"
    return -u


def by_sets(general: Ranking, undesired: Ranking, count: int) -> list[int]:
    """Return the order of the set difference: so many by what the behaviour needs, then others."""
    g, u = np.abs(joined(general.scores)), joined(undesired.scores)
    bar = sorted(g)[count - 1]
    little = [i for i in range(len(g)) if g[i] <= bar]
    much = [i for i in range(len(g)) if g[i] > bar]
    return sorted(little, key=lambda i: -u[i]) + sorted(much, key=lambda i: g[i])


@pytest.mark.parametrize("shapes", [UNITS, WEIGHTS], ids=["units", "weights"])
@pytest.mark.parametrize("contrast", [name for name in CONTRASTS if name != "set-difference"])
def test_every_contrast_is_its_formula(contrast, shapes):
    general, undesired = drawn(shapes, 1), drawn(shapes, 2)
    found = one(contrast, general, undesired)
    assert {name: tuple(values.shape) for name, values in found.items()} == shapes
    np.testing.assert_allclose(joined(found), formula(contrast, general, undesired), rtol=1e-5)


@pytest.mark.parametrize("shapes", [UNITS, WEIGHTS], ids=["units", "weights"])
@pytest.mark.parametrize("low", [0.25, 0.5, 0.75, 1.0])
def test_set_difference_takes_what_the_behaviour_needs_of_what_general_text_does_not(shapes, low):
    general, undesired = drawn(shapes, 1), drawn(shapes, 2)
    total = len(joined(general.scores))
    found = one("set-difference", general, undesired, low)
    assert {name: tuple(values.shape) for name, values in found.items()} == shapes
    assert order(found) == by_sets(general, undesired, int(low * total))


@pytest.mark.parametrize("contrast", [*AUTO, "undesired"])
def test_unit_that_only_the_behaviour_needs_goes_first(contrast):
    # Of the others each is needed as much by general text as by the behaviour, or by it alone.
    general = of(0.9, 0.5, 0.1, 0.01, 0.4, errors=[0.1] * 5)
    undesired = of(0.8, 0.4, 0.1, 0.9, 0.0, errors=[0.1] * 5)
    assert order(one(contrast, general, undesired))[0] == 3


@pytest.mark.parametrize("contrast", ["difference", "unit-mass", "t-statistic", "set-difference"])
def test_unit_that_only_general_text_needs_goes_last(contrast):
    general = of(0.9, 0.5, 0.1, 0.01, 0.4, errors=[0.1] * 5)
    undesired = of(0.1, 0.5, 0.1, 0.9, 0.4, errors=[0.1] * 5)
    assert order(one(contrast, general, undesired))[-1] == 0


def test_controls_look_at_one_side_with_its_sign():
    general, undesired = of(0.3, -0.2, 0.0, 0.5, -0.9), of(-0.4, 0.1, 0.8, 0.0, -0.5)
    other = drawn({"0": (2,), "1": (3,)}, 5)
    assert order(one("general", general, other)) == [4, 1, 2, 0, 3]
    assert order(one("undesired", other, undesired)) == [2, 1, 3, 0, 4]
    assert joined(one("general", general, other))[0] == np.float32(0.3)
    assert joined(one("undesired", other, undesired))[0] == np.float32(0.4)


def test_scale_of_either_side_does_not_move_unit_mass_but_the_difference():
    general, undesired = drawn(UNITS, 1), drawn(UNITS, 2)
    louder = Ranking({name: 50 * values for name, values in undesired.scores.items()})
    expected = order(one("unit-mass", general, undesired))
    assert order(one("unit-mass", general, louder)) == expected
    assert order(one("difference", general, louder)) == order(one("undesired", general, undesired))


def test_unit_mass_of_a_side_without_any_is_the_other_side():
    general, nothing = of(0.5, -0.3, 0.1, 0.0, 0.1), of(0.0, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(
        joined(one("unit-mass", general, nothing)), joined(general.scores), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("general", "undesired", "low"),
    [
        # What the behaviour needs most of all is also what general text needs most.
        ([9, 1, 2, -8, 0], [99, 1, 0, 98, -3], 0.6),
        # The behaviour needs nothing.
        ([9, 1, 2, -8, 0], [0, 0, 0, 0, 0], 0.6),
        # Beside one huge score the others that matter are as good as zero.
        ([5, 1, 1e12, 2, 0], [-7, -9, -9, -9, -9], 0.6),
        # Everything speaks against the behaviour.
        ([9, 1, 2, -8, 0], [-1, -9, -8, -7, -9], 0.6),
        ([9e-38, 1e-38, 2e-38, -8e-38, 0], [1e-38, 0, 0, 0, 0], 0.6),
    ],
)
def test_set_difference_never_takes_what_general_text_needs_most_before_all_else(
    general, undesired, low
):
    found = one("set-difference", of(*map(float, general)), of(*map(float, undesired)), low)
    assert np.isfinite(joined(found)).all()
    two_most = np.argsort(np.abs(general))[-2:].tolist()
    assert sorted(order(found)[-2:]) == sorted(two_most)


def test_units_that_tie_at_the_bar_may_all_go_and_the_first_of_equals_goes_first():
    general, undesired = of(1.0, 1.0, -1.0, 1.0, 5.0), of(2.0, 3.0, 2.0, 3.0, 9.0)
    assert order(one("set-difference", general, undesired, 0.4)) == [1, 3, 0, 2, 4]
    assert order(one("difference", undesired, undesired)) == [0, 1, 2, 3, 4]


def test_share_of_units_is_read_as_the_decimal_number_that_was_typed():
    general = Ranking({"0": torch.arange(100.0)})
    undesired = Ranking({"0": torch.arange(100.0)})
    # 0.29 × 100 is 28.999999999999996 in binary.
    assert order(one("set-difference", general, undesired, 0.29))[0] == 28


def test_at_least_one_unit_may_go():
    general, undesired = of(4.0, 3.0, 2.0, 1.0, 5.0), of(1.0, 2.0, 3.0, 4.0, 5.0)
    assert order(one("set-difference", general, undesired, 0.01)) == [3, 2, 1, 0, 4]


def test_score_without_any_error_says_nothing():
    general = of(1.0, 1.0, 1.0, 5.0, 2.0, errors=[0.0, 0.3, 0.0, 0.0, 0.4])
    undesired = of(9.0, 3.0, 1.0, 1.0, 3.0, errors=[0.0, 0.4, 0.0, 2.0, 0.0])
    found = joined(one("t-statistic", general, undesired))
    np.testing.assert_allclose(found, [0, -4, 0, 2, -2.5], rtol=1e-6)


@pytest.mark.parametrize("kept", [(True, True), (True, False), (False, True), (False, False)])
def test_auto_offers_the_t_statistic_only_where_both_have_errors(kept):
    both = [drawn(UNITS, seed) for seed in (1, 2)]
    general, undesired = (
        side if has else Ranking(side.scores) for side, has in zip(both, kept, strict=True)
    )
    found = rankings("auto", general, undesired, LOW, "none")
    whole = ("difference", "unit-mass", "t-statistic", "set-difference")
    expected = [name for name in whole if name != "t-statistic" or all(kept)]
    assert list(found) == expected
    for name in expected:
        assert order(found[name]) == order(one(name, *both))
    if not all(kept):
        with pytest.raises(Sparc3Error, match="Contrast 't-statistic' needs the standard error"):
            rankings("t-statistic", general, undesired, LOW, "none")


def test_no_single_contrast_is_offered_with_another():
    general, undesired = drawn(UNITS, 1), drawn(UNITS, 2)
    for contrast in CONTRASTS:
        assert list(rankings(contrast, general, undesired, LOW, "none")) == [contrast]


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_mass_is_the_mean_of_maps_that_are_each_divided_by_their_absolute_sum(samples):
    ranking = drawn(UNITS, 3, samples)
    rows = np.concatenate([values.double().numpy() for values in ranking.samples.values()], axis=1)
    shares = rows / np.abs(rows).sum(1, keepdims=True)
    found = of_equal_samples(ranking)
    np.testing.assert_allclose(joined(found.scores), shares.mean(0), rtol=1e-5)
    if samples == 1:
        assert found.errors == {}
        return
    errors = shares.std(0, ddof=1) / np.sqrt(samples)
    np.testing.assert_allclose(joined(found.errors), errors, rtol=1e-5)


def test_loud_sample_counts_no_more_than_others_and_a_silent_one_as_zero():
    ranking = drawn(UNITS, 3)
    factors = torch.tensor([1.0, 1e4, 0.0, 1.0])[:, None]
    louder = Ranking({}, {}, {name: v * factors for name, v in ranking.samples.items()})
    found, rest = joined(of_equal_samples(louder).scores), of_equal_samples(ranking)
    by_sample = np.concatenate([v.double().numpy() for v in rest.samples.values()], axis=1)
    np.testing.assert_allclose(found, by_sample[[0, 1, 3]].sum(0) / 4, rtol=1e-5)


@pytest.mark.parametrize("contrast", AUTO)
def test_mass_is_taken_before_the_contrast(contrast):
    general, undesired = drawn(UNITS, 1), drawn(UNITS, 2)
    loud = torch.tensor([1.0, 30.0, 0.1, 5.0])[:, None]
    general = Ranking(
        general.scores, general.errors, {name: v * loud for name, v in general.samples.items()}
    )
    sides = of_equal_samples(general), of_equal_samples(undesired)
    found = rankings(contrast, general, undesired, LOW, "mass")[contrast]
    np.testing.assert_array_equal(joined(found), joined(CONTRASTS[contrast](*sides, LOW)))
    for normalise in NONE:
        plain = rankings(contrast, general, undesired, LOW, normalise)[contrast]
        expected = CONTRASTS[contrast](general, undesired, LOW)
        np.testing.assert_array_equal(joined(plain), joined(expected))
        assert not np.array_equal(joined(plain), joined(found))


@pytest.mark.parametrize("side", [0, 1])
def test_mass_without_samples_is_refused(side):
    sides = [drawn(UNITS, 1), drawn(UNITS, 2)]
    sides[side] = Ranking(sides[side].scores, sides[side].errors)
    with pytest.raises(Sparc3Error, match="Normalisation 'mass' needs what each sample") as caught:
        rankings("difference", *sides, LOW, "mass")
    assert "`by_sample`" in str(caught.value)


@pytest.mark.parametrize("normalise", ["none", "mass"])
def test_rankings_that_are_contrasted_stay_as_they_are(normalise):
    sides = drawn(UNITS, 1), drawn(UNITS, 2)
    before = [joined(m).copy() for s in sides for m in (s.scores, s.errors, s.samples)]
    rankings("auto", *sides, LOW, normalise)
    after = [joined(m) for s in sides for m in (s.scores, s.errors, s.samples)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
