"""Scorers that do what they must not, each named by it.

Not among them is what no boundary between processes can stop, as a scorer has the rights of the
user: deleting the user's files, writing into the cache, killing the process that started this one.
Nobody promises to withstand that.
"""

from __future__ import annotations

from sparc3_bench import hookimpl
from sparc3_hostile import ending, leaving  # noqa: F401  # they fill the table
from sparc3_hostile.table import KINDS, Hostile


@hookimpl
def sparc3_register_scorers():
    return [
        type(
            name.title().replace("-", ""),
            (Hostile,),
            {
                "__doc__": f"{name.removeprefix('hostile-').replace('-', ' ').capitalize()}.",
                "__module__": __name__,
                "name": name,
                "title": name,
                "act": staticmethod(one.act),
            },
        )
        for name, one in KINDS.items()
    ]
