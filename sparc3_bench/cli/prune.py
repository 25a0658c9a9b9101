"""`sparc3 prune`: remove what a scorer finds least important, and save the model with a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.changing import Change, changes_models, only_task
from sparc3_bench.errors import ExitCode, Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell

_PERCENT = 100


@changes_models(scorer="wanda", controls=3)
def command(
    model: common.ModelName,
    out: Annotated[
        Path, typer.Option(help="Folder to write: new, empty, or an earlier pruned model.")
    ],
    amount: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Fraction that is removed, e.g. 0.5; a pattern n:m says it by itself.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="In place of an amount: by how much perplexity may rise, e.g. 5%; the most that "
            "stays within it is looked for."
        ),
    ] = None,
    unit: Annotated[str, common.convention("unit")] = "weight",
    group: Annotated[str | None, common.convention("group")] = None,
    allocation: Annotated[str, common.convention("allocation")] = "uniform",
    repair: Annotated[str, common.convention("repair")] = "none",
    shrink: Annotated[
        bool,
        typer.Option(
            "--shrink",
            help="Cut removed neurons, heads or blocks out of the matrices: a smaller model, which "
            "plain transformers loads.",
        ),
    ] = False,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Text that steers the scores: a file, or what the task takes [default: the "
            "task's]."
        ),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            help="Text that perplexity is measured on, another one [default: the task's]."
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="REPO",
            help="Also push the folder to a hub as this repository, OWNER/NAME; made private "
            "where there is none.",
        ),
    ] = None,
    *,
    change: Change,
) -> None:
    """Prune a model: score its weights, remove the lowest, and save it with what that costs.

    The folder loads with plain transformers. It has the model in the number format of the
    original, the mask in bits, a report beside random removals, a card for hubs and the record. The
    same command goes on where it was interrupted. Exit code 0 when the model is there, 1 when the
    run failed or nothing stays within the budget, 2 for wrong input.
    """
    from sparc3_bench.circuit.prune import Pruned
    from sparc3_bench.circuit.push import check_pushable
    from sparc3_bench.circuit.push import push as pushed
    from sparc3_bench.circuit.rebuild import Rebuilt
    from sparc3_bench.circuit.shrink import check_cut, check_shrinks

    if shrink:
        check_shrinks(unit, group, allocation)
    amount = _of_pattern(group, amount, budget)
    share = _share(amount, budget)
    change.check_folders(Pruned.kind, out)
    if push is not None:
        check_pushable(push)
    task = change.task or only_task(
        change.host, lambda task: task.pruning is not None, "measure what pruning costs"
    )
    takes = change.host.get("task", task).cls.pruning
    if takes is None:
        raise Sparc3Error(
            f"Task '{task}' does not measure what pruning costs; choose another with `--task`."
        )
    texts = change.text("--reference", takes.reference, reference)
    texts |= change.text("--held-out", takes.held_out, held_out)
    options = change.task_options | texts

    def cell_at(amount: float, **more: object) -> Cell:
        asked = {"task_options": options, "amounts": [amount], "amount_kind": "fraction", **more}
        ways = {"unit": unit, "group": group, "allocation": allocation, "repair": repair}
        return change.cell(model=model, task=task, **ways, **asked)

    search = None
    if share is not None:
        bar = {**options, takes.budget: repr(share)}
        search = change.run(cell_at(0.0, controls=0, task_options=bar))
        assert search.found is not None
        amount = search.found.point.amount.requested
        if amount == 0:
            change.say(
                f"Nothing that {change.scorer} removes stays within {budget}; no model is written."
            )
            raise typer.Exit(ExitCode.NOT_WELL)
        change.say(f"{change.scorer}: {amount:g} stays within {budget} on the selection part")
    assert amount is not None
    cell = cell_at(amount)
    if shrink:
        check_cut(cell, amount)
    made = Rebuilt(change.run(cell), cell, change.place)
    pruned = Pruned(made, amount, search=search, shrinks=shrink, repo=push or "")
    change.write(pruned, out, "prune")
    change.tell(f"{out}: {pruned.removed} removed. {pruned.cost} {pruned.budget}".rstrip())
    if push is not None:
        change.tell(f"pushed to {pushed(out, push)}")
    change.tell("from transformers import AutoModelForCausalLM")
    change.tell(f'model = AutoModelForCausalLM.from_pretrained("{out}", dtype="auto")')


def _of_pattern(group: str | None, amount: float | None, budget: str | None) -> float | None:
    """Return the amount of a pattern, whether it was given or not; else what was given."""
    from sparc3_bench.types.groups import pattern_of

    pattern = pattern_of(group)
    if pattern is None:
        return amount
    if budget is not None:
        raise Sparc3Error(
            f"Group '{group}' removes {pattern.amount:g} of the weights whatever that costs; leave "
            "`--budget` out, or choose another group."
        )
    return pattern.amount if amount is None or pattern.takes(amount) else amount


def _share(amount: float | None, budget: str | None) -> float | None:
    """Return the budget as a share; None where an amount is given."""
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
