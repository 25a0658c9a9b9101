"""Rejudging: what a run measured, as another judge reads the texts that were kept beside it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.graph.cost import total
from sparc3_bench.graph.drive import drive
from sparc3_bench.record.files import read_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.intervals import metrics_read
from sparc3_bench.run.options import task_of
from sparc3_bench.run.recipes import run_of
from sparc3_bench.run.recorded_place import RecordedPlace, recorded_cell
from sparc3_bench.run.responses import read_responses

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.spec import JudgeRef, RunSpec
    from sparc3_bench.run.cell import ReadyJudge
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.responses import Written


@dataclass(frozen=True)
class Case:
    """A result with the texts of its run."""

    # the file and what it holds
    path: Path
    result: Result
    written: Written  # the texts, and what was measured without a judge
    task: Task  # says what follows from a judge's scores

    @property
    def chooser(self) -> JudgeRef:
        """The judge by whom ranking and amount were chosen."""
        first = self.result.chosen_by or self.result.spec.judge
        assert first is not None
        return first

    def spec(self, judge: ReadyJudge) -> RunSpec:
        """Return the spec of the run with another judge."""
        spec = self.result.spec
        code = {**spec.code, "judge": judge.code} if spec.code else {}
        return spec.model_copy(update={"judge": judge.ref, "code": code})

    def target(self, judge: ReadyJudge, results: Path | None) -> Path:
        """Return where the new result belongs: below `results`, or where the old one is."""
        return (results or _results_folder(self.path, self.result.spec)) / self.spec(judge).path


def opened(path: Path, host: PluginHost) -> Case:
    """Read a result that is to be judged again, and its texts.

    Raises Sparc3Error when it is no result, has no texts, or its task would make other numbers of
    them now.
    """
    result = read_result(path)
    result.check_finished(path)
    if result.spec.judge is None or result.responses is None:
        raise Sparc3Error(
            f"{path} is of task '{result.spec.task.name}', in which there are no texts to judge; "
            "give a result of a task that has a judge."
        )
    written = read_responses(path, result.responses)
    by_bar = result.found is not None and result.found.at_least is not None
    if by_bar and written.at_bar is None:
        raise Sparc3Error(
            f"{path} has an amount that was looked for between its points, of which an older "
            "version kept no texts; run it again with the other judge."
        )
    try:
        return Case(path, result, written, task_of(result, host))
    except Sparc3Error as error:
        raise Sparc3Error(f"{path} cannot be judged again: {error}") from None


def check_other(case: Case, judge: JudgeRef, target: Path) -> Result | None:
    """Return a run that had this judge from the start, if it is at `target`.

    Raises Sparc3Error when the judge is none other, or what is at `target` would be lost.
    """
    if judge in (case.result.spec.judge, case.chooser):
        raise Sparc3Error(
            f"{case.path} was judged by '{judge.name}' with these options already; name another "
            "judge with `--judge`, or another option of it."
        )
    try:
        there = read_result(target) if target.is_file() else None
    except RecordError:
        return None  # as good as absent, like for `sparc3 run`
    if there is None or there.status != "ok":
        return None
    if there.chosen_by is not None and there.chosen_by != case.chooser:
        raise Sparc3Error(
            f"{target} is of the same run, chosen by '{there.chosen_by.name}' and not by "
            f"'{case.chooser.name}' as in {case.path}; give another folder for `--results`."
        )
    return there if there.chosen_by is None else None


def rejudged(case: Case, judge: ReadyJudge, cache: Path, report: Reporter) -> Result:
    """Return the result with the numbers of another judge.

    Whatever was measured without a judge stays as it is, and so do the ranking, the amount that was
    chosen, and all it was chosen from: the recipe of the run is gone through again, with what was
    recorded in the place of everything that takes the model.
    """
    result = case.result
    cell = recorded_cell(result, case.spec(judge), case.task, judge)
    place = RecordedPlace(case.path, result, case.written, cache, report)
    record = drive(run_of(cell), lambda wanted: [place.get(step) for step in wanted])
    fields = record.measured(place)
    # What is not of the points was assessed on the scores.
    curve = {n: one for n, one in result.curve.items() if n not in fields["curve"]}
    every = {**curve, **fields["curve"]}
    again = {
        "key": cell.spec.key,
        "spec": cell.spec,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "origin": "replayed",
        "content_hash": None,
        "chosen_by": case.chooser,
        "points": fields["points"],
        "curve": every,
        **metrics_read(case.task, cell.spec.removal, fields["measured"], every),
        "found": fields["found"],
        "responses": case.written.record(),
        "cost": {**result.cost, "judging": total(place.costs().get("judging", ()))},
        "warnings": (*_first_warnings(case), _told(judge.ref, case.chooser)),
    }
    return Result(**{**dict(result), **again})


def _first_warnings(case: Case) -> tuple[str, ...]:
    """Return the warnings of the run itself, without that of an earlier judging."""
    result = case.result
    if result.chosen_by is None or result.spec.judge is None:
        return result.warnings
    earlier = _told(result.spec.judge, result.chosen_by)
    return tuple(warning for warning in result.warnings if warning != earlier)


def _told(judge: JudgeRef, chooser: JudgeRef) -> str:
    now, first = judge.title, chooser.title
    if now == first:
        now, first = _in_full(judge, chooser), _in_full(chooser, judge)
    return f"Judged again by {now}; amount and ranking were chosen by {first}."


def _in_full(judge: JudgeRef, other: JudgeRef) -> str:
    """Return the title with the options that set a judge apart, or its digest where none does."""
    apart = [f"{n}={v}" for n, v in judge.options.items() if other.options.get(n) != v]
    apart = apart or [f"version {judge.version}, digest {judge.weights_digest[:8]}"]
    return f"{judge.title} ({', '.join(apart)})"


def _results_folder(path: Path, spec: RunSpec) -> Path:
    """Return the results folder that a result is in; a result on its own is in one."""
    inside = Path(spec.path).parts[:-1]
    for named in (path, path.resolve()):
        if named.parts[-len(inside) - 1 : -1] == inside:
            return named.parents[len(inside)]
    return path.parent


def metric_told(result: Result) -> str:
    """Return the main metric of the task where it was chosen, or else at the last real amount."""
    main = result.found.metric if result.found else result.metrics[0].name
    proper = [point for point in result.points if 0 < point.amount.in_scope < 1]
    point = result.found.point if result.found else (proper or result.points)[-1]
    titles: Mapping[str, str] = {metric.name: metric.title for metric in result.metrics}
    ends = point.intervals.get(main)
    between = f" [{ends[0]:.4g}, {ends[1]:.4g}]" if ends else ""
    return f"{titles[main]} at {point.amount.requested:g}: {point.metrics[main]:.4g}{between}"
