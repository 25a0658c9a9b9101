"""Sphinx: the documents of the repository, and the reference that is made of the code.

`make docs` runs it over the whole repository, so that a link from one document to another is the
same here as on a forge. Nothing in the built pages is loaded from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer.cli
from docutils import nodes
from pydantic import BaseModel
from sphinx.application import Sphinx

import sparc3_bench
from sparc3_bench.cli import app as command_line
from sparc3_bench.host import KINDS, default_host
from sparc3_bench.leaderboard.bibliography import bibliography, spell_out

ROOT = Path(__file__).resolve().parents[1]

project = "sparc3-bench"
author = "The sparc3-bench authors"
project_copyright = author
root_doc = "docs/README"
extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]
include_patterns = [
    *("docs/*.md", "docs/reference/*", "tasks/README.md", "tasks/sparc3_tasks/*/README.md"),
    *("README.md", "plugins/README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
]
myst_heading_anchors = 4

html_theme = "alabaster"
html_theme_options = {
    "description": "How good is a way to score weights, and how sure are we?",
    "page_width": "66rem",
    "sidebar_width": "15rem",
    "fixed_sidebar": True,
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "font_size": "1rem",
    "show_powered_by": False,
    "github_button": False,
}
html_title = project
html_static_path = ["look"]
html_css_files = ["docs.css"]
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_extra_path = ["start"]
html_show_sourcelink = html_show_sphinx = False
html_copy_source = html_use_index = html_domain_indices = False
html_show_search_summary = False  # a page of a disk may not read another
highlight_language = "none"

autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    # What pydantic adds to every model is not told of each.
    "exclude-members": "model_config, model_post_init, model_fields, model_computed_fields",
}
autodoc_preserve_defaults = True  # a default that is computed may hold a path of this machine
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False  # they stand below, each with its own words
default_role = "literal"  # as docstrings use single backticks
python_use_unqualified_type_names = True
add_module_names = False
nitpick_ignore_regex = [
    # Of Python and of libraries, whose pages are elsewhere; of the suite, bases without a page.
    ("py:.*", r"(abc|collections|enum|pydantic|torch)\..*"),
    ("py:.*", r"(sparc3_tasks\.|sparc3_scorers\.accumulating\.|.*\._|.*\.Prepared$).*"),
]
suppress_warnings = ["ref.python"]  # `device`, of torch, is also the name of two attributes


def listed(text: str) -> list[tuple[str, str]]:
    """Return the documents that the contents list: what each is called, and its name here."""
    links = re.findall(r"^- \[([^\]]+)\]\(([^)#\s]+)\.md\)", text, re.MULTILINE)
    return [(label, f"/docs/{to}" if "/" not in to else f"/{to[3:]}") for label, to in links]


def menu(text: str) -> str:
    """Return the menu beside every page; on a forge the list of the contents stands for it."""
    tasks = [
        f"{card.read_text().splitlines()[0].removeprefix('# Card: ')} </{card.relative_to(ROOT)}>"
        for card in sorted(ROOT.glob("tasks/sparc3_tasks/*/README.md"))
    ]
    pages = sorted(f"/docs/reference/{path.stem}" for path in (ROOT / "docs/reference").iterdir())
    parts = {
        "Guides": [*(f"{label} <{to}>" for label, to in listed(text)), "Changes </CHANGELOG>"],
        "Tasks": tasks,
        "Reference": pages,
    }
    head = ":hidden:\n:titlesonly:"
    return "\n".join(
        f"\n```{{toctree}}\n:caption: {title}\n{head}\n\n" + "\n".join(found) + "\n```"
        for title, found in parts.items()
    )


def cited(text: str, form: str) -> str:
    """Spell out what is cited by key, each with a link to the work."""
    plain, works = spell_out(text)
    for work in works:
        plain = plain.replace(work.label, form.format(label=work.label, key=work.key))
    return plain


def door() -> str:
    """Return what a plugin imports from the package itself, by the module that it is told at."""
    homes: dict[str, list[str]] = {}
    for name in sparc3_bench.__all__:
        homes.setdefault(sparc3_bench._HOMES[name], []).append(name)
    return "\n".join(
        f"* {', '.join(f':py:obj:`~{home}.{name}`' for name in names)}"
        for home, names in sorted(homes.items())
    )


def commands() -> str:
    """Return what the command line says of itself: every command with its options."""
    program = typer.main.get_command(command_line)
    context = typer.Context(program, info_name="sparc3")
    return typer.cli.get_docs_for_click(obj=program, ctx=context, indent=1, name="sparc3")


def plugins() -> str:
    """Return the classes of all plugins that the suite brings, with what their authors wrote."""
    lines: list[str] = []
    for kind in KINDS:
        lines += [f"{kind.capitalize()}s", "-" * 30, ""]
        for name, entry in default_host().all(kind).items():
            if entry.origin.distribution == project:
                place = f"{entry.cls.__module__}.{entry.cls.__qualname__}"
                lines += [f".. _{kind}-{name}:", "", f"``{name}``", "~" * 40, ""]
                lines += [f".. autoclass:: {place}", "   :no-members:", ""]
    return "\n".join(lines)


def works() -> str:
    """Return the works that the suite cites."""
    return "\n\n".join(
        f".. _{work.key}:\n.. rubric:: {work.label}\n\n{work.text} {work.url}"
        for work in sorted(bibliography().values(), key=lambda work: work.text)
    )


MADE = {"commands": commands, "door": door, "plugins": plugins, "works": works}


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Add to a document what is made: menu, citations, parts of the reference."""
    if app.env.doc2path(name).suffix == ".md":
        source[0] = cited(source[0], "{{ref}}`{label} <{key}>`")
    if name == root_doc:
        source[0] += menu(source[0])
    if made := MADE.get(name.removeprefix("docs/reference/")):
        source[0] += made()


def docstring(app: Sphinx, what: str, name: str, one: Any, options: Any, lines: list[str]) -> None:
    """Spell out citations in a docstring."""
    lines[:] = cited("\n".join(lines), ":ref:`{label} <{key}>`").splitlines()


def signature(app: Sphinx, what: str, name: str, one: Any, *said: Any) -> tuple[str, str]:
    """Return what the code has, where numpydoc would look into docstrings; fields stand below."""
    is_record = isinstance(one, type) and issubclass(one, BaseModel)
    return ("", "") if is_record else said[1:]


def missing(app: Sphinx, env: Any, node: Any, content: nodes.Node) -> nodes.Node | None:
    """Lead a name of an annotation to its page, if it has one; no public name has two homes."""
    if node.get("refdomain") != "py" or isinstance(content, nodes.literal):
        return None  # what a text refers to by a role must be there
    python, name = env.get_domain("py"), node["reftarget"].rpartition(".")[2]
    homes = [full for full, one in python.objects.items() if is_home(full, one.objtype, name)]
    if len(homes) != 1:
        return content
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", homes[0], node, content)


def is_home(full: str, kind: str, name: str) -> bool:
    """Return whether something is what a bare name means: no member of a class."""
    return full.rpartition(".")[2] == name and kind not in ("attribute", "method", "property")


def setup(app: Sphinx) -> None:
    """Take part in reading."""
    app.connect("autodoc-process-signature", signature, priority=0)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("missing-reference", missing)
