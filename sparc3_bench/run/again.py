"""The request that asks for the run of a record again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from sparc3_bench.run.options import as_typed
from sparc3_bench.run.request import Request

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.spec import JudgeRef, RunSpec


def request_of(
    spec: RunSpec,
    judge: JudgeRef | None,
    host: PluginHost,
    files: Sequence[Path] = (),
    *,
    with_controls: bool = False,
    replay_of: str | None = None,
) -> Request:
    """Return what asks for a run, by the judge by whom it chose.

    `files` are folders with the local models and texts, of which a spec has only the names. Random
    controls and other reference seeds are wanted only `with_controls`.
    """
    named = spec.model.id in host.all("model")
    beside = {"controls": spec.controls, "stability_seeds": spec.stability_seeds}
    return Request(
        scorers=[(spec.scorer.name, [spec.seed])],
        task=spec.task.name,
        model=spec.model.id if named else _located(spec.model.id, files),
        amounts=spec.amounts,
        objective=spec.objective,
        scorer_options=_typed(spec.scorer.options, files),
        task_options=_typed(spec.task.options, files),
        judge=judge.name if judge else None,
        judge_options=_typed(judge.options, files) if judge else {},
        dtype=spec.model.dtype,
        batch_size=spec.batch_size,
        product_dtype=spec.product_dtype,
        limit=spec.limit,
        device=spec.model.device,
        replay_of=replay_of,
        **spec.conventions(),
        **(beside if with_controls else {}),
    )


def _typed(options: Mapping[str, JsonValue], files: Sequence[Path]) -> dict[str, str]:
    """Return options as they would be typed, where they name files with their folder."""
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    return as_typed(options) | {name: _located(text, files) for name, text in texts.items()}


def _located(name: str, files: Sequence[Path]) -> str:
    """Return the path of that name in one of `files`, or the name where there is none."""
    if not name:
        return name
    return next((str(folder / name) for folder in files if (folder / name).exists()), name)
