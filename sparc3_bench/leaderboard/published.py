"""Published numbers of what a section measured: same model, text, windows and metric."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import Series
from sparc3_bench.comparison.values import Value
from sparc3_bench.leaderboard.literature import Protocol, ReportedNumber, ReportedTable, literature


class PublishedRow(NamedTuple):
    """A published number, and ours that have its method's name; of the dense model, one."""

    number: ReportedNumber
    link: str
    own: list[tuple[Series, Value]]


def published(section: Section) -> list[PublishedRow]:
    """Return what others published of a section, at the amounts and of the pattern that it has."""
    return [
        PublishedRow(number, table.link or table.work.url, _own(section, number, amount, same))
        for table, same in _comparable()
        if _is_same(section, same, table.context)
        for number in table.numbers
        if same.models.get(number.model) == section.spec.model.id
        if (amount := _amount(section.spec.group, number.removed)) in section.amounts
    ]


@cache
def _comparable() -> list[tuple[ReportedTable, Protocol]]:
    return [(table, table.same) for table in literature() if table.same is not None]


def _is_same(section: Section, same: Protocol, context: int | None) -> bool:
    spec = section.spec
    texts = [one for one in section.datasets if one.purpose == "evaluation"]
    return (
        spec.task.name == same.task
        and (spec.unit, spec.removal, spec.amount_kind) == ("weight", "lowest", "fraction")
        and spec.limit is None
        and not spec.model.label  # the weights as they were published
        and spec.task.options.get(same.whole) == 0
        and same.metric in [metric.name for metric in section.metrics]
        and [(d.source, d.window_length, d.begin) for d in texts] == [(same.text, context, ())]
    )


def _amount(group: str, removed: str) -> float:
    """Return the amount at which a published number stands in a group; -1 where in none."""
    left, pattern, right = removed.partition(":")
    if pattern:
        return 1 - int(left) / int(right) if removed == group else -1
    amount = float(removed.split()[0]) / 100
    return -1 if ":" in group and amount > 0 else amount


def _own(
    section: Section, number: ReportedNumber, amount: float, same: Protocol
) -> list[tuple[Series, Value]]:
    found = [
        (one, value)
        for _, one, _ in section.rows
        if amount == 0 or one.scorer.title.casefold() == number.method.casefold()
        if (value := one.value(amount, same.metric))
    ]
    return found[:1] if amount == 0 else found
