"""Prints 50 MB."""

print("x" * 50_000_000)  # noqa: T201
