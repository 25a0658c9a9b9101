"""Make anew what documents say of committed results: `python tests/renew.py`; a test compares it.

Every block between `<!-- made: NAME -->` and `<!-- end -->` comes from the maker of that name. The
notebook is made of the page "From Python".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import allocation_tables
import card_tables
import circuit_tables
import correction_tables
import evidence_tables
import faq_tables
import lrp_tables
import lxt_tables
import performance_tables
import readme_tables
import sanity_tables
import suite_tables
import tutorial
from tables import Makers, renewed

MODULES = (
    *(readme_tables, faq_tables, circuit_tables, correction_tables, sanity_tables, lxt_tables),
    *(allocation_tables, lrp_tables, suite_tables, evidence_tables, performance_tables),
    *card_tables.CARDS,
)


def documents() -> Iterator[tuple[Path, Makers]]:
    """Yield every document that has blocks, with their makers."""
    for module in MODULES:
        yield module.DOCUMENT, module.MAKERS


def made_files() -> Iterator[tuple[Path, Callable[[], str]]]:
    """Yield every file that is made whole: pictures of results, and the notebook."""
    yield from circuit_tables.PICTURES.items()
    yield from performance_tables.PICTURES.items()
    yield from lrp_tables.PICTURES.items()
    yield tutorial.NOTEBOOK, tutorial.notebook


if __name__ == "__main__":
    for path, makers in documents():
        path.write_text(renewed(path.read_text(), makers))
    for path, make in made_files():
        path.write_text(make())
