"""Templating: the texts for readers that stand in folders, in Markdown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2

from sparc3_bench.comparison.phrasing import dataset_text, percent, scorer_text


def markdown_text(template: str, **context: Any) -> str:
    """Return a text; between two of its parts there is one empty line."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(
        dataset_text=dataset_text,
        json=lambda value: json.dumps(value, ensure_ascii=False),
        percent=percent,
        scorer_text=scorer_text,
    )
    text = environment.get_template(template).render(**context)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
