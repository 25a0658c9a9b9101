"""Log-likelihoods of continuations: a context that several share runs once, like lengths together.

Nothing here knows of benchmarks: what all of them ask is sorted by length and cut into batches.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

if TYPE_CHECKING:
    from sparc3_bench import ModelView

Ids = tuple[int, ...]


class _Batch(NamedTuple):
    """How large batches are; the results do not depend on it but for rounding."""

    tokens: int
    """At most, padding included."""
    padding: int
    """At most, unless there is one row: about what a pass costs beyond its tokens."""


_BATCH = {"cpu": _Batch(1024, 48)}
"""By kind of device. With more tokens a processor gains nothing; on one thread, SmolLM2-135M in
float32 took as long for 32 tokens as for 70 of a large batch. Logits take at most 200 MB."""
_ELSEWHERE = _Batch(8192, 512)


class Asked(NamedTuple):
    """A continuation behind a context, at least one token each."""

    context: Ids
    continuation: Ids


class Found(NamedTuple):
    """The log-likelihood of a continuation in nats, and whether the model would write just that."""

    log_likelihood: float
    is_greedy: bool


@dataclass(eq=False)
class _Row:
    """What goes through the model, and the continuations whose logits that gives.

    Continuations that differ in their last token only share a row.
    """

    ids: Ids
    asked: dict[int, Ids] = field(default_factory=dict)

    @property
    def start(self) -> int:
        """The position of the first logits that are needed."""
        return len(self.ids) - max(map(len, self.asked.values()))

    def found(self, logits: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield what was asked, given the logits ``[tokens, vocabulary]`` from `start` on.

        The two numbers of `Found` are one tensor, on the device.
        """
        # As lm-eval does: the largest log-probability, of equal ones the first.
        logarithms = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        greedy = logarithms.argmax(-1)
        for index, continuation in self.asked.items():
            labels = torch.tensor(continuation, device=logits.device)
            here = logarithms[-len(labels) :].gather(-1, labels[:, None])
            same = (greedy[-len(labels) :] == labels).all()
            yield index, torch.stack((here.sum(), same))


def log_likelihoods(
    view: ModelView, asked: Sequence[Asked], most: int
) -> Iterator[Mapping[int, Found]]:
    """Yield, batch by batch, what is asked: place in `asked` to what was found.

    Of what is longer than `most` tokens the beginning is cut off. Batches follow from what is asked
    alone, and those that were yielded leave the later ones as they would have been.
    """
    by_context: dict[Ids, list[_Row]] = {}
    for row in _rows(asked, most):
        by_context.setdefault(row.ids[: row.start + 1], []).append(row)
    alone = [rows[0] for rows in by_context.values() if len(rows) == 1]
    shared = {context: rows for context, rows in by_context.items() if len(rows) > 1}
    for contexts in _batches(shared, len, view):
        with torch.inference_mode():
            found = dict(_behind(view, contexts, [shared[context] for context in contexts]))
        yield _read(found)
    for rows in _batches(alone, lambda row: len(row.ids), view):
        with torch.inference_mode():
            found = dict(_whole(view, rows))
        yield _read(found)


def _read(found: Mapping[int, Tensor]) -> Mapping[int, Found]:
    """Read what was found in a batch, which is then kept, from the device at once."""
    pairs = torch.stack([*found.values()]).tolist()
    return {at: Found(nats, bool(same)) for at, (nats, same) in zip(found, pairs, strict=True)}


def _rows(asked: Sequence[Asked], most: int) -> list[_Row]:
    rows: dict[Ids, _Row] = {}
    for index, (context, continuation) in enumerate(asked):
        # The last token is not read: nothing is asked behind it.
        ids = (*context, *continuation)[:-1][-most:]
        rows.setdefault(ids, _Row(ids)).asked[index] = continuation[-most:]
    return list(rows.values())


_Item = TypeVar("_Item")


def _batches(
    items: Iterable[_Item], length: Callable[[_Item], int], view: ModelView
) -> Iterator[Sequence[_Item]]:
    """Yield items of about one length together, the longest first."""
    most = _BATCH.get(view.device.type, _ELSEWHERE)
    batch: list[_Item] = []
    padding = longest = 0
    for item in sorted(items, key=lambda item: -length(item)):
        padding += longest - length(item)
        if batch and (padding > most.padding or (len(batch) + 1) * longest > most.tokens):
            yield batch
            batch = []
        if not batch:
            padding, longest = 0, length(item)
        batch.append(item)
    if batch:
        yield batch


def _whole(view: ModelView, rows: Sequence[_Row]) -> Iterator[tuple[int, Tensor]]:
    """Run rows as they are. What fills them up is on the right, where causal models see none."""
    ids = pad_sequence([torch.tensor(row.ids) for row in rows], batch_first=True)
    first, last = min(row.start for row in rows), ids.shape[1]
    logits = _run(view, ids, logits_to_keep=torch.arange(first, last)).logits
    first = last - logits.shape[1]  # of models that give all logits
    for row, here in zip(rows, logits, strict=True):
        yield from row.found(here[row.start - first : len(row.ids) - first])


def _behind(
    view: ModelView, contexts: Sequence[Ids], rows: Sequence[Sequence[_Row]]
) -> Iterator[tuple[int, Tensor]]:
    """Run contexts once, then what follows each of them with the keys and values of its context."""
    lengths = torch.tensor([len(context) for context in contexts])
    width = int(lengths[0])
    ids = torch.zeros(len(contexts), width, dtype=torch.long)
    for place, context in enumerate(contexts):
        ids[place, width - len(context) :] = torch.tensor(context)
    mask = (torch.arange(width) >= width - lengths[:, None]).long()
    positions = (torch.arange(width) - (width - lengths[:, None])).clamp(min=0)
    before = _run(view, ids, mask, positions, use_cache=True, logits_to_keep=1)
    behind = before.logits[:, -1:]
    followed = []
    for place, some in enumerate(rows):
        for row in some:
            if len(row.ids) == len(contexts[place]):
                yield from row.found(behind[place])
            else:
                followed.append((place, row))
    for batch in _batches(followed, lambda pair: len(pair[1].ids) - len(contexts[pair[0]]), view):
        places = torch.tensor([place for place, _ in batch])
        rest = [torch.tensor(row.ids[len(contexts[place]) :]) for place, row in batch]
        ids = pad_sequence(rest, batch_first=True)
        cache = copy.deepcopy(before.past_key_values)
        cache.batch_select_indices(places.to(view.device))
        logits = _run(
            view,
            ids,
            torch.cat([mask[places], torch.ones_like(ids)], dim=1),
            lengths[places, None] + torch.arange(ids.shape[1]),
            use_cache=True,
            past_key_values=cache,
        ).logits
        for (place, row), here, after in zip(batch, logits, rest, strict=True):
            yield from row.found(torch.cat([behind[place], here[: len(after)]]))


def _run(
    view: ModelView,
    ids: Tensor,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
    *,
    use_cache: bool = False,
    **options: Any,
) -> Any:
    """Run the model's own forward, with those of the options that it has."""
    options["position_ids"] = positions
    taken = inspect.signature(view.model.forward).parameters
    known = {name: value for name, value in options.items() if name in taken and value is not None}
    view.tokens += ids.numel()
    return view.model(
        input_ids=ids.to(view.device),
        attention_mask=None if mask is None else mask.to(view.device),
        use_cache=use_cache,
        **{n: v.to(view.device) if isinstance(v, Tensor) else v for n, v in known.items()},
    )
