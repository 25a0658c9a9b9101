"""Existing: find the result that answers a request, whatever machine and call it came from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.contracts import Judge, Scorer, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.spec import PluginRef, RunSpec, canonical_json
from sparc3_bench.run.objectives import objective_for
from sparc3_bench.run.options import as_typed, build, task_of
from sparc3_bench.run.resolve import Resolved, resolve

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.request import Request


class ResultIndex:
    """Finished results by what was asked of them.

    Neither model nor data need be here. What decides is what a user can say: names, options,
    conventions and seed. So the files behind a local folder or text may have changed since; their
    digests are in the record.
    """

    def __init__(self, results: Iterable[Result], host: PluginHost) -> None:
        self._host = host
        self._found: dict[str, list[Result]] = {}
        for result in results:
            # One that was judged again has what another judge chose.
            if result.status == "ok" and result.chosen_by is None:
                try:
                    key = self._key_of(result)
                except Sparc3Error:  # of a plugin that is not here, or another version
                    continue
                self._found.setdefault(key, []).append(result)

    def of(self, request: Request, scorer: str, seed: int) -> Result | None:
        """Return the result that has all amounts of a request and the fewest others; the newest."""
        found = resolve(request, self._host)
        asked = next(one for _, one in found.scorers if one.name == scorer)
        fitting = [
            result
            for result in self._found.get(self._key(request, found, asked, seed), ())
            if set(found.amounts) <= set(result.spec.amounts)
            and request.dtype in ("auto", result.spec.model.dtype)
        ]
        return max(fitting, key=lambda one: (-len(one.spec.amounts), one.created), default=None)

    def _key(self, request: Request, found: Resolved, scorer: Scorer, seed: int) -> str:
        task = found.task
        judge: Judge | None = None
        if task.judging is not None:
            name = request.judge or task.judging.judge
            judge = build("judge", self._host.get("judge", name).cls, request.judge_options)
        folder = Path(request.model)
        objective = request.objective or objective_for(scorer, task)
        return _key(
            task,
            scorer,
            judge,
            request,
            model=folder.resolve().name if folder.is_dir() else request.model,
            objective=objective if scorer.needs_reference else None,
            group=found.group or scorer.default_group,
            amount_kind=found.amount_kind,
            seed=seed,
        )

    def _key_of(self, result: Result) -> str:
        spec = result.spec
        return _key(
            task_of(result, self._host),
            self._anew("scorer", spec.scorer),
            self._anew("judge", spec.judge) if spec.judge else None,
            spec,
            model=spec.model.id,
            objective=spec.objective,
            seed=spec.seed,
        )

    def _anew(self, kind: str, used: PluginRef) -> Any:
        """Build a plugin anew, so that options that came since have their defaults."""
        return build(kind, self._host.get(kind, used.name).cls, as_typed(used.options))


def _key(
    task: Task, scorer: Scorer, judge: Judge | None, said: Request | RunSpec, **resolved: Any
) -> str:
    return canonical_json(
        {
            **said.conventions(),
            **resolved,
            "task": (task.name, task.version, task.options()),
            "scorer": (scorer.name, scorer.options()),
            "judge": judge and (judge.name, judge.options()),
        }
    )
