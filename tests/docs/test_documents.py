"""What the documents say is so: code runs, commands parse, hooks are there, tables fit."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token

from sparc3_bench import hookspecs
from sparc3_bench.cli import app
from sparc3_bench.configurable import option_fields
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.bibliography import bibliography
from sparc3_bench.scaffold.write import render
from sparc3_bench.types.conventions import AGGREGATIONS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    path
    for path in sorted(ROOT.glob("**/*.md"))
    if not {".venv", "build", "node_modules", ".pytest_cache"} & set(path.parts)
]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    found = []
    for path in DOCUMENTS:
        for block in [*blocks(path.read_text(), ""), path.read_text()]:
            found += re.findall(r"^ *(sparc3 [a-z].*)$", block, flags=re.MULTILINE)
            found += re.findall(r"`(sparc3 [a-z][^`|]*)`", block)
    return sorted({re.split(r"#| [|>] ", line)[0].strip() for line in found})


def test_the_plugin_in_the_readme_is_the_one_that_is_written():
    (code,) = blocks(README, "python")
    assert code == render("scorer", "activation-norm")["sparc3_activation_norm.py"]


def test_the_scorer_of_the_readme_is_about_twenty_lines():
    (code,) = blocks(README, "python")
    body = code.partition("class ")[2].partition("@hookimpl")[0]
    lines = [line for line in body.splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 20


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_documents_parses(line):
    program = typer.main.get_command(app)
    _, name, *arguments = shlex.split(line)
    assert name in program.commands, line
    if arguments:
        program.commands[name].make_context(name, arguments)


def test_the_hook_documentation_shows_the_tested_plugin():
    shown = hookspecs.sparc3_register_scorers.__doc__
    for line in ("class ActivationNorm(Scorer):", "with model.observe(add):", "@hookimpl"):
        assert line in shown


@pytest.mark.parametrize(
    "hook", [name for name in vars(hookspecs) if name.startswith("sparc3_register")]
)
def test_every_hook_is_documented_where_authors_look(hook):
    text = "".join((ROOT / folder / "README.md").read_text() for folder in ("plugins", "tasks"))
    assert hook in text


@pytest.mark.parametrize("kind", ["scorer", "task"])
def test_every_built_in_and_its_options_are_described(kind):
    text = "".join(path.read_text() for path in DOCUMENTS)
    for name, entry in default_host().all(kind).items():
        assert f"`{name}`" in text or f": {name} (" in text
        for option in (field.name for field in option_fields(entry.cls)):
            assert option in text + (entry.cls.__doc__ or "")


def test_every_aggregation_is_explained():
    concepts = (ROOT / "docs/concepts.md").read_text()
    assert [name for name in AGGREGATIONS if f"| `{name}` |" not in concepts] == []


def test_every_citation_key_is_in_the_bibliography():
    keys = set(bibliography())
    cited = set()
    code = [*ROOT.glob("sparc3_bench/**/*.py"), *ROOT.glob("plugins/**/*.py")]
    for path in [*code, *ROOT.glob("tasks/**/*.py"), *ROOT.glob("**/*.md")]:
        if not {".venv", "build"} & set(path.parts):
            groups = re.findall(r"\[((?:[a-z]+\d{4}[a-z]*[^\]\n]*))\]", path.read_text())
            cited |= {key for group in groups for key in re.findall(r"[a-z]+\d{4}[a-z]*", group)}
    assert cited
    assert cited <= keys


def tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text())


def places(path: Path) -> set[str]:
    """Return the anchors of a document, as forges make them; no two headings are named alike."""
    found = tokens(path)
    headings = [two for one, two in pairwise(found) if one.type == "heading_open"]
    names = ["".join(one.content for one in heading.children or ()) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in names}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(path):
    inside = [one for token in tokens(path) for one in token.children or ()]
    links = [str(one.attrs.get("href") or one.attrs.get("src") or "") for one in inside]
    for link in (one for one in links if one and not one.startswith("https://")):
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if fragment:
            assert fragment in places(target), link


def test_the_contents_list_every_document():
    text = (ROOT / "docs/README.md").read_text()
    listed = re.findall(r"^- \[.+\]\((.+\.md)\)", text, flags=re.MULTILINE)
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= {"README.md", *listed}


def test_pictures_of_documents_can_be_read_in_the_dark():
    for path in (ROOT / "docs").glob("*.svg"):
        text = path.read_text()
        assert "prefers-color-scheme:dark" in text, path
        assert "<title" in text, path
        assert "<desc" in text, path


def test_a_term_is_explained_once():
    glossary = (ROOT / "docs/glossary.md").read_text()
    terms = re.findall(r"^### (.+)$", glossary, flags=re.MULTILINE)
    assert len(terms) == len(set(terms)) > 40
    for word in ("Sparsity", "Comparison group", "Schedule", "Reference samples", "Objective"):
        assert word in terms
    others = [path for path in DOCUMENTS if path.name != "glossary.md" and "docs" in path.parts]
    assert [path for path in others if "## Glossary" in path.read_text()] == []


def test_files_are_short_and_say_their_one_job():
    for folder in ("sparc3_bench", "plugins", "tasks"):
        for path in (ROOT / folder).rglob("*.py"):
            lines = path.read_text().splitlines()
            assert len(lines) <= 320, path
            assert lines[0].startswith('"""'), path
