"""A plugin that misspells a hook."""

from sparc3_bench import hookimpl


@hookimpl
def sparc3_register_scorer():
    return []
