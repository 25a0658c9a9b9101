"""Pages of the leaderboard in a shell that has nothing of its own, escaped as on the site."""

from __future__ import annotations

from typing import Any

import jinja2

from sparc3_bench.leaderboard.templating import templates

_SHELL = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"


def rendered(name: str, **context: Any) -> str:
    """Return a page; a name that its template does not get is an error."""
    environment = templates()
    shell = jinja2.DictLoader({"shell.html": _SHELL})
    environment.loader = jinja2.ChoiceLoader([shell, environment.loader])
    return environment.get_template(name).render(**context)
