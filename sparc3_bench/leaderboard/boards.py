"""Boards: the sections of one task on one model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparc3_bench.comparison.phrasing import brief, is_reference, samples
from sparc3_bench.comparison.sections import Section
from sparc3_bench.record.spec import RunSpec


@dataclass(frozen=True)
class Board:
    """A task on a model."""

    id: str
    title: str  # the task, with its version where there are several
    model: str
    sections: tuple[Section, ...]

    @property
    def href(self) -> str:
        """The address of its page, from the root of the site."""
        return f"boards/{self.id}.html"

    @property
    def spec(self) -> RunSpec:
        """The spec of one run, for what all runs share."""
        return self.sections[0].spec

    @property
    def named(self) -> str:
        """The model with what its labels say of it."""
        labels = dict.fromkeys(one.spec.model.label for one in self.sections)
        return ", ".join(filter(None, (self.model, " / ".join(filter(None, labels)))))

    @property
    def drawn(self) -> tuple[Section, ...]:
        """The sections that have a curve to be drawn."""
        return tuple(one for one in self.sections if one.prunes)

    @property
    def leading(self) -> tuple[Section, ...]:
        """For each unit the section that stands for it: the first of those of most scorers."""
        found: dict[str, Section] = {}
        for one in self.sections:
            is_whole = one.spec.limit is None and one.spec.removal == "lowest"
            if is_whole and one.tests.ranks is not None:
                before = found.setdefault(one.spec.unit, one)
                if len(one.scorers) > len(before.scorers):
                    found[one.spec.unit] = one
        return tuple(found.values())


def boards(
    sections: Sequence[Section], newest: Mapping[str, int] | None = None
) -> tuple[Board, ...]:
    """Return the boards in the order of their sections; `newest` has the version of every task.

    Of each unit the section that stands for it comes first.
    """
    grouped: dict[tuple[str, int, str], list[Section]] = {}
    for section in sections:
        task, model = section.spec.task, section.spec.model
        grouped.setdefault((task.name, task.task_version, model.slug), []).append(section)
    newest = newest or {name: version for name, version, _ in sorted(grouped)}
    found = []
    for (name, version, slug), members in grouped.items():
        old = version != newest[name]
        title = members[0].spec.task.title + (f", version {version}" if old else "")
        for one, words in zip(members, _words(members), strict=True):
            one.words = words
        board = Board(
            id=f"{name}--{slug}" + (f"--v{version}" if old else ""),
            title=title,
            model=members[0].spec.model.id,
            sections=tuple(members),
        )
        leading, units = board.leading, list(dict.fromkeys(one.spec.unit for one in members))
        first = sorted(members, key=lambda one: (units.index(one.spec.unit), one not in leading))
        found.append(dataclasses.replace(board, sections=tuple(first)))
    return tuple(found)


_ALWAYS = 2
"""So many of the words of a convention are said even where all sections share them."""


def _words(sections: Sequence[Section]) -> list[str]:
    words = [brief(section.spec) for section in sections]
    columns = [_shortened(column) for column in zip(*words, strict=True)]
    differ = [len(set(column)) > 1 for column in columns]
    differ[-1] = True  # that a run is short is always said
    texts = [
        " ".join(own[:_ALWAYS])
        + "".join(f", {w}" for w, d in zip(own[_ALWAYS:], differ[_ALWAYS:], strict=True) if d and w)
        for own in zip(*columns, strict=True)
    ]
    # What conventions do not tell apart differs in amounts or in what is measured on.
    for more in (_amounts, _evaluation):
        told: dict[str, set[str]] = {}
        for section, text in zip(sections, texts, strict=True):
            told.setdefault(text, set()).add(more(section))
        texts = [
            f"{text}, {more(section)}" if len(told[text]) > 1 else text
            for section, text in zip(sections, texts, strict=True)
        ]
    return [
        text if texts.count(text) == 1 else f"{text}, {section.id}"
        for section, text in zip(sections, texts, strict=True)
    ]


def _shortened(words: Sequence[str]) -> list[str]:
    """Leave out the options of plugins that have the same wherever they are named."""
    full: dict[str, set[str]] = {}
    for word in words:
        full.setdefault(_plugin(word), set()).add(word)
    return [word if len(full[_plugin(word)]) > 1 else _plugin(word) for word in words]


def _plugin(word: str) -> str:
    name, _, options = word.partition(":")
    return name if "=" in options else word


def _amounts(section: Section) -> str:
    removed = [amount for amount in section.amounts if amount]
    if len(removed) == 1:
        return f"at {section.sizes.text(removed[0])}"
    return f"{len(section.amounts)} amounts"


def _evaluation(section: Section) -> str:
    return " and ".join(samples(data) for data in section.spec.datasets if not is_reference(data))
