"""A pruned model as a folder that plain transformers loads: mask, report, card and record in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.circuit.card import model_card
from sparc3_bench.circuit.folder import Kind, replacing
from sparc3_bench.circuit.report import (
    Correction,
    before_and_after,
    beside_random,
    draws_beside,
    lost_units,
    removed_table,
)
from sparc3_bench.circuit.templating import markdown_text
from sparc3_bench.circuit.writer import (
    MASK,
    as_stored,
    parameter_masks,
    save_bits,
    weight_bytes,
    write_model,
)
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.phrasing import drawn_in, markdown_table, percent, precise, units
from sparc3_bench.leaderboard.picture import picture
from sparc3_bench.record.files import write_result
from sparc3_bench.types.conventions import phrases_of

if TYPE_CHECKING:
    from sparc3_bench.circuit.rebuild import Rebuilt
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result

KIND = Kind(format="sparc3-pruned", title="a pruned model", about="pruning.json")


@dataclass(frozen=True)
class Pruned:
    """What came out of pruning a model.

    Attributes
    ----------
    outcome
        The run, and what it removes.
    search
        The run that found the amount, where there was a budget.
    repo
        Where it will lie on a hub; empty for nowhere.
    """

    outcome: Correction
    search: Result | None = None
    repo: str = ""

    @property
    def cost(self) -> str:
        """What it costs, in a sentence: the change of the main metric with its interval."""
        point, result = self.outcome.point, self.outcome.result
        retained, ends = point.read(result.metrics[-1].name)
        rise = 100 * (1 / retained - 1)
        if ends is None:
            return f"Perplexity changes by {rise:+.1f} %."
        low, high = (100 * (1 / end - 1) for end in reversed(ends))
        told = [precise(one, (low, high)) for one in (rise, low, high)]
        return "Perplexity changes by {}{} % [{}, {}].".format("+" if rise > 0 else "", *told)

    @property
    def budget(self) -> str:
        """What was looked for, in a sentence; empty where the amount was given."""
        if self.search is None or self.search.found is None:
            return ""
        found = self.search.found
        kept = found.point.metrics[found.metric] >= found.at_least  # type: ignore[operator]
        held = "keeps to it" if kept else "goes beyond it"
        return (
            f"{found.title}: the amount was found by bisection on windows of their own, and {held} "
            "on those of the table."
        )


def find_pruning_task(host: PluginHost) -> str:
    """Return the one installed task that measures what pruning costs.

    Raises
    ------
    Sparc3Error
        When there is none, or more than one.
    """
    found = [name for name, entry in host.all("task").items() if entry.cls.pruning is not None]
    if len(found) == 1:
        return found[0]
    if found:
        raise Sparc3Error(
            f"{len(found)} installed tasks measure what pruning costs: {', '.join(found)}; choose "
            "one with `--task`."
        )
    raise Sparc3Error("No installed task measures what pruning costs; install one.")


def write_pruned(rebuilt: Rebuilt, pruned: Pruned, folder: Path) -> None:
    """Write the folder; whatever interrupts it, none is left half written under its name.

    Parameters
    ----------
    rebuilt, pruned
        What to write.
    folder
        New, empty, or one that an earlier pruning wrote, which is replaced.

    Raises
    ------
    Sparc3Error
        When it holds something else by now.
    """
    KIND.check_free(folder)
    outcome, found = pruned.outcome, rebuilt.cell.model
    result = outcome.result
    stored = as_stored(found, result.spec.scope, rebuilt.view)
    masks = parameter_masks(stored, outcome.circuit.keep)
    with replacing(folder) as part:
        write_model(stored.model, masks, part, stored.tokenizer, found.folder)
        save_bits(masks, part / MASK)
        write_result(part / "result.json", result)
        if pruned.search is not None:
            write_result(part / "search.json", pruned.search)
        plot = picture(result, result.metrics[0].name)
        (part / "plot.svg").write_text(plot, encoding="utf-8")
        sizes = _sizes(pruned, weight_bytes(found.folder), part)
        told = _told(pruned, str(found.stored_dtype).removeprefix("torch."))
        report = markdown_text("pruning.md.j2", **told, sizes=sizes)
        (part / "report.md").write_text(report, encoding="utf-8")
        card = model_card(result, found, pruned.repo, told)
        (part / "README.md").write_text(card, encoding="utf-8")
        KIND.write(part, _about(pruned))


def _told(pruned: Pruned, dtype: str) -> dict[str, Any]:
    """Return what report and card tell alike."""
    outcome = pruned.outcome
    result, point, spec = outcome.result, outcome.point, outcome.result.spec
    count = point.amount.units_removed or 0
    amount = point.amount.requested
    counted = spec.amount_kind == "count"
    main = result.metrics[0].name
    versus = point.versus.get(main)
    return {
        "result": result,
        "spec": spec,
        "point": point,
        "share": f"{count:,}" if counted else percent(round(amount, 4)),
        "what": f"{units(spec)} {phrases_of('scope').clause[spec.scope]}",
        "cost": pruned.cost,
        "budget": pruned.budget,
        "before_and_after": before_and_after(outcome),
        "draws": draws_beside(outcome),
        "drawn_in": drawn_in(spec),
        "versus": beside_random(result, point, main, versus, "windows") if versus else "",
        "removed": removed_table(outcome),
        "speed": _speed(pruned),
        "dtype": dtype,
        "corrects": False,
        "place": pruned.repo or ".",
    }


def _sizes(pruned: Pruned, before: int, folder: Path) -> str:
    """Return the table of sizes on disk."""
    after, mask = weight_bytes(folder), (folder / MASK).stat().st_size
    point = pruned.outcome.point
    # Of what is removed nothing need be stored but the bit that says so.
    least = round(after * (1 - point.amount.in_model)) + mask
    rows = [
        ("weights of the model as it is", before),
        ("weights of the pruned model: a zero takes as much room as any number", after),
        ("mask", mask),
        ("what would do: the weights that are kept, and the mask", least),
    ]
    return markdown_table(["", "MB"], [[what, f"{size / 1e6:,.1f}"] for what, size in rows])


def _speed(pruned: Pruned) -> str:
    """Return what becomes of the speed, in one honest line."""
    unit = pruned.outcome.result.spec.unit
    if unit == "weight":
        return (
            "This model is no faster than the one it was made of: zeros that lie anywhere do not "
            "make dense matrix products cheaper. Whole neurons or heads (`--unit neuron`) can be "
            "cut out of the matrices, and some devices have kernels for patterns such as 2:4."
        )
    share = percent(pruned.outcome.point.amount.in_model, 1)
    return (
        f"This model is no faster as it is saved: the matrices have the shapes they had. The rows "
        f"and columns of removed {unit}s can be cut out of them, which saves {share} of the "
        "parameters and about as much of the arithmetic of the blocks."
    )


def _about(pruned: Pruned) -> dict[str, Any]:
    """Return what the folder's description has besides the digests of its files."""
    outcome = pruned.outcome
    result, spec = outcome.result, outcome.result.spec
    kept: Mapping[str, Any] = outcome.circuit.kept
    point = outcome.point
    return {
        "key": result.key,
        "spec": spec.model_dump(mode="json"),
        "amount": point.amount.model_dump(mode="json"),
        "measured": point.model_dump(mode="json", include={"metrics", "intervals", "control"}),
        "removed": {} if spec.unit == "weight" else lost_units(kept),
        "found": None if pruned.search is None else pruned.search.key,
    }
