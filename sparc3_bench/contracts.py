"""The door: what the author of a scorer, task, adapter or named model implements, on one page.

Nothing here imports torch, so that classes can be listed without it. Terms: ``docs/glossary.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from sparc3_bench.configurable import Configurable, Named
from sparc3_bench.types.conventions import Part, Removal, Unit
from sparc3_bench.types.groups import Group
from sparc3_bench.types.parts import (
    Assessment,
    Bar,
    Choice,
    Facts,
    Judging,
    PruningOptions,
    Summary,
)
from sparc3_bench.types.values import Evaluation, Means, Metric

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.record.spec import DatasetRecord
    from sparc3_bench.types.model import Model
    from sparc3_bench.types.orders import AnyWorker, Delivery, Order
    from sparc3_bench.types.samples import ReferenceSamples
    from sparc3_bench.types.scores import ScoreMap


class Scorer(Configurable, ABC):
    """A way to score the weights of a language model by importance.

    Options are the fields of a frozen dataclass. A range is said by the type, as in
    ``Annotated[int, pydantic.Field(ge=1)]``; what options must be to one another is checked in
    ``__post_init__``, which raises :class:`~sparc3_bench.errors.Sparc3Error`.
    """

    citation: ClassVar[str] = ""
    """Where it comes from: keys of ``references.toml`` between semicolons, or plain text."""
    formula: ClassVar[str] = ""
    """The score of a weight under the default options: one line, Unicode maths."""
    notice: ClassVar[str] = ""
    """What a user must know before using the method, e.g. of its licence or patents."""
    default_group: ClassVar[Group] = "row"
    """The comparison group used unless the user chooses another."""
    default_objective: ClassVar[str | None] = None
    """The objective that the method is defined for, used where the task has it; None for any."""
    needs_reference: ClassVar[bool] = True
    """Whether `score` runs the model on the reference samples."""
    takes_products: ClassVar[bool] = True
    """Whether `score` uses ``model.attribute``, the format of whose products is recorded."""
    is_control: ClassVar[bool] = False
    """Whether the leaderboard draws this scorer's seeds as the band that others must leave."""
    tiny_options: ClassVar[Mapping[str, Any]] = {}
    """Options for a run of a fraction of a second on a tiny model: `sparc3 check` makes many."""

    @abstractmethod
    def score(self, model: Model, reference: ReferenceSamples) -> ScoreMap | Mapping[str, Tensor]:
        """Score every weight in the scope of `model`; leave model and process as they were.

        That holds when interrupted, too. Beside the model it takes no more memory than the scores
        and one gradient do. `sparc3 check` tries what is promised here.

        Parameters
        ----------
        model
            The view to score. Use its `weights`, `observe`, `run` and `attribute`.
        reference
            The samples that steer the scores; `reference.seed` is the seed of the run.

        Returns
        -------
        mapping
            One tensor a name of ``model.weights()``, ``[out_features, in_features]``, finite,
            no view of a weight; higher means more important. Signs are kept: the lowest go. Of
            `Lazy` no more than one is in memory at a time.
        """

    def rules(self, model: Model) -> Mapping[str, str]:
        """Return by path what the scorer changes at modules of `model`, in a few words.

        `sparc3 inspect` shows it. What cannot be scored raises, as `score` would.
        """
        return {}


class Task(Configurable, ABC):
    """What is asked of a pruned model: reference samples, and how to measure what is left."""

    version: ClassVar[int]
    """Raised whenever a change can move a number."""
    metrics: ClassVar[tuple[Metric, ...]]
    """Numbers of one point of the curve; the first is the one the leaderboard plots."""
    amounts: ClassVar[tuple[float, ...]]
    """Default sparsities: fractions of the scope that are removed; the first is 0."""
    needs_empty: ClassVar[bool] = False
    """Whether every curve must end at amount 1, where everything in scope is removed."""
    counts: ClassVar[Mapping[Unit, tuple[int, ...]]] = {}
    """Default amounts as counts of units, for tasks that remove few; rather than `amounts`."""
    steering: ClassVar[frozenset[str]] = frozenset()
    """Options that move rankings and choices only; what is measured does not depend on them."""
    default_objective: ClassVar[str]
    """The scalar that is attributed unless the user, or the scorer, chooses another."""
    objectives: ClassVar[tuple[str, ...]] = ()
    """The scalars that may be attributed; none: the default, and where it is general, its like."""
    prompts_option: ClassVar[str | None] = None
    """For a task that corrects what models answer: its option that says to which prompts."""
    pruning: ClassVar[PruningOptions | None] = None
    """For a task that measures what pruning costs, and looks for the most that a budget allows."""
    tiny_options: ClassVar[Mapping[str, Any]] = {}
    """Options for a run of seconds, which `sparc3 check` makes."""
    tiny_model: ClassVar[str | None] = None
    """A named model for that run; None for tiny ones, with a tokenizer that takes any text."""

    @abstractmethod
    def prepare(self, tokenizer: Any, model_id: str, cache: Path, seed: int) -> PreparedTask:
        """Fetch and tokenise the data, draw the reference alone with `seed`, refuse bad data."""

    @abstractmethod
    def point_metrics(self, means: Means, dense: Means, empty: Means | None) -> Mapping[str, Any]:
        """Return the metrics of one point, as functions of the means of its samples.

        Parameters
        ----------
        means
            Mean of each kind of sample: numbers, or arrays over bootstrap replicates.
        dense, empty
            The same of the dense model and, with `needs_empty`, of amount 1.
        """

    @property
    def sample_counts(self) -> tuple[str, ...]:
        """Options that are numbers of samples, where 0 is all there are; `--limit` lowers them."""
        return ()

    @property
    def summary(self) -> Summary | None:
        """The numbers of a whole curve, if it has any."""
        return None

    @property
    def assessment(self) -> Assessment[Any] | None:
        """The numbers of the scores themselves, if they can be judged."""
        return None

    @final
    @property
    def curve_metrics(self) -> tuple[Metric, ...]:
        """All numbers that are not of one point: of the summary, then of the assessment."""
        return tuple(m for part in (self.summary, self.assessment) if part for m in part.metrics)

    @property
    def bar(self) -> Bar | None:
        """A bar whose largest amount is looked for between the points of the curve, if any."""
        return None

    @property
    def choice(self) -> Choice | None:
        """What is chosen on the selection part; None when there is nothing to choose."""
        return None

    @property
    def judging(self) -> Judging | None:
        """Who reads what models write, and what follows; None for a task without texts."""
        return None

    @property
    def facts(self) -> Facts[Any] | None:
        """What must be known of the dense model before the references are; None for nothing."""
        return None

    def chances(self) -> Mapping[str, float]:
        """Return by name of a metric what guessing gives, where that is known."""
        return {}

    def metrics_for(self, removal: Removal) -> tuple[Metric, ...]:
        """Return the metrics with their directions when this end of the ranking is removed."""
        return self.metrics


class PreparedTask(ABC):
    """A task with its data in memory."""

    datasets: tuple[DatasetRecord, ...]
    """Every text used, with digests and counts."""
    warnings: tuple[str, ...] = ()
    """What a reader of the results must know of the data."""
    has_counterparts: bool = False
    """Whether the batches that `evaluate` runs carry corrupted counterparts, for `resample`."""
    compares: bool = True
    """Whether `evaluate` reads what it returned for the dense model."""

    @property
    def clusters(self) -> Mapping[str, Sequence[int]]:
        """For each kind of sample that is not independent, the cluster of every sample.

        Samples of one document or one template move together; intervals resample whole clusters.
        """
        return {}

    def part(self, name: Part) -> PreparedTask:
        """Return the task on another part of its data; itself when it has only one."""
        return self

    @abstractmethod
    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return the reference samples by purpose; most tasks have one, called ``"task"``.

        A task with `Facts` returns none before it has learned them.

        Raises
        ------
        UnknownNameError
            When the task has no such objective.
        """

    def sequences(self) -> Iterable[Sequence[int]]:
        """Return token ids of what is measured on: a plan refuses what the model has no row for."""
        return ()

    @abstractmethod
    def evaluate(
        self, model: Model, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Measure `model` as it is now.

        Parameters
        ----------
        model
            The model, dense or pruned; `model.memory` keeps parts of a long evaluation.
        dense
            What it returned for the dense model; None for that one, and without `compares`.
        progress
            Called with (steps done, steps in all), alike in length: `sparc3 plan` foresees by them.
        """

    def after(self, model: Model, found: Evaluation) -> Evaluation:
        """Add to an evaluation what takes the dense model, which is back."""
        return found

    def remarks(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Return what a reader must know, given the metrics of the dense model."""
        return ()


class LoadedJudge(ABC):
    """A judge ready to read."""

    digest: str
    """SHA-256 of what its scores depend on: weights, vocabulary, word list."""

    @abstractmethod
    def score(
        self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Sequence[float]:
        """Return for every text how much it is of what is unwanted, in [0, 1].

        A text's score does not depend on the others. An empty text is judged like any other. What
        cannot be judged raises; nothing is passed over as harmless.
        """

    def to(self, device: str) -> bool:
        """Go to the model's torch device, and return whether it did; by default it does not."""
        return False


class Judge(Configurable, ABC):
    """A way to say of texts how unwanted they are, e.g. how toxic; options as for a scorer."""

    citation: ClassVar[str] = ""
    """Where it comes from, as for a scorer."""

    @abstractmethod
    def load(self, cache: Path) -> LoadedJudge:
        """Fetch and open what is needed; what is missing or damaged raises `Sparc3Error`."""


class Suite(Named, ABC):
    """Runs with a name of their own, described in a TOML file; see ``tasks/README.md``."""

    file: ClassVar[Path]
    """The description."""


class Executor(Configurable, ABC):
    """Where orders are carried out, on this machine or others; options as for a scorer."""

    isolated: ClassVar[bool] = True
    """Whether plans are made in another process, too, so that no plugin can end this one."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of the processes that do the work, e.g. their number of threads."""
        return {}

    @abstractmethod
    def carry_out(
        self, orders: Sequence[Order], worker: AnyWorker, tell: Callable[[Mapping[str, Any]], None]
    ) -> Iterator[Delivery]:
        """Yield what comes of each order, in any order; each once, whatever fails.

        When interrupted where it waits, it has what is being done left, yields that, and raises.

        Parameters
        ----------
        orders
            What is to be done.
        worker
            It planned the orders and can carry them out; `worker.work` has limits and the folder
            where values are kept, everywhere the same.
        tell
            Told what is going on, from any thread.
        """
