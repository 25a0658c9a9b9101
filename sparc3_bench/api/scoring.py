"""score: the importance of every weight of a model, by name or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

from sparc3_bench.api.reference import Reference, reference_task
from sparc3_bench.api.scorers import AnyScorer, given_scorers
from sparc3_bench.api.subject import AnyModel, cache_of, subject_of
from sparc3_bench.comparison.phrasing import number, scorer_text
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.graph.cost import total
from sparc3_bench.host import Registered
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.request import Request
from sparc3_bench.run.steps.combined import scores_of
from sparc3_bench.types.conventions import Scope
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.model.load import FoundModel
    from sparc3_bench.record.parts import Phase
    from sparc3_bench.record.spec import RunSpec


@dataclass(frozen=True, repr=False)
class ModelScores(ScoreMap):
    """Scores of the weights of a model, with what made them.

    Attributes
    ----------
    spec
        Everything that determines them.
    cost
        Seconds, bytes and tokens that making them took, whenever that was.
    model
        The model that they are of.
    """

    spec: RunSpec = field(kw_only=True)
    cost: Phase = field(kw_only=True)
    model: FoundModel = field(kw_only=True)

    def __repr__(self) -> str:
        weights = sum(values.numel() for values in self.values())
        return (
            f"Scores of {scorer_text(self.spec)} on {self.spec.model.id}: {weights:,} weights in "
            f"{len(self)} matrices, {self.cost.seconds:,.1f} s"
        )

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{escape(name)}</td><td>{' × '.join(map(str, values.shape))}</td>"
            + "".join(
                f"<td>{number(float(one))}</td>"
                for one in (values.min(), values.mean(), values.max())
            )
            + "</tr>"
            for name, values in self.items()
        ]
        head = "".join(f"<th>{one}</th>" for one in ("", "shape", "lowest", "mean", "highest"))
        return f"<p>{escape(repr(self))}</p><table><tr>{head}</tr>{''.join(rows)}</table>"


def score(
    model: AnyModel,
    tokenizer: Any = None,
    scorer: AnyScorer = "lrp",
    *,
    reference: Reference | None = None,
    objective: str | None = None,
    scope: Scope = "all",
    purpose: str | None = None,
    task: str = "compression",
    scorer_options: Mapping[str, Any] | None = None,
    task_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    dtype: str = "auto",
    device: str = "cpu",
    memory: int | str | None = None,
    cache: str | PathLike[str] | None = None,
) -> ModelScores:
    """Score every prunable weight of a model; the model is as before, bit for bit.

    What was scored before is read from the cache: equal model, code, options and samples are equal
    scores. A model in memory is known by a digest of all its numbers, a function by what it is made
    of; see ``docs/python.md``.

    Parameters
    ----------
    model
        A named model, a folder or GGUF file, an id of a hub, or a causal language model of
        transformers in memory, on any one device. Quantised weights are refused.
    tokenizer
        Its tokenizer. Of a model that is named it is found beside it; of one in memory it is needed
        unless token ids are given.
    scorer
        A name of `sparc3 list scorers`, a class derived from `Scorer`, an object of one, or a
        function ``(model, reference) -> {name: tensor}``.
    reference
        What steers the scores: texts, or token ids, a sample each; None for those of `task`. Some
        scorers take none.
    objective
        The scalar that is attributed; None for the scorer's, or the task's.
    scope
        Which matrices of the decoder blocks.
    purpose
        Of a task with several references, which one.
    task, task_options
        Whose reference samples are taken where none are given.
    scorer_options
        By name, as of `--scorer-option`; not with an object.
    seed
        Of the draw of reference samples, and of a scorer that draws.
    batch_size
        Reference samples run at once; by default short ones together, up to 512 tokens.
    dtype, device
        Number format and torch device of a model that is loaded; several devices, with commas
        between, share its blocks.
    memory
        What a model that is loaded may take with its scores, in bytes or as ``"3GB"``; a larger
        one is read block by block, with the same numbers. None for all memory of the machine.
    cache
        Folder for models, texts and scores; None for the usual one.

    Returns
    -------
    ModelScores
        By name of the matrix, float32 ``[out_features, in_features]``, without a unit; higher =
        more important, signs as the scorer gives them.

    Raises
    ------
    Sparc3Error
        With one sentence about the first thing that is wrong.

    Examples
    --------
    ::

        scores = sb.score(model, tokenizer, "wanda", reference=["Some text.", "Some more."])
    """
    given = given_scorers(scorer)
    host, options = given.host, dict(task_options or {})
    if reference is None and not host.get("scorer", given.names[0]).cls.needs_reference:
        reference = [[0, 1]]  # which nobody reads
    if reference is not None:
        cls = reference_task(reference)
        host, task = host.joined("task", cls, Registered), cls.name
    folder = cache_of(cache)
    with subject_of(
        model, tokenizer, host, folder, dtype=dtype, device=device, memory=memory
    ) as chosen:
        if chosen.live is not None and tokenizer is None and reference is None:
            raise Sparc3Error(
                f"The texts of task '{task}' take a tokenizer, and none is given; give it as "
                "`tokenizer`, or token ids as `reference`."
            )
        request = Request(
            scorers=[(given.names[0], [seed])],
            task=task,
            scope=scope,
            objective=objective,
            scorer_options={**given.options, **(scorer_options or {})},
            task_options=options,
            batch_size=batch_size,
            **chosen.asked,
        )
        (cell,) = plan(request, host, folder, chosen.shared)
        wanted = purpose or cell.purposes[0]
        if wanted not in cell.purposes or (purpose is None and len(cell.purposes) > 1):
            raise UnknownNameError("purpose of a reference", purpose or "", cell.purposes)
        place = Place(folder, Reporter())
        place.turn_to(cell, cell.scorer.name)
        scores = place.get(scores_of(cell, wanted))
        cost = total(place.costs().get(cell.phase, ()))
    parts = {name: getattr(scores, name) for name in ScoreMap.__dataclass_fields__}
    if not cell.model.streams:
        parts["weights"] = dict(parts["weights"])  # whoever asks may change the model meanwhile
    return ModelScores(**parts, spec=cell.spec, cost=cost, model=cell.model)
