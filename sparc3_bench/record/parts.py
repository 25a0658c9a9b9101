"""Parts of a result: how to read a number, amounts, points, intervals, costs, where it ran."""

from __future__ import annotations

from operator import not_
from typing import Annotated

from pydantic import FailFast, Field, FiniteFloat

from sparc3_bench.record.spec import MOST_AMOUNTS, MOST_TITLE, Digest, Line, OnDisk
from sparc3_bench.types.values import Direction, Scale

MOST_METRICS = 1_000
"""Numbers that a task may report of a point."""

Numbers = Annotated[dict[Line, FiniteFloat], Field(max_length=MOST_METRICS)]
"""A number for each metric."""

Draws = Annotated[tuple[FiniteFloat, ...], Field(max_length=1_000)]
"""The same number of every random control."""

Samples = Annotated[
    dict[Line, Annotated[tuple[FiniteFloat, ...], FailFast(), Field(max_length=10_000_000)]],
    Field(max_length=MOST_METRICS),
]
"""Per-sample measurements by their kind."""


class MetricRecord(OnDisk):
    """How to read a metric, as the task declared it."""

    name: Line
    """Key in the points' `metrics`."""
    direction: Direction
    """Which way is better; `neither` for a number that only describes."""
    unit: Line
    """What one is counted in."""
    title: Annotated[Line, Field(max_length=MOST_TITLE)]
    """For readers."""
    scale: Scale = "linear"
    """On which it is compared and has its interval; on `log`, two numbers differ by a factor."""
    clusters: Annotated[int, Field(ge=0)] | None = None
    """How many independent samples (clusters, where samples come in clusters) it follows from, 0
    where it needs none; intervals and p-values are of Student's t of these. Null in old records,
    whose intervals are percentiles of the bootstrap."""


class Amount(OnDisk):
    """How much was removed."""

    requested: Annotated[FiniteFloat, Field(ge=0)]
    """The sparsity asked for, or the count of units."""
    in_scope: Annotated[float, Field(ge=0, le=1)]
    """The fraction of the weights in scope that was removed."""
    in_model: Annotated[float, Field(ge=0, le=1)]
    """The fraction of all parameters of the model that was removed, each counted once."""
    weights_removed: Annotated[int, Field(ge=0)]
    """How many weights were removed."""
    units_removed: Annotated[int, Field(ge=0)] | None
    """How many units were removed: weights, neurons or heads; null in some old records."""


class Versus(OnDisk):
    """A number of a run beside that of its random controls, on the same samples."""

    difference: FiniteFloat
    """The number of the run minus the mean of those of the controls; of a metric on a log scale,
    divided by their geometric mean."""
    low: FiniteFloat
    """Lower end of its 95 % interval over samples and controls."""
    high: FiniteFloat
    """Upper end of it."""
    p_value: Annotated[FiniteFloat, Field(ge=0, le=1)]
    """Two-sided, of no difference (of a ratio of 1), by the same error."""


class Point(OnDisk):
    """One position on the curve."""

    amount: Amount
    """How much was removed."""
    metrics: Numbers
    """The task's numbers."""
    intervals: Annotated[
        dict[Line, tuple[FiniteFloat, FiniteFloat]], Field(max_length=MOST_METRICS)
    ]
    """95 % interval of each metric over samples, by Student's t with the spread of a bootstrap of
    whole clusters; none where there is one independent sample."""
    samples: Annotated[Samples, Field(default_factory=dict)]
    """Per-sample measurements, in the same order at every point and in every run of the task; they
    are in a file of their own."""
    control: Annotated[dict[Line, Draws], Field(default_factory=dict, max_length=MOST_METRICS)]
    """The metrics of the random circuits with the same counts, one number a control seed."""
    versus: Annotated[dict[Line, Versus], Field(default_factory=dict, max_length=MOST_METRICS)]
    """Each metric beside those, where they were measured on the same samples; empty in old
    records."""
    kept: Annotated[
        dict[Line, Annotated[tuple[int, ...], Field(max_length=10_000)]],
        Field(default_factory=dict, max_length=1_000),
    ]
    """By role of the matrix, how many weights are kept in every decoder block."""

    def read(self, name: str) -> tuple[float, tuple[float, float] | None]:
        """Return a metric with its interval, if it has one."""
        return self.metrics[name], self.intervals.get(name)


class EstimateRecord(OnDisk):
    """A number with its 95 % interval, where it has one."""

    value: FiniteFloat
    """The number."""
    low: FiniteFloat | None = None
    """Lower end of the interval."""
    high: FiniteFloat | None = None
    """Upper end of the interval."""
    note: Annotated[Line, Field(max_length=200)] = ""
    """What a reader must know of it, in a few words; printed beside it."""
    control: Draws = ()
    """The same number of the random controls."""
    versus: Versus | None = None
    """The number beside those, where they were measured on the same samples."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval; None without them."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class Found(OnDisk):
    """An amount that was found on the task's selection part: by a bar, or as the best choice."""

    metric: Line
    """The metric that has the bar, or that the choice does best in."""
    at_least: FiniteFloat | None = None
    """The bar; null for a choice."""
    limits: Annotated[Numbers, Field(default_factory=dict)]
    """For a choice, metrics with the most they may be."""
    title: Annotated[Line, Field(max_length=MOST_TITLE)]
    """For readers."""
    point: Point
    """That amount, measured on the test part; its controls, if any, on the same samples."""
    versus: Versus | None = None
    """The choice beside its random controls; null where nothing is removed or there are none."""


class Tried(OnDisk):
    """A candidate ranking at one amount, on the selection part."""

    candidate: Line
    """Name of the ranking."""
    requested: Annotated[FiniteFloat, Field(ge=0)]
    """The amount."""
    metrics: Numbers
    """What was measured."""
    passes: bool
    """Whether it keeps all limits."""


class Responses(OnDisk):
    """The file beside the result that holds what models wrote; it is not published."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of its content, unpacked."""
    texts: Annotated[int, Field(ge=0)]
    """How many texts it holds."""


class SampleFile(OnDisk):
    """The file beside the result that holds its per-sample measurements."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of its content, unpacked."""
    numbers: Annotated[int, Field(ge=0)]
    """How many numbers it holds."""


class Stability(OnDisk):
    """How a ranking compares with that of other reference samples."""

    seed: int
    """The other seed of the reference samples."""
    spearman: FiniteFloat
    """Rank correlation of the scores of what is ranked; of at most 2^17 evenly spaced weights."""
    jaccard: Annotated[tuple[FiniteFloat, ...], Field(max_length=MOST_AMOUNTS)]
    """At every amount, kept by both over kept by either; 1 where neither keeps anything."""


class Sketch(OnDisk):
    """Which units a ranking keeps, small enough to be published; compares circuits of two runs."""

    units: Annotated[int, Field(ge=1)]
    """How many units are ranked."""
    stride: Annotated[int, Field(ge=1)]
    """Every so many units, from the first, in the order of the model, one is in the sketch."""
    levels: Annotated[str, Field(pattern=r"^[0-9a-z]*$", max_length=20_000)]
    """For each of them, in base 36, the number of amounts at which it is kept."""


class Phase(OnDisk):
    """What one phase cost."""

    seconds: Annotated[FiniteFloat, Field(ge=0)]
    """Wall time."""
    peak_bytes: Annotated[int, Field(ge=0)]
    """Largest resident memory of the process during the phase."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens that went through the model, padding included; null in old records."""
    backward_tokens: Annotated[
        Annotated[int, Field(ge=0)] | None, Field(exclude_if=lambda count: count is None)
    ] = None
    """Those of them of which a gradient went back through the model; none in old records."""
    flops: Annotated[
        Annotated[int, Field(ge=0)] | None, Field(exclude_if=lambda count: count is None)
    ] = None
    """Model FLOPs of those tokens: two operations a weight of the model's matrices forward, four
    back, the head among them even where a method leaves it out. Blocks that are run again, what
    attention multiplies and what is worked out beside the model are not in them; none in old
    records."""
    device_bytes: Annotated[
        Annotated[int, Field(ge=0)] | None, Field(exclude_if=lambda most: most is None)
    ] = None
    """Largest memory that was in use of an accelerator, the most of several; none without one."""


class Accelerator(OnDisk):
    """The device that the model ran on, where that was not the processor."""

    name: Line
    """What it is called."""
    memory_bytes: Annotated[int, Field(ge=0)]
    """Its memory; 0 where it does not tell."""
    driver: Line
    """Versions of its driver and of what torch was built for."""
    tf32: bool
    """Whether products of float32 were rounded to TensorFloat-32."""
    deterministic: bool
    """Whether torch was held to algorithms that give the same bits each time."""


class Environment(OnDisk):
    """Where the run happened."""

    python: Line
    """Version of Python."""
    packages: Annotated[dict[Line, Line], Field(max_length=10_000)]
    """Versions of the packages that can move a number."""
    platform: Line
    """Operating system and machine type."""
    processor: Line
    """Name of the processor."""
    instructions: Annotated[str, Field(exclude_if=not_)] = ""
    """Instructions of the processor that products are made with; none in records of before."""
    threads: int
    """Threads that torch used."""
    idle_threads: Annotated[Line, Field(exclude_if=not_)] = ""
    """How those that had nothing to do waited, as OMP_WAIT_POLICY says; none where it was unset."""
    memory_bytes: int
    """Memory of the machine."""
    accelerator: Annotated[Accelerator | None, Field(exclude_if=lambda device: device is None)] = (
        None
    )
    """The device that the model ran on; none where that was the processor."""
    source_digest: Digest
    """SHA-256 over the suite's own files that compute, first 16 hex digits."""
    commit: Line | None
    """Commit of the suite's source tree; null for an installed copy."""
    dirty: bool | None
    """Whether that tree had uncommitted changes."""
