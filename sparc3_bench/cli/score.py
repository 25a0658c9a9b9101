"""`sparc3 score`: attribution alone, written as a safetensors artefact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.errors import Sparc3Error


class ScoreFile(Part):
    """A file of scores."""

    path: Path
    """The file."""
    purpose: str
    """Which of the task's references the scores are of."""
    scores: int
    """How many weights have a score."""
    matrices: int
    """How many matrices they are of."""


class Scored(Answer):
    """What `sparc3 score` wrote."""

    command: Literal["score"] = "score"
    files: list[ScoreFile]
    """One for each of the task's references."""
    seconds: float
    """What attribution took."""
    peak_bytes: int
    """Largest resident memory meanwhile."""


def command(
    scorer: Annotated[str, common.named("scorer", "Scorer to run.")],
    out: Annotated[Path, typer.Option(help="File to write, *.safetensors.")],
    task: common.TaskName = "compression",
    model: common.ModelName = "smollm2-135m",
    scope: common.Scope = "all",
    objective: common.Objective = None,
    scorer_option: common.ScorerOptions = [],  # noqa: B006
    task_option: common.TaskOptions = [],  # noqa: B006
    seed: common.Seed = 0,
    dtype: common.Dtype = "auto",
    device: common.Device = "cpu",
    batch_size: common.BatchSize = None,
    cache: common.Cache = None,
    as_json: JsonFlag = False,
) -> None:
    """Score the weights of a model and write the scores.

    The file holds one float32 tensor a matrix, [out_features, in_features], higher = more
    important; its header says how it was made. A task with several references gives a file each.
    """
    from sparc3_bench.attribution.scores import to_tensors
    from sparc3_bench.folder.local import Folder
    from sparc3_bench.graph.cost import total
    from sparc3_bench.graph.tensors import save_tensors
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.plan import Request, plan
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.results import check_writable
    from sparc3_bench.run.steps.combined import scores_of

    if out.is_dir():
        raise Sparc3Error(f"`--out` must name a file, but {out} is a folder.")
    check_writable(out.parent)
    request = Request(
        scorers=[(scorer, [seed])],
        task=task,
        model=model,
        scope=scope,
        objective=objective,
        scorer_options=parse_pairs(scorer_option),
        task_options=parse_pairs(task_option),
        dtype=dtype,
        batch_size=batch_size,
        device=device,
    )
    folder = common.cache_folder(cache)
    check_writable(folder)
    (cell,) = plan(request, common.installed(), folder)
    place = Place(folder, Reporter())
    place.turn_to(cell, scorer)
    maps = {purpose: place.get(scores_of(cell, purpose)) for purpose in cell.purposes}
    cost = total(place.costs().get(cell.phase, ()))
    about = {"spec": cell.spec.model_dump(mode="json"), "cost": cost.model_dump()}
    files = []
    for purpose, scores in maps.items():
        path = out if len(maps) == 1 else out.with_stem(f"{out.stem}-{purpose}")
        with Folder(path.parent).writing(path.name) as part:
            save_tensors(to_tensors(scores), part, {**about, "purpose": purpose})
        weights = sum(values.numel() for values in scores.values())
        files.append(ScoreFile(path=path, purpose=purpose, scores=weights, matrices=len(scores)))
    told = (f"{one.path}: {one.scores:,} scores in {one.matrices} matrices" for one in files)
    lines = (f"{line}, {cost.seconds:.1f} s" for line in told)
    Scored.of(cost, files=files).tell(as_json, lines)
