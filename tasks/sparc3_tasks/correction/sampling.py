"""How responses are drawn: said without torch, so that a record can be read without it."""

from __future__ import annotations

from dataclasses import dataclass


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
        Of the random numbers; from 0 to 2⁶⁴ - 1.
    """

    new_tokens: int
    samples: int = 1
    top_p: float = 0.9
    temperature: float = 1.0
    greedy: bool = True
    seed: int = 0
