"""Pages: every file of the site but the copies of results, one after the other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.leaderboard import charts, shards
from sparc3_bench.leaderboard.agreement import agreements, agreements_of
from sparc3_bench.leaderboard.answers import applications
from sparc3_bench.leaderboard.boards import Board, boards
from sparc3_bench.leaderboard.crossing import crossings
from sparc3_bench.leaderboard.crossing_report import CrossingReport
from sparc3_bench.leaderboard.entries import Entry
from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.leaderboard.overview import overview
from sparc3_bench.leaderboard.plugin_description import ScorerDescription, scorer_description
from sparc3_bench.leaderboard.repeat import command, uses
from sparc3_bench.leaderboard.series import ResultFile, Series
from sparc3_bench.leaderboard.tables import split
from sparc3_bench.leaderboard.templating import HERE, inline, templates
from sparc3_bench.record.files import samples_path

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.agreement import Agreement
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.record.result import Result

_STATIC = ("d3.LICENSE", "d3.min.js", "plot.LICENSE", "plot.min.js")
_SCRIPTS = (
    "board.js",
    "compare.js",
    "draw.js",
    "effects.js",
    "heads.js",
    "search.js",
    "site.js",
    "sort.js",
)

_CHOICES = ("unit", "group", "aggregation", "scorer")

GUIDE = "docs/docs"
"""Where in the site `make docs` puts the documents of the repository's folder ``docs``."""

Pages = Iterator[tuple[str, str]]


def pages(
    results: Sequence[tuple[Path, Result]],
    host: PluginHost,
    has_guide: bool = False,
    commit: str = "",
) -> Pages:
    """Yield every file of the site but the copies of results, by its path in the site.

    Parameters
    ----------
    results
        Each result with its path relative to the results folder, as from `read_results`.
    host
        Where tasks and scorers are looked up.
    has_guide
        Whether the documentation is in the folder of the site, to be linked to.
    commit
        The commit that has the results, where one has.
    """
    site = _Site(results, host)
    site.tell(has_guide=has_guide, commit=commit)
    yield from site.fixed()
    for board in site.boards:
        yield from site.of_board(board)
    yield from site.of_scorers()
    yield from site.of_results()


class _Site:
    """What all pages share."""

    def __init__(self, results: Sequence[tuple[Path, Result]], host: PluginHost) -> None:
        from sparc3_bench.run.intervals import renewed  # loads numpy and scipy

        self._templates = templates()
        self._host = host
        results = _named([(path, renewed(result, host)) for path, result in results])
        sections, self._failed = split(results)
        self._runs = [ResultFile(*pair) for pair in sorted(results, key=lambda r: r[0].as_posix())]
        self.boards = boards(sections, host)
        series = [one for section in sections for one in section.series if not one.is_control]
        shown = Counter(one.scorer.name for one in series)
        # Those that are there most often first: colours are few, and theirs differ.
        self._look = charts.looks(sorted(shown, key=lambda name: (-shown[name], name)))
        self._applications = applications(self.boards)
        self._overview = overview(self.boards)
        self._agreements = agreements(self.boards, host)
        self._effects = [CrossingReport(one) for one in crossings((r for _, r in results), host)]
        self._parts: dict[str, str] = {}
        self._scorers = _scorers(self._runs, host)
        notices = [(one.title, one.notice) for one in self._scorers.values() if one.notice]
        self._models: dict[str, list[Board]] = {}
        for board in self.boards:
            self._models.setdefault(board.spec.task.name, []).append(board)
        self.tell(
            notices=notices,
            has_effects=bool(self._effects),
            look=self._look,
            tasks=[(one.title, one.href) for one, *_ in self._models.values()],
            version=metadata.version("sparc3-bench"),
            newest=max(run.result.created for run in self._runs)[:10],
        )

    def tell(self, **shared: Any) -> None:
        """Tell the templates what all pages may say."""
        self._templates.globals.update(shared)

    def fixed(self) -> Pages:
        """Yield the pages that every site has, and what they are drawn with."""
        # The overview first: it marks what follows as ours, should the rest be interrupted.
        yield (
            "index.html",
            self._page(
                "index",
                view=self._overview,
                applications=self._applications,
                boards=self.boards,
                failed=self._failed,
                runs=len(self._runs),
                short=sum(run.result.spec.limit is not None for run in self._runs),
                packages=_packages(self._runs),
                platforms=sorted({run.result.environment.platform for run in self._runs}),
                processors=sorted({run.result.environment.processor for run in self._runs}),
            ),
        )
        yield "compare.html", self._page("compare", boards=[b for b in self.boards if b.drawn])
        for task, found in self._models.items():
            if any(board.leading for board in found):
                yield f"models/{task}.html", self._page("models", 1, models=found)
        if self._effects:
            yield "effects.html", self._page("effects", reports=self._effects)
        yield "literature.html", self._page("literature", tables=literature())
        yield "submit.html", self._page("submit")
        if self._failed:
            yield "failed.html", self._page("failed", failed=self._failed)
        yield "static/site.css", (HERE / "templates" / "page.css").read_text(encoding="utf-8")
        yield "static/places.js", f"sparc3Places({inline(self._places())});\n"
        for folder, names in (("static", _STATIC), ("templates", _SCRIPTS)):
            for name in names:
                yield f"static/{name}", (HERE / folder / name).read_text(encoding="utf-8")

    def of_board(self, board: Board) -> Pages:
        """Yield the page of a board, its data, and the pages of its sections."""
        found = self._agreements.get(board.id, ())
        told = [self._told(one) for one in found]
        yield (
            board.href,
            self._page(
                "board",
                1,
                board=board,
                choices=_choices(board),
                agreements=told,
            ),
        )
        data = shards.shard(board, self._look)
        yield f"data/{board.id}.js", shards.script(data)
        yield f"data/{board.id}.json", json.dumps(data, allow_nan=False) + "\n"
        yield f"data/{board.id}.csv", shards.csv_table(board)
        for entry in board.entries:
            section = entry.section
            yield (
                entry.href,
                self._page(
                    "section",
                    1,
                    board=board,
                    entry=entry,
                    warnings=_warnings(section),
                    agreements=agreements_of(entry, found),
                ),
            )
            for one in entry.scorers().values():
                if rank := entry.rank(entry.place(one)):
                    badge = {"entry": entry, "row": one, "rank": rank}
                    yield badge_of(entry, one), self._page("badge", 1, suffix="svg", **badge)

    def of_scorers(self) -> Pages:
        """Yield a page for every scorer."""
        for name, one in self._scorers.items():
            rows = [(line, line.cells[name]) for line in self._overview.lines if name in line.cells]
            own = [
                (board, entry, row)
                for board in self.boards
                for entry in board.entries
                for row in entry.section.series
                if row.scorer.name == name and not entry.section.prunes and row.whole.curve
            ]
            yield f"scorers/{name}.html", self._page("scorer", 1, about=one, rows=rows, own=own)

    def of_results(self) -> Pages:
        """Yield a page for every result."""
        places: dict[int, tuple[Board, Entry]] = {}
        for one in self.boards:
            for member in one.entries:
                for run in member.section.runs:
                    places[id(run.result)] = one, member
        for run in self._runs:
            path = Path("results") / run.path
            board, entry = places.get(id(run.result)) or (None, None)
            result = run.result
            yield (
                path.with_suffix(".html").as_posix(),
                self._page(
                    "result",
                    len(path.parts) - 1,
                    result=result,
                    board=board,
                    entry=entry,
                    repeat=command(result),
                    uses=uses(result, path.name, self._host) if result.points else [],
                    badge=entry and _badge_with(entry, run),
                    file=run.href.rpartition("/")[2],
                    samples=samples_path(run.path).name if result.sample_file else "",
                ),
            )

    def _places(self) -> list[tuple[str, str]]:
        """Return what can be searched for, in words, with the address of its page."""
        scorers = self._scorers.items()
        found = [(f"{one.title} ({name})", f"scorers/{name}.html") for name, one in scorers]
        for board in self.boards:
            found.append((f"{board.title}, {board.named}", board.href))
            found += [(f"{board.title}, {board.model}: {e.words}", e.href) for e in board.entries]
        return found

    def _page(self, name: str, depth: int = 0, suffix: str = "html", **context: Any) -> str:
        template = self._templates.get_template(f"{name}.{suffix}")
        return template.render(**{"root": "../" * depth, "page": f"{name}.html", **context})

    def _told(self, one: Agreement) -> str:
        """Return the part of a page about two tasks, which the pages of both have."""
        if one.id not in self._parts:
            self._parts[one.id] = self._page("agreement", 1, one=one)
        return self._parts[one.id]


def badge_of(entry: Entry, row: Series) -> str:
    """Return the address of the badge of a scorer in a section, from the root of the site."""
    return f"badges/{entry.section.id}--{row.scorer.name}.svg"


def _badge_with(entry: Entry, run: ResultFile) -> str:
    """Return the address of the badge that a result counts for; empty where it has none."""
    own = [s for s in entry.scorers().values() if any(r.path == run.path for r in s.runs)]
    return badge_of(entry, own[0]) if own and entry.rank(entry.place(own[0])) else ""


def _named(results: list[tuple[Path, Result]]) -> list[tuple[Path, Result]]:
    """Return results with one label for the same weights: that which says most."""
    labels: dict[str, str] = {}
    for _, result in results:
        model = result.spec.model
        labels[model.weight_digest] = max(
            labels.get(model.weight_digest, ""), model.label, key=lambda label: (len(label), label)
        )

    def named(result: Result) -> Result:
        model = result.spec.model
        if (label := labels[model.weight_digest]) == model.label:
            return result
        spec = result.spec.model_copy(update={"model": model.model_copy(update={"label": label})})
        return result.model_copy(update={"spec": spec})

    return [(path, named(result)) for path, result in results]


def _scorers(runs: Sequence[ResultFile], host: PluginHost) -> dict[str, ScorerDescription]:
    """Return what every scorer of the runs is, by name."""
    refs = {(ref.name, ref.distribution): ref for ref in (r.result.spec.scorer for r in runs)}
    told: dict[str, ScorerDescription] = {}
    for _, ref in sorted(refs.items()):
        # Where two packages have a scorer of one name, the page is that of the one known here.
        one = scorer_description(ref, host)
        if one.name not in told or one.is_installed:
            told[one.name] = one
    return told


def _choices(board: Board) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the filters of a board: the name of each, its label, its values with their words."""
    found: dict[str, dict[str, str]] = {name: {} for name in _CHOICES}
    for entry in board.entries:
        for name in ("unit", "group"):
            value = str(getattr(entry.spec, name))
            found[name].setdefault(value, value)
        for one in entry.section.series:
            found["scorer"].setdefault(one.scorer.name, one.scorer.title)
            if aggregation := str(one.scorer.options.get("aggregation", "")):
                found["aggregation"].setdefault(aggregation, aggregation)
    # What stands for the board comes first, as a reader is shown the first.
    drawn = sorted(board.drawn, key=lambda one: not any(one is other for other in board.leading))
    sections = [(entry.section.id, entry.words) for entry in drawn]
    return [
        ("section", "Convention drawn", sections),
        ("metric", "Metric", []),
        ("amount", "Amount", []),
        *((name, name.capitalize(), list(found[name].items())) for name in _CHOICES),
    ]


def _warnings(section: Section) -> dict[str, list[ResultFile]]:
    """Return every warning with the runs that gave it."""
    found: dict[str, list[ResultFile]] = {}
    for run in section.runs:
        for warning in dict.fromkeys(run.result.warnings):
            found.setdefault(warning, []).append(run)
    return found


def _packages(runs: Sequence[ResultFile]) -> dict[str, list[str]]:
    """Return the versions of every package that some run used."""
    found: dict[str, set[str]] = {}
    for run in runs:
        environment = run.result.environment
        for name, version in {"Python": environment.python, **environment.packages}.items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(found[name]) for name in sorted(found, key=lambda n: (n != "Python", n))}
