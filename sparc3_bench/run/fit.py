"""Fit: whether model, tokenizer and samples fit each other, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.contracts import PreparedTask
    from sparc3_bench.model.load import FoundModel
    from sparc3_bench.types.samples import ReferenceSamples

_MOST_OFFSET = 16
"""Rows that a table of positions may have beyond the positions themselves, e.g. for padding."""


def check_fit(
    model: FoundModel, prepared: PreparedTask, references: Iterable[ReferenceSamples]
) -> tuple[str, ...]:
    """Refuse samples that the model cannot run; return what a reader must know of them.

    Refused is a token without a row in the embedding, a tokenizer that knows none of them, and a
    sample that is longer than a table of positions.
    """
    samples = [*prepared.sequences(), *(s for each in references for s in each.samples)]
    if not any(samples):
        return ()
    _check_tokens(model, samples)
    longest = max(map(len, samples))
    most = getattr(model.empty.config, "max_position_embeddings", None)
    if not isinstance(most, int) or longest <= most:
        return ()
    if table := _table(model.empty, most):
        raise Sparc3Error(
            f"A sample of task data has {longest} tokens, and model '{model.ref.id}' has learned "
            f"{most} positions (`{table}`); ask for samples of at most {most} tokens."
        )
    return (
        f"Samples of up to {longest} tokens are longer than the {most} positions that the model "
        "is made for (`max_position_embeddings`); beyond those its numbers may be worse.",
    )


def _check_tokens(model: FoundModel, samples: Sequence[Sequence[int]]) -> None:
    rows = model.empty.get_input_embeddings().weight.shape[0]
    largest = max(max(sample, default=0) for sample in samples)
    if largest >= rows and model.tokenizer is None:
        raise Sparc3Error(
            f"The embedding of model '{model.ref.id}' has {rows} rows, and token {largest} is in "
            "the samples; give token ids of this model."
        )
    if largest >= rows:
        raise Sparc3Error(
            f"The tokenizer of model '{model.ref.id}' has {len(model.tokenizer)} tokens and its "
            f"embedding {rows} rows, and token {largest} is in the texts; give the tokenizer that "
            "belongs to the model, or resize its embedding."
        )
    unknown = getattr(model.tokenizer, "unk_token_id", None)
    if unknown is not None and all(token == unknown for sample in samples for token in sample):
        raise Sparc3Error(
            f"The tokenizer of model '{model.ref.id}' knows no word of the texts, every token is "
            f"'{model.tokenizer.unk_token}'; give the tokenizer that belongs to the model, or "
            "texts in its language."
        )


def _table(model: Any, positions: int) -> str | None:
    """Return the path of what has a row for every position; None where positions are computed.

    That is an embedding, or a table made beforehand, beside the embedding of tokens.
    """
    rows = range(positions, positions + _MOST_OFFSET + 1)
    tokens = {id(model.get_input_embeddings())}
    for path, module in model.named_modules():
        learned = isinstance(module, nn.Embedding) and id(module) not in tokens
        if learned and module.num_embeddings in rows:
            return str(path)
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.dim() == 2 and buffer.shape[0] in rows:
                return f"{path}.{name}"
    return None
