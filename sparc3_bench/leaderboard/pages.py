"""Pages: every file of the site but the copies of results, one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from sparc3_bench.comparison.crossing import crossings
from sparc3_bench.comparison.repeat import command, uses
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import ResultFile, Series
from sparc3_bench.comparison.tables import split
from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard import charts, shards
from sparc3_bench.leaderboard.agreement import Agreement, agreements
from sparc3_bench.leaderboard.archive import Archive
from sparc3_bench.leaderboard.boards import Board, boards
from sparc3_bench.leaderboard.crossing_report import CrossingReport
from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.leaderboard.overview import BoardLines, lines_of, overview
from sparc3_bench.leaderboard.plugin_description import ScorerDescription, scorer_description
from sparc3_bench.leaderboard.sentences import HERE
from sparc3_bench.leaderboard.templating import inline, templates
from sparc3_bench.record.files import samples_path
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import PluginRef

GUIDE = "docs/docs"
"""Where in the site `make docs` puts the documents of the repository's folder ``docs``."""

MARKED = "submit.html"
"""A page that tells a site of ours: the first one that is written."""

Pages = Iterator[tuple[str, str]]


def pages(
    results: Iterable[tuple[Path, Result]] | Archive,
    host: PluginHost,
    has_guide: bool = False,
    commit: str = "",
) -> Pages:
    """Yield every file of the site but the copies of results, by its path in the site.

    Nothing is yielded before all results are read. `has_guide` says that the documentation is in
    the folder of the site, to be linked to; `commit` is the one that has the results, if any.
    """
    archive = results if isinstance(results, Archive) else Archive(results, host)
    site = _Site(archive, host, has_guide=has_guide, commit=commit)
    yield from site.fixed()
    for found in archive.models():
        yield from site.of_model(found)
    yield from site.of_all()


class _Site:
    """What all pages share."""

    def __init__(self, archive: Archive, host: PluginHost, **told: Any) -> None:
        self._templates, self._host, self._archive = templates(), host, archive
        # Those that are there most often first: colours are few, and theirs differ.
        shown = archive.shown
        self._look = charts.looks(sorted(shown, key=lambda name: (-shown[name], name)))
        self._scorers = _scorers(archive.scorers.values(), host)
        self._boards: list[BoardLines] = []
        self._crossed: list[str] = []
        self._places: list[tuple[str, str]] = [
            (f"{one.title} ({name})", f"scorers/{name}.html") for name, one in self._scorers.items()
        ]
        # Of every task its newest version on the first model.
        first = {task[0]: task for task in sorted(archive.tasks, reverse=True)}
        self._templates.globals.update(
            told,
            notices=[(one.title, one.notice) for one in self._scorers.values() if one.notice],
            look=self._look,
            tasks=[
                (archive.tasks[task], f"boards/{task[0]}--{task[2]}.html")
                for task in sorted(first.values())
            ],
            version=metadata.version("sparc3-bench"),
            newest=archive.created[:10],
        )

    def fixed(self) -> Pages:
        """Yield the pages that need no results, and what pages are drawn with."""
        # Marks what follows as ours, should the rest be interrupted.
        yield MARKED, self._page("submit")
        yield "literature.html", self._page("literature", tables=literature())
        yield "static/site.css", (HERE / "templates" / "page.css").read_text(encoding="utf-8")
        for path in sorted([*HERE.glob("static/*"), *HERE.glob("templates/*.js")]):
            yield f"static/{path.name}", path.read_text(encoding="utf-8")

    def of_model(self, results: Sequence[tuple[Path, Result]]) -> Pages:
        """Yield the pages of one model, of which the overview keeps a few lines."""
        crossed = crossings((result for _, result in results), self._host)
        for number, one in enumerate(crossed, len(self._crossed)):
            shown: dict[str, Any] = {"report": CrossingReport(one), "number": number}
            self._crossed.append(self._page("effect", **shown))
        made = boards(split(results, self._host)[0], self._archive.newest)
        found = agreements(made, self._host)
        for board in made:
            self._boards.append(lines_of(board, self._look))
            self._places.append((f"{board.title}, {board.named}", board.href))
            named = f"{board.title}, {board.model}"
            self._places += [(f"{named}: {one.words}", one.href) for one in board.sections]
        parts: dict[str, str] = {}
        for board in made:
            yield from self.of_board(board, found.get(board.id, ()), parts)
        yield from self.of_results(made, results)

    def of_all(self) -> Pages:
        """Yield the pages that speak of all models, and a page for every scorer."""
        archive, made = self._archive, sorted(self._boards, key=lambda board: board.place)
        yield "effects.html", self._page("effects", made=self._crossed)
        view = overview(made)
        yield "compare.html", self._page("compare", boards=[one for one in made if one.is_drawn])
        models: dict[str, list[BoardLines]] = {}
        for board in made:
            models.setdefault(board.task, []).append(board)
        for task, found in models.items():
            if any(line.leads for board in found for line in board.lines):
                yield f"models/{task}.html", self._page("models", 1, models=found)
        if archive.failed:
            yield "failed.html", self._page("failed", failed=archive.failed)
        yield "static/places.js", f"sparc3Places({inline(self._places)});\n"
        lines = [(board, line) for board in made for line in board.lines]
        for name, one in self._scorers.items():
            yield f"scorers/{name}.html", self._page("scorer", 1, about=one, lines=lines)
        yield "index.html", self._page("index", view=view, boards=made, archive=archive)

    def of_board(self, board: Board, found: Sequence[Agreement], parts: dict[str, str]) -> Pages:
        """Yield the page of a board, its data, and the pages of its sections."""
        for one in found:
            # The pages of both tasks have it.
            if one.id not in parts:
                parts[one.id] = self._page("agreement", 1, one=one)
        told = [parts[one.id] for one in found]
        yield board.href, self._page("board", 1, board=board, agreements=told)
        data = shards.shard(board, self._look)
        yield f"data/{board.id}.js", shards.script(data)
        yield f"data/{board.id}.json", json.dumps(data, allow_nan=False) + "\n"
        yield f"data/{board.id}.csv", shards.csv_table(board)
        for section in board.sections:
            own = [one for one in found if one.is_about(section)]
            shown: dict[str, Any] = {"board": board, "section": section, "agreements": own}
            yield section.href, self._page("section", 1, **shown)
            for row in section.scorers.values():
                if rank := section.rank(row):
                    badge = {"section": section, "row": row, "rank": rank}
                    yield _badge(section, row), self._page("badge", 1, suffix="svg", **badge)

    def of_results(self, made: Sequence[Board], results: Sequence[tuple[Path, Result]]) -> Pages:
        """Yield a page for every result."""
        places = {
            run.path: (board, section, one)
            for board in made
            for section in board.sections
            for one in section.series
            for run in one.runs
        }
        for run in (ResultFile(*pair) for pair in results):
            path, result = Path("results") / run.path, run.result
            board, section, one = places.get(run.path, (None, None, None))
            badge = ""
            if section and one and one in section.scorers.values() and section.rank(one):
                badge = _badge(section, one)
            yield (
                path.with_suffix(".html").as_posix(),
                self._page(
                    "result",
                    len(path.parts) - 1,
                    result=result,
                    board=board,
                    section=section,
                    repeat=command(result),
                    uses=uses(result, path.name, self._host) if result.points else [],
                    badge=badge,
                    file=run.href.rpartition("/")[2],
                    samples=samples_path(run.path).name if result.sample_file else "",
                ),
            )

    def _page(self, name: str, depth: int = 0, suffix: str = "html", **context: Any) -> str:
        template = self._templates.get_template(f"{name}.{suffix}")
        return template.render(**{"root": "../" * depth, "page": f"{name}.html", **context})


def _badge(section: Section, row: Series) -> str:
    """Return the address of the badge of a scorer in a section, from the root of the site."""
    return f"badges/{section.id}--{row.scorer.name}.svg"


def _scorers(refs: Iterable[PluginRef], host: PluginHost) -> dict[str, ScorerDescription]:
    """Return what every scorer of the runs is, by name."""
    told: dict[str, ScorerDescription] = {}
    for ref in sorted(refs, key=lambda ref: (ref.name, ref.distribution)):
        # Where two packages have a scorer of one name, the page is that of the one known here.
        one = scorer_description(ref, host)
        if one.name not in told or one.is_installed:
            told[one.name] = one
    return told
