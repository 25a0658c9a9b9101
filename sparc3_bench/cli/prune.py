"""`sparc3 prune`: remove what a scorer finds least important, and save the model with a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell

_PERCENT = 100


def command(
    model: common.ModelName,
    out: Annotated[
        Path, typer.Option(help="Folder to write: new, empty, or an earlier pruned model.")
    ],
    amount: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Fraction that is removed, e.g. 0.5.", show_default=False),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="In place of an amount: by how much perplexity may rise, e.g. 5%; the most that "
            "stays within it is looked for.",
            show_default=False,
        ),
    ] = None,
    scorer: Annotated[str, typer.Option(help="Scorer that ranks what to remove.")] = "wanda",
    unit: Annotated[
        str, typer.Option(help="What is removed as a whole: weight, neuron, head.")
    ] = "weight",
    group: Annotated[
        str | None,
        typer.Option(
            help="The set ranked together: row, layer, model [default: the scorer's].",
            show_default=False,
        ),
    ] = None,
    scope: common.Scope = "all",
    reference: Annotated[
        str | None,
        typer.Option(
            help="Text that steers the scores: a file, or what the task takes [default: the "
            "task's].",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            help="Text that perplexity is measured on, another one [default: the task's].",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Task that measures what it costs; may be left out where only one that is "
            "installed does."
        ),
    ] = None,
    objective: common.Objective = None,
    scorer_option: common.ScorerOptions = [],  # noqa: B006  # typer wants a list
    task_option: common.TaskOptions = [],  # noqa: B006
    controls: Annotated[
        int, typer.Option(min=0, max=1000, help="Random removals of as many, to compare with.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the reference samples and the scorer.")] = 0,
    dtype: common.Dtype = "auto",
    device: common.Device = "cpu",
    batch_size: common.BatchSize = 1,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="REPO",
            help="Also push the folder to a hub as this repository, OWNER/NAME; made private "
            "where there is none.",
            show_default=False,
        ),
    ] = None,
    cache: common.Cache = None,
) -> None:
    """Prune a model: score its weights, remove the lowest, and save it with what that costs.

    The folder loads with plain transformers. It has the model in the number format of the
    original, the mask in bits, a report beside random removals, a card for hubs and the record. The
    same command goes on where it was interrupted. Exit code 0 when the model is there, 1 when the
    run failed or nothing stays within the budget, 2 for wrong input.
    """
    from sparc3_bench.circuit import prune
    from sparc3_bench.circuit.correct import outcome_of
    from sparc3_bench.circuit.push import check_pushable
    from sparc3_bench.circuit.push import push as pushed
    from sparc3_bench.circuit.rebuild import Rebuilt
    from sparc3_bench.host import default_host
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.plan import Request, Shared, plan
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.results import check_writable
    from sparc3_bench.run.worker import run_cell

    share = _share(amount, budget)
    prune.KIND.check_free(out)
    if push is not None:
        check_pushable(push)
    folder = common.cache_folder(cache)
    check_writable(folder)
    host = default_host()
    name = task or prune.find_pruning_task(host)
    takes = host.get("task", name).cls.pruning
    if takes is None:
        raise Sparc3Error(
            f"Task '{name}' does not measure what pruning costs; choose another with `--task`."
        )
    options = parse_pairs(task_option)
    for option, typed, text in (
        (takes.reference, "--reference", reference),
        (takes.held_out, "--held-out", held_out),
    ):
        if text is not None and option in options:
            raise Sparc3Error(
                f"`{typed}` and `--task-option {option}=…` both name the text; give one of them."
            )
        options |= {} if text is None else {option: text}
    shared, said = Shared(), Reporter()
    at = Place(folder, said)

    def cell_at(amounts: list[float], draws: int, more: dict[str, str]) -> Cell:
        request = Request(
            scorers=[(scorer, [seed])],
            task=name,
            model=model,
            amounts=amounts,
            amount_kind="fraction",
            unit=unit,
            group=group,
            scope=scope,
            controls=draws,
            objective=objective,
            scorer_options=parse_pairs(scorer_option),
            task_options={**options, **more},
            dtype=dtype,
            batch_size=batch_size,
            device=device,
        )
        return plan(request, host, folder, shared)[0]

    search = None
    if share is not None:
        search, _ = run_cell(cell_at([0.0], 0, {takes.budget: repr(share)}), at, scorer)
        if search.found is None:
            said.say(f"{scorer}  failed: {search.error}")
            raise typer.Exit(1)
        amount = search.found.point.amount.requested
        if amount == 0:
            said.say(f"Nothing that {scorer} removes stays within {budget}; no model is written.")
            raise typer.Exit(1)
        said.say(f"{scorer}: {amount:g} stays within {budget} on the selection part")
    assert amount is not None
    cell = cell_at([amount], controls, {})
    result, _ = run_cell(cell, at, scorer)
    if result.status != "ok":
        said.say(f"{scorer}  failed: {result.error}")
        raise typer.Exit(1)
    rebuilt = Rebuilt(result, cell, at)
    pruned = prune.Pruned(outcome_of(rebuilt, amount), search, push or "")
    prune.write_pruned(rebuilt, pruned, out)
    for warning in result.warnings:
        said.say(f"warning: {warning}")
    typer.echo(f"{out}: {pruned.outcome.removed} removed. {pruned.cost} {pruned.budget}".rstrip())
    if push is not None:
        typer.echo(f"pushed to {pushed(out, push)}")
    typer.echo("from transformers import AutoModelForCausalLM")
    typer.echo(f'model = AutoModelForCausalLM.from_pretrained("{out}", dtype="auto")')


def _share(amount: float | None, budget: str | None) -> float | None:
    """Return the budget as a share; None where an amount is given.

    Raises
    ------
    Sparc3Error
        When both or none is given, or the budget is no percentage above 0.
    """
    if (amount is None) == (budget is None):
        what = "`--amount` and `--budget` both say" if budget else "Nothing says"
        raise Sparc3Error(f"{what} how much is removed; give one of `--amount` and `--budget`.")
    if budget is None:
        if amount == 0:
            raise Sparc3Error("`--amount 0` removes nothing; give a fraction above 0.")
        return None
    text = budget.removeprefix("+").strip()
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = 0.0
    if not (text.endswith("%") and 0 < share <= _PERCENT * 1000):
        raise Sparc3Error(f"`--budget` must be a percentage above 0 such as 5%, got '{budget}'.")
    return share / _PERCENT
