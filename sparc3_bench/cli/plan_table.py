"""What a plan shows: a line a request, and the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from sparc3_bench.cli.tables import print_table
from sparc3_bench.printable import how_many, prefixed

if TYPE_CHECKING:
    from sparc3_bench.graph.forecast import Cost, Forecast, Foreseen
    from sparc3_bench.run.cell import Cell


@dataclass
class PlanTable:
    """The runs of one request, with what each will take: nothing more where it is finished."""

    cells: Sequence[Cell]
    foreseen: list[Foreseen] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)
    floor: float = 0.0
    model: str = ""
    shape: str | None = None
    """Of a model that is not here, and what its figures follow from."""

    @property
    def named(self) -> str:
        """The model that was asked for."""
        return self.model or self.cells[0].spec.model.id

    def cost(self) -> Cost:
        """Return the cost of all runs together."""
        from sparc3_bench.graph.forecast import Cost

        return sum((one.cost for one in self.foreseen), Cost())

    def count(self, state: str) -> int:
        """Return how many steps are in a state: `new` or `shared`."""
        return sum(len(getattr(one, state)) for one in self.foreseen)


def show(
    tables: Sequence[PlanTable], forecasts: Sequence[Forecast], floor: float | None, like: str
) -> None:
    """Print a line a request and the sum, beside what the model alone takes where that is known."""
    import torch

    from sparc3_bench.graph.forecast import Cost
    from sparc3_bench.run.progress import spoken

    counted = ("runs", "finished", "there", "shared", "new")
    rows = []
    for table in tables:
        spec = table.cells[0].spec
        groups = "/".join(dict.fromkeys(cell.spec.group for cell in table.cells))
        what = " · ".join((spec.task.name, spec.unit, groups))
        by = f" (by {table.shape})" if table.shape else ""
        whole = f"{what}\n{table.named}{by}: {', '.join(_counted(table.cells))}"
        there = sum(one.there for one in table.foreseen)
        counts = [len(table.cells), sum(table.finished), there]
        counts += [table.count("shared"), table.count("new")]
        rows.append((whole, *map(str, counts), *_words(table.cost())))
    print_table(("runs of", *counted, "tokens", "operations", "time", "memory"), rows)
    runs, new = sum(len(table.cells) for table in tables), sum(t.count("new") for t in tables)
    total = sum((t.cost() for t in tables), Cost())
    tokens, operations, duration, memory = _words(total)
    done = sum(sum(table.finished) for table in tables)
    cost = f": about {duration} on {how_many(torch.get_num_threads(), 'thread')}, {tokens} tokens, "
    cost += f"{operations} operations, {memory} of memory"
    said = [f"{how_many(runs, 'run')}, {done:,} finished; {how_many(new, 'new step')}"]
    said[0] += f"{cost if new else ''}."
    tried = {
        "were tried now": sum(one.probed for one in forecasts),
        "are known in part only": sum(one.in_part for one in forecasts),
    }
    said += [f"{number} kinds of steps {how}." for how, number in tried.items() if number]
    if by_shape := len({table.model for table in tables if table.shape}):
        said.append(
            f"Figures of {by_shape} of the models are of their shapes alone, scaled from what "
            f"{like} takes here; they may take twice as long."
        )
    if floor:
        said.append(f"{total.seconds / floor:.2f} × the {spoken(floor)} of the model alone.")
    typer.echo("\n".join(said))


def _counted(cells: Sequence[Cell]) -> Iterator[str]:
    for name, number in Counter(cell.scorer.name for cell in cells).items():
        yield name if number == 1 else f"{number} {name}"


def _words(cost: Cost) -> tuple[str, str, str, str]:
    """Return tokens, operations, time and memory as they are read."""
    from sparc3_bench.run.progress import spoken

    on_device = f" + {cost.device_bytes / 1e9:.1f} GB" if cost.device_bytes else ""
    return (
        prefixed(cost.tokens),
        prefixed(cost.flops) if cost.flops else "-",
        spoken(cost.seconds),
        f"{cost.peak_bytes / 1e9:.1f} GB{on_device}",
    )
