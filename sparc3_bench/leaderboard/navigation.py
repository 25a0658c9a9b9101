"""Navigation: the sections by task, then by model, each in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.words import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparc3_bench.leaderboard.tables import Section

Links = list[tuple[str, str]]
"""The id of a section, and what sets it apart from the others of its task and model."""

_ALWAYS = 2
"""So many of the words of a convention are said even where all sections share them."""


def contents(sections: Sequence[Section]) -> list[tuple[str, list[tuple[str, Links]]]]:
    """Return the tasks, each with its models, each with its sections, in the order of the page."""
    tasks: dict[tuple[str, int], dict[str, list[Section]]] = {}
    for section in sections:
        task, model = section.spec.task, section.spec.model
        models = tasks.setdefault((task.name, task.task_version), {})
        models.setdefault(model.id, []).append(section)
    names = [name for name, _ in tasks]
    found = []
    for (name, version), models in tasks.items():
        title = next(iter(models.values()))[0].spec.task.title
        several = names.count(name) > 1
        found.append(
            (
                f"{title}, version {version}" if several else title,
                [(model, _links(members)) for model, members in models.items()],
            )
        )
    return found


def _links(sections: Sequence[Section]) -> Links:
    words = [brief(section.spec) for section in sections]
    differ = [len(set(column)) > 1 for column in zip(*words, strict=True)]
    texts = [
        " ".join(own[:_ALWAYS])
        + "".join(f", {w}" for w, d in zip(own[_ALWAYS:], differ[_ALWAYS:], strict=True) if d)
        for own in words
    ]
    counts: dict[str, set[int]] = {}
    for section, text in zip(sections, texts, strict=True):
        counts.setdefault(text, set()).add(len(section.amounts))
    texts = [
        f"{text}, {len(section.amounts)} amounts" if len(counts[text]) > 1 else text
        for section, text in zip(sections, texts, strict=True)
    ]
    # What no words tell apart differs in its data: then the texts measured on are named.
    return [
        (section.id, text if texts.count(text) == 1 else f"{text}, {section.id}")
        for section, text in zip(sections, texts, strict=True)
    ]
