"""How responses are drawn: said without torch, so that a record can be read without it."""

from __future__ import annotations

from dataclasses import dataclass

from sparc3_bench import Sparc3Error


@dataclass(frozen=True)
class Sampling:
    """How continuations are drawn.

    Parameters
    ----------
    new_tokens
        Tokens of a continuation at most, its end included.
    samples
        Continuations of each prompt; 1 if greedy.
    top_p
        Size of the nucleus, in (0, 1], see `nucleus_tokens`; 1 is slow, as every row is sorted.
    temperature
        What logits are divided by before; above 0.
    greedy
        Take the most probable token instead; `top_p`, `temperature` and `seed` say nothing then.
    seed
        Of the random numbers; 0 or more.

    Raises
    ------
    Sparc3Error
        When a number is out of its range.
    """

    new_tokens: int
    samples: int = 1
    top_p: float = 0.9
    temperature: float = 1.0
    greedy: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("new_tokens", "samples"):
            if getattr(self, name) < 1:
                raise Sparc3Error(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.top_p <= 1:
            raise Sparc3Error(f"`top_p` must be above 0 and at most 1, got {self.top_p}.")
        if not 0 < self.temperature < float("inf"):
            raise Sparc3Error(f"`temperature` must be above 0, got {self.temperature}.")
        if not 0 <= self.seed < 2**64:
            raise Sparc3Error(f"`seed` must be from 0 to 2^64 - 1, got {self.seed}.")
        if self.greedy and self.samples > 1:
            raise Sparc3Error(
                f"Greedy continuations of one prompt are all the same, and {self.samples} samples "
                "are asked for; ask for one, or set `greedy` to false."
            )
