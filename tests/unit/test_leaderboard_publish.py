"""The folder of the page: reproducible, never half written, never over somebody's results."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.results import make_result, save
from unit.test_leaderboard_site import files, several

from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.leaderboard.site import is_fresh, publish


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for result in several():
        save(folder, result)
    return folder


def test_publishing_twice_changes_nothing(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert publish(results, site) == site / "index.html"
    before = files(site)
    publish(results, site)
    assert files(site) == before


def test_copies_of_results_that_are_gone_are_removed(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    gone = save(results, make_result("wanda", model="another"))
    publish(results, site)
    assert (site / "results" / gone).is_file()
    (site / "notes.json").write_text("{}")
    (results / gone).unlink()
    publish(results, site)
    assert not (site / "results" / gone).parent.exists()
    assert (site / "notes.json").is_file()
    assert is_fresh(results, site)


def test_nothing_is_written_when_a_file_is_bad(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    bad = results / "zzz.json"
    bad.write_text('{"schema_version": 1}')
    with pytest.raises(RecordError, match=r"zzz\.json"):
        publish(results, site)
    assert not site.exists()
    bad.unlink()
    publish(results, site)
    before = files(site)
    bad.write_text("not JSON")
    with pytest.raises(RecordError, match=r"zzz\.json"):
        publish(results, site)
    assert files(site) == before


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_results_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "results"
    if exists:
        folder.mkdir()
    with pytest.raises(Sparc3Error) as caught:
        publish(folder, tmp_path / "site")
    assert str(caught.value) == (
        f"`{folder}` holds no result files; a page needs at least one: make it with "
        "`sparc3 run`, or name another folder."
    )
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("place", [".", "results", "results/site"])
def test_a_site_around_or_inside_the_results_is_refused(results: Path, place: str) -> None:
    before = files(results)
    with pytest.raises(Sparc3Error, match="must not lie inside one another"):
        publish(results, results.parent / place)
    assert files(results) == before


def test_results_that_somebody_else_put_there_are_not_removed(
    results: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    save(site / "results", make_result("wanda", model="precious"))
    before = files(site)
    with pytest.raises(Sparc3Error, match="did not put it there"):
        publish(results, site)
    assert files(site) == before


def test_freshness(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert not is_fresh(results, site)
    publish(results, site)
    assert is_fresh(results, site)
    added = save(results, make_result("wanda", seed=7))
    assert not is_fresh(results, site)
    publish(results, site)
    copy = site / "results" / added
    copy.write_text(copy.read_text() + " ")
    assert not is_fresh(results, site)
    publish(results, site)
    assert is_fresh(results, site)
    (site / "literature.html").unlink()
    assert not is_fresh(results, site)
    publish(results, site)
    (site / "index.html").write_text("edited by hand")
    assert not is_fresh(results, site)


def test_the_documentation_is_linked_to_where_it_is(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    index = publish(results, site)
    assert "How to read a number: <code>docs/glossary.md</code>" in index.read_text()
    assert [name for name, text in files(site).items() if b"docs/docs/" in text] == []
    guide = site / "docs/docs/glossary.html"
    guide.parent.mkdir(parents=True)
    guide.write_text("made by others")
    assert not is_fresh(results, site)
    publish(results, site)
    assert is_fresh(results, site)
    assert '<a href="docs/docs/glossary.html">How to read a number</a>' in index.read_text()
    assert guide.read_text() == "made by others"
