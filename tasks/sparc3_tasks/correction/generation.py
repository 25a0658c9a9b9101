"""What a model answers: continuations of many prompts at once, greedy or sampled."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor

from sparc3_bench import Sparc3Error
from sparc3_bench.model.weights import widest

if TYPE_CHECKING:
    from sparc3_bench import ModelView


@dataclass(frozen=True)
class Sampling:
    """How continuations are drawn."""

    new_tokens: int
    """Tokens of a continuation at most, its end included."""
    samples: int = 1
    """Continuations of each prompt; 1 if greedy."""
    top_p: float = 0.9
    """Size of the nucleus, in (0, 1], see `nucleus_tokens`; 1 is slow, as every row is sorted."""
    temperature: float = 1.0
    """What logits are divided by before; above 0."""
    greedy: bool = True
    """Take the most probable token instead; `top_p`, `temperature` and `seed` say nothing then."""
    seed: int = 0
    """Of the random numbers; from 0 to 2⁶⁴ - 1."""


def respond(
    view: ModelView,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    progress: Callable[[int, int], None],
    batch_size: int = 256,
) -> list[list[list[int]]]:
    """Return what the model continues each prompt with, by prompt and by sample.

    An answer has at most `Sampling.new_tokens` token ids, without the end-of-text token, perhaps
    none. One that is shorter was ended by the model, the others were cut off.

    The random number of a token depends on the seed, the place of the prompt, the sample and the
    step alone: two models that are asked the same share their random numbers, and the size of
    batches changes nothing but rounding. In bfloat16 rounding does change tokens.
    """
    if empty := [index for index, prompt in enumerate(prompts) if len(prompt) == 0]:
        raise Sparc3Error(f"Prompt {empty[0]} has no token; a continuation needs at least one.")
    # Prompts of one length share batches; the longest, which take most memory, come first.
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    rows = [(prompt, sample) for prompt in order for sample in range(sampling.samples)]
    found: list[list[list[int]]] = [[[] for _ in range(sampling.samples)] for _ in prompts]
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        answers = _generate(view, prompts, chosen, sampling)
        for (prompt, sample), answer in zip(chosen, answers, strict=True):
            found[prompt][sample] = answer
        progress(start + len(chosen), len(rows))
    return found


def _ends(view: ModelView) -> list[int]:
    """Return the tokens that end a text: those of the model's configuration and its tokenizer's."""
    declared = getattr(view.config, "eos_token_id", None)
    several = declared if isinstance(declared, list | tuple) else [declared]
    known = {*several, getattr(view.tokenizer, "eos_token_id", None)}
    return sorted(int(token) for token in known if token is not None)


def _generate(
    view: ModelView,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[tuple[int, int]],
    sampling: Sampling,
) -> list[list[int]]:
    """Return one continuation for each (prompt, sample) of `rows`."""
    model: Any = view.model
    ends = _ends(view)
    # What fills up is masked before a prompt and cut off behind an end, so any token will do. An
    # end does best: it tells the sampler which rows have ended.
    padding = ends[0] if ends else 0
    width = max(len(prompts[prompt]) for prompt, _ in rows)
    ids = torch.full((len(rows), width), padding)
    mask = torch.zeros_like(ids)
    for row, (prompt, _) in enumerate(rows):
        place = slice(width - len(prompts[prompt]), width)
        ids[row, place], mask[row, place] = torch.tensor(prompts[prompt]), 1
    config = GenerationConfig(
        max_new_tokens=sampling.new_tokens,
        do_sample=False,  # the sampler leaves one token to choose from
        num_beams=1,
        use_cache=True,
        eos_token_id=ends or None,
        pad_token_id=padding,
    )
    # `generate` takes from the model's own settings what is None in those it is given, and for
    # some, such as suppressed tokens, None is the one value that means "off".
    without = patch.object(model, "generation_config", GenerationConfig())
    with torch.inference_mode(), without:
        output = model.generate(
            ids.to(view.device),
            attention_mask=mask.to(view.device),
            generation_config=config,
            logits_processor=[] if sampling.greedy else [_Sampler(sampling, rows, width, ends)],
        )
    view.tokens += output.shape[0] * (output.shape[1] - 1)  # the last is not read
    new = output[:, width:].tolist()
    return [row[: next((i for i, t in enumerate(row) if t in ends), len(row))] for row in new]


class _Sampler(LogitsProcessor):  # type: ignore[misc]  # mypy does not follow transformers
    """Leaves the drawn token alone to be chosen."""

    def __init__(
        self, sampling: Sampling, rows: Sequence[tuple[int, int]], width: int, ends: list[int]
    ) -> None:
        self._sampling = sampling
        self._width = width
        self._ends = torch.tensor(ends, dtype=torch.long)
        self._numbers = torch.from_numpy(
            np.stack([uniforms(sampling.seed, *r, sampling.new_tokens) for r in rows])
        )

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        step = input_ids.shape[1] - self._width
        # Taken to the device once.
        self._ends, self._numbers = self._ends.to(scores.device), on(scores.device, self._numbers)
        ended = torch.isin(input_ids[:, -1], self._ends) & (step > 0)
        heat = self._sampling.temperature
        logits = scores if heat == 1 else scores / heat
        tokens = nucleus_tokens(logits, self._numbers[:, step], self._sampling.top_p, ended)
        # `generate` takes the largest of a copy it made of the logits, and asks for nothing else.
        return logits.scatter_(1, tokens[:, None], torch.inf)


def uniforms(seed: int, prompt: int, sample: int, count: int) -> NDArray[np.float64]:
    """Return `count` random numbers in [0, 1), which are the first of any larger `count`.

    A counter-based generator has one stream for each seed, prompt and sample.
    """
    key = np.array([zlib.crc32(b"generation"), seed], dtype=np.uint64)
    counter = np.array([0, 0, sample, prompt], dtype=np.uint64)
    # Of numpy's generators the raw output is what never changes.
    raw = np.random.Philox(key=key, counter=counter).random_raw(count)
    return np.asarray((raw >> np.uint64(11)) * 2.0**-53)


def nucleus_tokens(
    logits: Tensor,
    numbers: Tensor,
    top_p: float,
    skipped: Tensor | None = None,
    first: int = 256,
) -> Tensor:
    """Return the token of the nucleus [holtzman2020] that each row's random number falls on.

    Tokens lie side by side by falling probability, equal ones by rising id, each as wide as it is
    probable. The nucleus ends with the first token at which their sum is at least `top_p`; the
    number says how far to go towards that end.

    Of `logits`, ``[rows, vocabulary]`` in float32, and `numbers`, ``[rows]`` in [0, 1) on their
    device, rows that are `skipped` have token 0. So many `first` ones are looked at before a row is
    sorted, which changes no result.
    """
    totals = logits.logsumexp(-1)
    top = logits.topk(min(first, logits.shape[1]))
    place, is_sure = _find(top.values, totals, numbers, top_p)
    drawn = top.values.gather(1, place[:, None])
    # Equal ones by rising id, behind which those stand that are others.
    equal = top.indices.where(top.values == drawn, logits.shape[1]).sort(1).values
    found = equal.gather(1, (place - (top.values > drawn).sum(1))[:, None])[:, 0]
    matters = torch.ones_like(is_sure) if skipped is None else ~skipped
    unsound, unsure = matters & ~totals.isfinite(), matters & ~is_sure
    is_wrong, is_short = torch.stack((unsound.any(), unsure.any())).tolist()  # the one wait
    if is_wrong:
        raise Sparc3Error(
            "The logits are not finite, so no token can be drawn; prune the model less."
        )
    if is_short:
        # The nucleus, or tokens equal to its last, may go on behind those looked at. Values are
        # sorted without their ids: with them it takes ten times as long.
        rows = unsure.nonzero()[:, 0]
        whole = logits[rows]
        falling = _falling(whole)
        place, _ = _find(falling, totals[rows], numbers[rows], top_p)
        drawn = falling.gather(1, place[:, None])
        rank = place - (falling > drawn).sum(1)
        is_drawn = (whole == drawn).cumsum(1) == rank[:, None] + 1
        found[rows] = is_drawn.to(torch.uint8).argmax(1)
    return found * matters


def on(place: torch.device, numbers: Tensor) -> Tensor:
    """Return numbers on a device, in the format with the most digits that it has."""
    return numbers.to(place, widest(place))


def _falling(values: Tensor) -> Tensor:
    """Return the numbers of each row, the largest first."""
    if values.device.type == "cpu":  # numpy's sort is several times as fast
        return torch.from_numpy(np.sort(values.numpy(), axis=1)[:, ::-1].copy())
    return values.sort(1, descending=True).values


def _find(falling: Tensor, totals: Tensor, numbers: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return by row the place of the drawn token, and whether the nucleus surely ends before all.

    In the format with the most digits, over a few hundred tokens.
    """
    mass = (falling.to(numbers.dtype) - totals[:, None].to(numbers.dtype)).exp_().cumsum(1)
    last = falling.shape[1] - 1
    end = torch.searchsorted(mass, mass.new_full((len(mass), 1), top_p)).clamp_(max=last)
    # A number below 1, as a float, makes a product below that at the end.
    asked = numbers[:, None] * mass.gather(1, end)
    place = torch.searchsorted(mass, asked, right=True).clamp_(max=last)
    is_sure = falling.gather(1, end) > falling[:, -1:]
    return place[:, 0], is_sure[:, 0]
