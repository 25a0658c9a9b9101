"""Shapes: what runs on models and texts that are not on this machine will take.

A model that is here is planned in the other's place, on a text of as many tokens as the one that is
not here, and what it takes is scaled by the sizes of both.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import ModelError, Sparc3Error
from sparc3_bench.graph.forecast import Cost
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.plan import Shared, plan

if TYPE_CHECKING:
    from sparc3_bench.graph.forecast import Foreseen
    from sparc3_bench.host import PluginHost
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.request import Request

_DOCUMENT, _DOCUMENTS = 5_000, 400
"""Words of a document that stands in for others, and how many there are."""
_SCORE = 4
"""Bytes of a score."""
_WORDS = 100
"""How many words it is written with."""


@dataclass(frozen=True)
class Shape:
    """How large a model is."""

    source: str  # what says so: ``config.json`` or ``known shapes``
    parameters: int  # all numbers of the model
    multiplied: int  # those that every token is multiplied with, see `ModelView.multiplied`
    itemsize: int = 4  # bytes of a number, where it is known in which format the model runs

    def scaled(self, cost: Cost, like: Shape) -> Cost:
        """Return what something costs with this shape that costs so much with another one.

        Operations, and time with them, go by the matrices; memory has more of the model's numbers,
        and of scores in float32 beside them.
        """
        work = self.multiplied / like.multiplied
        more = (self.parameters - like.parameters) * (like.itemsize + _SCORE)
        return cost.model_copy(
            update={
                "seconds": cost.seconds * work,
                "flops": cost.flops * work,
                "peak_bytes": max(0, cost.peak_bytes + (0 if cost.device_bytes else more)),
                "device_bytes": max(0, cost.device_bytes + more) if cost.device_bytes else 0,
            }
        )

    def scale(self, foreseen: Foreseen, like: Shape) -> None:
        """Scale every phase of what is foreseen."""
        for phase, cost in foreseen.phases.items():
            foreseen.phases[phase] = self.scaled(cost, like)


def shape_of(model_id: str, host: PluginHost) -> Shape | None:
    """Return the shape of a model without weights: by its config.json, or as it is known.

    Raises ModelError when the configuration cannot be read, or no adapter serves it.
    """
    from transformers import AutoConfig

    from sparc3_bench.model.load import choose_adapter
    from sparc3_bench.model.opening import empty_model, open_config
    from sparc3_bench.model.view import ModelView

    folder = Path(model_id)
    if (folder / "config.json").is_file():
        if any(path for end in ("*.safetensors", "*.bin") for path in folder.glob(end)):
            return None  # it is here, and refused for another reason
        config, source = open_config(Path(model_id), model_id), "config.json"
    elif model_id in _known()["models"]:
        config, source = AutoConfig.for_model(**_known()["models"][model_id]), "known shapes"
    else:
        return None
    view = ModelView(empty_model(config, model_id), choose_adapter(config, model_id, host))
    return measured(view, source)


def measured(view: ModelView, source: str = "") -> Shape:
    """Return the shape of a model, which needs no numbers."""
    return Shape(source, view.parameters, view.multiplied)


def plan_by_shape(
    request: Request, like: str, host: PluginHost, folder: Path, shared: Shared
) -> tuple[tuple[Cell, ...], Shape, Shape] | None:
    """Plan a request on a model that is here in the place of one that is not.

    `like` is planned in its place; texts that stand for those that are not here are written in the
    folder. Returned are the runs, the shape of the model that was asked for, and that of the other;
    None where the shape is not known. Raises Sparc3Error when the request cannot be planned for
    another reason.
    """
    shape = shape_of(request.model, host)
    if shape is None:
        return None
    asked = request.model_copy(update={"model": like})
    try:
        cells = plan(asked, host, folder, shared)
    except ModelError:
        raise
    except Sparc3Error:  # perhaps of a text that is not here either
        options = _with_texts(asked, host, folder, shared)
        if options == asked.task_options:
            raise
        cells = plan(asked.model_copy(update={"task_options": options}), host, folder, shared)
    model = cells[0].model
    standing = measured(model.blank("all"))
    return cells, shape, replace(standing, itemsize=model.dtype.itemsize)


@cache
def _known() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _with_texts(request: Request, host: PluginHost, folder: Path, shared: Shared) -> dict[str, str]:
    """Return the options of a task with texts of chance in the place of those that are named."""
    options = dict(request.task_options)
    model = shared.models.get((request.model, request.dtype, request.device))
    if model is None or isinstance(model, ModelError):
        return options
    words = _words(model.tokenizer)
    for seed, name in enumerate(host.get("task", request.task).cls.file_options):
        if name in options and not Path(options[name]).exists():
            tokens = _known()["texts"].get(options[name], _DOCUMENT * _DOCUMENTS)
            options[name] = str(_text(folder, tokens, seed, words))
    return options


def _text(folder: Path, tokens: int, seed: int, words: Sequence[str]) -> Path:
    """Write a text of words of one token each, a document a line, where it is not there yet."""
    path = folder / "stand-ins" / f"{content_key([tokens, seed, words])}.txt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = random.Random(seed)
        counts = [_DOCUMENT] * (tokens // _DOCUMENT) + [tokens % _DOCUMENT]
        lines = (" ".join(draw.choices(words, k=count)) for count in counts if count)
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _words(tokenizer: Any) -> list[str]:
    """Return words that are one token each behind another word."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False).input_ids)

    found: list[str] = []
    for index in range(len(tokenizer)):
        word = tokenizer.decode([index]).strip()
        if word.isalnum() and word.isascii() and count(f"{word} {word} {word}") == 3:
            found.append(word)
        if len(found) == _WORDS:
            break
    return found
