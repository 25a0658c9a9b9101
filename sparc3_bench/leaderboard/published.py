"""Published numbers of what a section measured: same model, text, windows and metric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import Series
from sparc3_bench.comparison.values import Value
from sparc3_bench.leaderboard.literature import Protocol, ReportedNumber, literature
from sparc3_bench.types.conventions import pattern_of


class PublishedRow(NamedTuple):
    """A published number, and the rows of the section that have its method's name."""

    number: ReportedNumber
    link: str
    own: tuple[tuple[Series, Value], ...]


def published(section: Section) -> list[PublishedRow]:
    """Return what others published of a section; of the dense model, the first row stands for all.

    Only numbers at amounts that the section has, and of its pattern where it has one.
    """
    found = []
    for table in literature():
        if table.same is None or not _is_same(section, table.same, table.context):
            continue
        for number in table.numbers:
            if table.same.models.get(number.model) != section.spec.model.id:
                continue
            amount = _amount(section, number)
            if amount is not None:
                rows = tuple(_rows(section, number, amount, table.same.metric))
                found.append(PublishedRow(number, table.link or table.work.url, rows))
    return found


def _is_same(section: Section, same: Protocol, context: int | None) -> bool:
    spec = section.spec
    texts = [one for one in section.datasets if one.purpose == "evaluation"]
    return (
        spec.task.name == same.task
        and (spec.unit, spec.removal, spec.amount_kind) == ("weight", "lowest", "fraction")
        and spec.limit is None
        and not spec.model.label  # the weights as they were published
        and spec.task.options.get(same.whole) == 0
        and any(metric.name == same.metric for metric in section.metrics)
        and len(texts) == 1
        and (texts[0].source, texts[0].window_length) == (same.text, context)
        and not texts[0].begin
    )


def _amount(section: Section, number: ReportedNumber) -> float | None:
    """Return the amount of a section at which a number stands; None where it has none."""
    pattern = pattern_of(section.spec.group)
    left, _, right = number.removed.partition(":")
    if right:
        is_it = pattern is not None and section.spec.group == number.removed
        amount = 1 - int(left) / int(right)
    else:
        amount = float(number.removed.split()[0]) / 100
        is_it = pattern is None or amount == 0
    return amount if is_it and amount in section.amounts else None


def _rows(
    section: Section, number: ReportedNumber, amount: float, metric: str
) -> Iterator[tuple[Series, Value]]:
    found = [
        (one, value)
        for _, one, _ in section.rows
        if amount == 0 or one.scorer.title.casefold() == number.method.casefold()
        if (value := one.value(amount, metric))
    ]
    # The dense model is the same in all of them.
    yield from found[:1] if amount == 0 else found
