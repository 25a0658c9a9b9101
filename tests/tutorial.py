"""The notebook docs/tutorial.ipynb, made of the page "From Python": its words and its code."""

from __future__ import annotations

import json
import re

from rows import ROOT

PAGE, NOTEBOOK = ROOT / "docs/python.md", ROOT / "docs/tutorial.ipynb"


def notebook() -> str:
    """Return the notebook, without outputs; what a cell prints last it displays."""
    # Words and code take turns.
    parts = re.split(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    cells = [
        {
            "cell_type": "code" if number % 2 else "markdown",
            "id": f"cell-{number}",
            "metadata": {},
            "source": re.sub(r"\nprint\((.*)\)$", r"\n\1", text).splitlines(keepends=True),
        }
        for number, text in enumerate(part.strip() for part in parts)
        if text
    ]
    for cell in cells:
        cell |= {"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
