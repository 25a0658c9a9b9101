"""Raises 50 MB of text with control characters."""

raise RuntimeError("\x1b[31m\u202e" + "no " * 17_000_000)
