"""Sentences: what a run chose and whether it did any good, in words made of its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import (
    count,
    drawn_in,
    judge_text,
    percent,
    plain,
    probability,
    units,
    value_text,
    with_unit,
    within,
)

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.operating_points import Limited, OperatingPoint

_NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)


_LEVEL = 0.05
"""A p-value of at most this, adjusted over the table, tells a choice from what it is beside."""


def subject(chosen: OperatingPoint) -> str:
    """Return whose choice it is: the scorer, and the ranking where it had several."""
    candidate = "" if chosen.is_dense else chosen.result.candidate
    return f"{chosen.name} ({candidate})" if candidate else chosen.name


def choice_text(chosen: OperatingPoint) -> str:
    """Return what the run chose and how it compares, as the rest of a sentence about it."""
    if chosen.is_dense:
        text = _kept(chosen)
    else:
        side = ", ".join(_side_effect(one) for one in chosen.limited)
        parts = [f"{removal_text(chosen)} removed", _effect(chosen), side]
        text = f"{'; '.join(part for part in parts if part)}. {_against_random(chosen)}"
    if judge := chosen.result.chosen_by:
        text += f" Ranking and amount were chosen by {judge_text(judge)}."
    return text


def removal_text(chosen: OperatingPoint) -> str:
    """Return how much is removed: units of all units, or a share where they were not counted."""
    spec, (gone, every) = chosen.result.spec, chosen.units
    if gone is None:
        share = chosen.found.point.amount.in_scope
        return f"{percent(round(share, 6))} of the weights in scope"
    if every is None:
        return f"{count(gone)} {units(spec, gone)}"
    return f"{count(gone)} of {count(every)} {units(spec, every)}"


def against_dense(chosen: OperatingPoint) -> str:
    """Return how the choice compares with the dense model, empty where it is simply better."""
    if chosen.is_dense:
        return ""
    difference = chosen.value.centre - chosen.dense
    unsure = chosen.p_dense is not None and chosen.p_dense > _LEVEL
    if difference == 0:
        return "no different from the dense model"
    if chosen.is_better(difference):
        return "not separable from the dense model" if unsure else ""
    unsaid = ", but not separable from it" if unsure else ""
    return f"worse than the dense model{unsaid}"


def against_random(chosen: OperatingPoint) -> str:
    """Return how the choice compares with random circuits, empty where it was not compared.

    By p-values that are adjusted over the table; with one random circuit there is no verdict.
    """
    versus = chosen.versus
    if versus is None:
        return ""
    if chosen.p_random is None:
        return "" if chosen.series.is_control else "no verdict: one random circuit only"
    none = 0.0 if chosen.metric.scale == "linear" else 1.0
    better = chosen.is_better(versus.difference - none)
    if chosen.p_random > _LEVEL:
        verdict = "not separable from random"
        return verdict if better or versus.difference == none else f"{verdict}, on its worse side"
    return "separable from random" if better else "worse than random, and separable from it"


def limits(chosen: OperatingPoint) -> str:
    """Return the limits in words."""
    return ", ".join(
        f"{within(one.metric.title)} at most {with_unit(plain(one.most), one.metric.unit)}"
        for one in chosen.limited
    )


def _effect(chosen: OperatingPoint) -> str:
    metric, value, change = chosen.metric, chosen.value, chosen.change
    text = f"{within(metric.title)} {value_text(value.centre, value.interval, metric.unit)}"
    if value.interval:
        low, high = (value_text(end, value.interval) for end in value.interval)
        text += f" (95\N{NO-BREAK SPACE}% {low} to {high})"
    if change:
        before, after = (value_text(one, value.interval) for one in (change.before, change.after))
        text += f", {before}\N{NO-BREAK SPACE}→ {after}"
    verdict = against_dense(chosen)
    return f"{text}, {verdict}" if verdict else text


def _side_effect(one: Limited) -> str:
    number = value_text(one.value.centre, one.value.interval, one.metric.unit)
    text = f"{within(one.metric.title)} {number}"
    if one.is_broken:
        text += f" (beyond the limit of {plain(one.most)} on the test part)"
    return text


def _against_random(chosen: OperatingPoint) -> str:
    versus, spec = chosen.versus, chosen.result.spec
    if versus is None:
        return "It was not compared with random circuits."
    many = len(chosen.controls)
    ends = (versus.low, versus.high)
    difference, low, high = (value_text(one, ends) for one in (versus.difference, *ends))
    factor = "×" if chosen.metric.scale == "log" else ""
    verdict = against_random(chosen)
    more = ""
    if chosen.p_draw is not None:
        more = f", of being one more of them p\N{NO-BREAK SPACE}{probability(chosen.p_draw)}"
    return (
        f"Against {_NUMBERS[many] if many < len(_NUMBERS) else count(many)} random "
        f"circuit{'s' if many != 1 else ''} with as many {units(spec)} in every {drawn_in(spec)} "
        f"{factor}{difference} ({low} to {high}), p\N{NO-BREAK SPACE}"
        f"{probability(versus.p_value)}{more}{f': {verdict}' if verdict else ''}."
    )


def _kept(chosen: OperatingPoint) -> str:
    passed = any(one.passes and one.requested > 0 for one in chosen.result.tried)
    if not chosen.limited:
        return "nothing was better than the dense model, which is kept."
    if passed:
        return (
            f"nothing within the limits ({limits(chosen)}) was better than the dense model, which "
            "is kept."
        )
    return f"nothing passed the limits ({limits(chosen)}): the dense model is kept."
