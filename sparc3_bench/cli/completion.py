"""Completion: what the shell offers for names; it asks entry points and imports no torch."""

from __future__ import annotations

from collections.abc import Callable


def names_of(*kinds: str) -> Callable[[], list[str]]:
    """Return what tells the names of all plugins of some kinds."""

    def told() -> list[str]:
        from sparc3_bench.host import default_host

        return [name for kind in kinds for name in default_host().all(kind)]

    return told


def whatever_is_listed() -> list[str]:
    """Tell what `sparc3 list` takes: kinds in the plural, and names of every kind."""
    from sparc3_bench.host import KINDS

    return [*(f"{kind}s" for kind in KINDS), *names_of(*KINDS)()]


def keys() -> list[str]:
    """Tell the keys of the results in the usual folders, by the names of their files."""
    from sparc3_bench.record.files import files_below
    from sparc3_bench.record.reference import USUAL_FOLDERS, key_in

    return [key_in(file) for folder in USUAL_FOLDERS for file in files_below(folder)]
