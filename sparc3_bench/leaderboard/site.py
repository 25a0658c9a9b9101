"""The site: result files in, one self-contained page and a copy of every file out.

The page is a pure function of the results: no date of building, no path of this machine, so that
a stale page can be told from a fresh one by comparing bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard import chart, sentences, words
from sparc3_bench.leaderboard.controls import drawn_label
from sparc3_bench.leaderboard.frontier import frontier
from sparc3_bench.leaderboard.maps import atlas
from sparc3_bench.leaderboard.navigation import contents
from sparc3_bench.leaderboard.overlap import overlaps
from sparc3_bench.leaderboard.series import Run, Series, seeds
from sparc3_bench.leaderboard.tables import Section, split
from sparc3_bench.record.files import read_results, samples_path, write_atomically
from sparc3_bench.record.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparc3_bench.leaderboard.ranks import Ranks

_TEMPLATES = Path(__file__).parent / "templates"

_SIGNATURE = '<meta name="generator" content="sparc3-bench">'
"""Tells a folder that `publish` made from one that holds somebody's results."""


def publish(results: Path, site: Path) -> Path:
    """Write the page and a copy of every result file; return the path of the page.

    Parameters
    ----------
    results
        The folder of result files.
    site
        The folder to write ``index.html`` and ``results/`` to. Result files that an earlier call
        copied there and that are gone from `results` are removed.

    Raises
    ------
    RecordError
        When a file does not follow the schema. Nothing is written then.
    Sparc3Error
        When there are no results, or the site may not be written there.
    """
    page, copies = _build(results)
    _check_place(results, site)
    index = site / "index.html"
    # The page first: it marks the copies beside it as ours if the rest is interrupted.
    write_atomically(index, page)
    for relative, content in copies.items():
        target = site / "results" / relative
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for relative in _copied(site) - set(copies):
        stale = site / "results" / relative
        stale.unlink()
        for folder in stale.parents:
            if folder == site or any(folder.iterdir()):
                break
            folder.rmdir()
    return index


def is_fresh(results: Path, site: Path) -> bool:
    """Return whether `site` is, byte for byte, what `publish` would make of `results` now."""
    page, copies = _build(results)
    index = site / "index.html"
    return (
        index.is_file()
        and index.read_bytes() == page.encode()
        and _copied(site) == set(copies)
        and all((site / "results" / path).read_bytes() == copies[path] for path in copies)
    )


def render(results: Sequence[tuple[Path, Result]]) -> str:
    """Return the page; the same results give the same text, in whatever order they come.

    Parameters
    ----------
    results
        Each result with its path relative to the results folder, as from `read_results`.
    """
    sections, failed = split(results)
    every = [Run(path, result) for path, result in sorted(results, key=lambda r: r[0].as_posix())]
    shown = [series for section in sections for series in section.series]
    names = sorted({series.scorer.name for series in shown if not series.is_control})

    def style(one: Series) -> chart.Style:
        return chart.style(one, names)

    page = (
        templates()
        .get_template("page.html")
        .render(
            sections=[
                (
                    section,
                    _charts(section, names),
                )
                for section in sections
            ],
            contents=contents(sections),
            ranks=_ranks,
            atlas=atlas,
            overlaps=overlaps,
            drawn_label=drawn_label,
            drawn_in=words.drawn_in,
            subject=sentences.subject,
            told=sentences.told,
            removed=sentences.removed,
            against_dense=sentences.against_dense,
            against_random=sentences.against_random,
            frontier_of=lambda question, metric: [
                frontier(question, metric, style, layout)
                for layout in (chart.WIDE, chart.NARROW)
                if not _are_many(question.series)
            ],
            is_reference=words.is_reference,
            units=words.units,
            failed=failed,
            warnings={section.id: _warnings(section) for section in sections},
            style=style,
            signature=_SIGNATURE,
            runs=len(every),
            packages=_packages(every),
            platforms=sorted({run.result.environment.platform for run in every}),
            processors=sorted({run.result.environment.processor for run in every}),
        )
    )
    # JSON may hold half of a surrogate pair, which no encoding can write.
    return page.encode("utf-8", "replace").decode("utf-8")


def templates() -> jinja2.Environment:
    """Return the templates, with the filters that they use."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=words.number,
        counted=words.count,
        precise=words.precise,
        percent=words.percent,
        titled=words.titled,
        convention=words.convention,
        described=words.described,
        judged=words.judged,
        measured=words.measured,
        plain=words.plain,
        probability=words.probability,
        within=words.within,
        seeds=seeds,
    )
    return environment


def _build(results: Path) -> tuple[str, dict[str, bytes]]:
    """Return the page and the copies by relative path, having written nothing."""
    found = list(read_results(results))
    if not found:
        raise Sparc3Error(
            f"`{results}` holds no result files; a page needs at least one: make it with "
            "`sparc3 run`, or name another folder."
        )
    paths = [one for path, _ in found for one in (path, samples_path(path))]
    copies = {
        path.as_posix(): (results / path).read_bytes()
        for path in paths
        if (results / path).is_file()
    }
    return render(found), copies


def _check_place(results: Path, site: Path) -> None:
    """Refuse to write where the copies would mix with somebody's results."""
    source, target = results.resolve(), site.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise Sparc3Error(
            f"`{site}` and the results in `{results}` must not lie inside one another; choose "
            "another folder for the site."
        )
    index = site / "index.html"
    ours = index.is_file() and _SIGNATURE in index.read_text(encoding="utf-8", errors="replace")
    if _copied(site) and not ours:
        raise Sparc3Error(
            f"`{site / 'results'}` holds JSON files that `sparc3 publish` did not put there; it "
            "would remove them, so choose another folder for the site."
        )


def _copied(site: Path) -> set[str]:
    """Return the files of results below the site's copies, by relative path."""
    folder = site / "results"
    every = (*folder.rglob("*.json"), *folder.rglob("*.samples.json.gz"))
    return {path.relative_to(folder).as_posix() for path in every}


def _ranks(section: Section) -> Ranks | None:
    from sparc3_bench.leaderboard.ranks import ranks  # loads numpy and scipy

    return ranks(section, default_host())


def _warnings(section: Section) -> dict[str, list[Run]]:
    """Return every warning with the runs that gave it."""
    found: dict[str, list[Run]] = {}
    for run in section.runs:
        for warning in dict.fromkeys(run.result.warnings):
            found.setdefault(warning, []).append(run)
    return found


def _packages(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return the versions of every package that some run used."""
    found: dict[str, set[str]] = {}
    for run in runs:
        environment = run.result.environment
        for name, version in {"Python": environment.python, **environment.packages}.items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(found[name]) for name in sorted(found, key=lambda n: (n != "Python", n))}


def _charts(section: Section, names: list[str]) -> list[chart.Chart]:
    """Return the drawings of a section, wide and narrow; none of more lines than can be told."""
    if _are_many(section.series):
        return []
    return [chart.draw(section, names, layout) for layout in (chart.WIDE, chart.NARROW)]


def _are_many(series: Sequence[Series]) -> bool:
    """Return whether there are more lines than can be told apart in one drawing."""
    return sum(not one.is_control for one in series) > chart.MOST
