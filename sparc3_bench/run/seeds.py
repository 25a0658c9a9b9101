"""Names of scorers with the seeds to run each with, as users type them."""

from __future__ import annotations

from collections.abc import Sequence

from sparc3_bench.errors import Sparc3Error


def with_seeds(names: Sequence[str], default: int) -> list[tuple[str, list[int]]]:
    """Return ``["wanda", "random@0,1"]`` as names with seeds, each once.

    Raises Sparc3Error when a seed is no whole number.
    """
    found, seen = [], set[tuple[str, int]]()
    for text in names:
        name, at, seeds = text.partition("@")
        try:
            numbers = [int(seed) for seed in seeds.split(",")] if at else [default]
        except ValueError:
            raise Sparc3Error(
                f"Scorer '{text}' has seeds that are no whole numbers; write NAME@0,1,2."
            ) from None
        new = [one for one in dict.fromkeys(numbers) if (name, one) not in seen]
        seen |= {(name, one) for one in new}
        if new:
            found.append((name, new))
    return found
