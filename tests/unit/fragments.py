"""Pages of the leaderboard in a shell that has nothing of its own, escaped as on the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

import sparc3_bench.leaderboard

_FOLDER = Path(sparc3_bench.leaderboard.__file__).parent / "templates"
_SHELL = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"


def rendered(name: str, **context: Any) -> str:
    """Return a page; a name that its template does not get is an error."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.DictLoader({"shell.html": _SHELL}), jinja2.FileSystemLoader(_FOLDER)]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**context)
