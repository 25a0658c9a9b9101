"""Slurm: orders in arrays of jobs, submitted by submitit."""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sparc3_bench import Executor, Sparc3Error, hookimpl
from sparc3_bench.errors import describe
from sparc3_bench.types.orders import Delivery, Order, Tell
from sparc3_executors.remote import Home, gpus_for, home_of, opened
from sparc3_executors.share import Share

if TYPE_CHECKING:
    from sparc3_bench.types.orders import AnyWorker

_LOOK_S = 1.0
"""Between two looks at what is there."""
_ARRAY = 1000
"""So many jobs may be in an array by Slurm's defaults."""
_END_S = 10.0
"""For jobs to end after their last outcome."""


@dataclass(frozen=True)
class Slurm(Executor):
    """In Slurm jobs, each for some orders of one model; nodes must share the store.

    A job that Slurm ends early is queued again and does what is left of its orders; one that is
    gone is submitted again.

    Parameters
    ----------
    cluster
        `local` runs the jobs as processes of this machine, to try things.
    folder
        For scripts, logs and outcomes, seen by all nodes; without it below the cache.
    chunk
        Orders a job.
    jobs
        How many jobs are queued or run at a time; without it 100, of local ones 1.
    minutes
        Time limit of a job.
    cpus
        Processors of a job.
    memory
        Gigabytes of a job.
    gpus
        GPUs of a job; without it one where orders run on CUDA.
    partition
        As in sbatch.
    sbatch
        Further options of sbatch between spaces, e.g. `account=physics qos=low`.
    setup
        A line of shell before the job, e.g. `module load cuda`.
    retries
        How often a job may run out of time, and how often one may be gone.
    dry_run
        Show the script and submit nothing.
    """

    name = "slurm"
    title = "Slurm jobs"

    cluster: Literal["slurm", "local"] = "slurm"
    folder: str | None = None
    chunk: Annotated[int, Field(ge=1)] = 20
    jobs: Annotated[int, Field(ge=1, le=_ARRAY)] | None = None
    minutes: Annotated[int, Field(ge=1)] = 240
    cpus: Annotated[int, Field(ge=1)] = 1
    memory: Annotated[float, Field(gt=0)] = 8.0
    gpus: Annotated[int, Field(ge=0)] | None = None
    partition: str | None = None
    sbatch: str = ""
    setup: str = ""
    retries: Annotated[int, Field(ge=0)] = 3
    dry_run: bool = False

    def carry_out(
        self, orders: Sequence[Order], worker: AnyWorker, tell: Tell
    ) -> Iterator[Delivery]:
        """Submit jobs and gather what comes of their orders.

        Raises Sparc3Error when jobs cannot be submitted.
        """
        submitit = _submitit()
        above = Path(self.folder or Path(worker.work.cache, "slurm")).absolute()
        folder = above / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
        gpus = int(gpus_for(orders, self.gpus))
        shares = deque(_cut(orders, self.chunk))
        most = self.jobs or (1 if self.cluster == "local" else 100)
        if self.dry_run:
            tell({"say": self._script(folder, gpus, min(len(shares), most))})
            for order in orders:
                yield Delivery(order=order.path, status="refused", error="It is a dry run.")
            return
        if self.cluster == "local":
            setup = [self.setup] if self.setup else []
            engine = submitit.LocalExecutor(folder, max_num_timeout=self.retries)
            engine.update_parameters(timeout_min=self.minutes, gpus_per_node=gpus, setup=setup)
        else:
            engine = _slurm(submitit, folder, self.retries)
            engine.update_parameters(**self._parameters(gpus))
        with home_of(worker.work) as home:
            desk = _Desk(engine, home, folder, orders, tell)
            try:
                yield from self._followed(desk, shares, most)
            finally:
                desk.cancel()
        if desk.is_well:
            shutil.rmtree(folder, ignore_errors=True)

    def _followed(self, desk: _Desk, shares: deque[list[str]], most: int) -> Iterator[Delivery]:
        """Submit shares, and yield outcomes until there is one of each order."""
        gone = Counter[str]()
        while desk.left:
            free = most - len(desk.running)
            if shares and free >= min(len(shares), max(1, most // 4)):
                desk.submit([shares.popleft() for _ in range(min(free, len(shares)))])
            over = [job for job in desk.running if job.done()]  # before looking for files
            yield from desk.outcomes()
            for job in over:
                if not (names := [one for one in desk.running.pop(job) if one in desk.left]):
                    continue
                gone[names[0]] += 1
                if gone[names[0]] <= self.retries and not _is_final(job):
                    desk.tell(
                        {"say": f"Job {job.job_id} is gone; what is left is submitted again."}
                    )
                    shares.append(names)
                else:
                    yield from desk.given_up(names, f"Its job ended without it. {_last_words(job)}")

    def _parameters(self, gpus: int) -> dict[str, Any]:
        """Return what submitit makes options of sbatch of."""
        pairs = (option.partition("=") for option in shlex.split(self.sbatch))
        return {
            "job_name": "sparc3",
            "time": self.minutes,
            "mem": f"{round(self.memory * 1024)}MB",
            "cpus_per_task": self.cpus,
            "gpus_per_node": gpus or None,
            "partition": self.partition,
            "setup": [self.setup] if self.setup else None,
            "stderr_to_stdout": True,
            "wckey": None,
            "additional_parameters": {
                "requeue": True,
                **{name: value if equals else True for name, equals, value in pairs},
            },
        }

    def _script(self, folder: Path, gpus: int, jobs: int) -> str:
        """Return what would be given to sbatch, on a machine without Slurm, too."""
        from submitit.slurm.slurm import _make_sbatch_string

        command = shlex.join([sys.executable, "-u", "-m", "submitit.core._submit", str(folder)])
        count = {"map_count": jobs} if jobs > 1 else {}
        text: str = _make_sbatch_string(
            command=command, folder=folder, **self._parameters(gpus), **count
        )
        return text


class _Desk:
    """Jobs that were submitted, and orders without an outcome so far, by number."""

    def __init__(
        self, engine: Any, home: Home, folder: Path, orders: Sequence[Order], tell: Tell
    ) -> None:
        self.tell = tell
        self._engine, self._home, self._folder = engine, home, folder
        self.left = {str(number): order for number, order in enumerate(orders)}
        self.running: dict[Any, list[str]] = {}
        self.is_well = True
        self._seen: set[Path] = set()

    def submit(self, shares: Sequence[list[str]]) -> None:
        """Submit a job for each share, as one array."""
        from submitit.helpers import clean_env

        texts = [{one: self.left[one].narrowed().model_dump_json() for one in s} for s in shares]
        jobs = [Share(self._home, str(self._folder), some) for some in texts]
        try:
            with clean_env():
                self.running |= zip(self._engine.submit_array(jobs), shares, strict=True)
        except Exception as error:  # of sbatch, which has told why
            raise Sparc3Error(
                f"Slurm refuses the jobs ({describe(error)}); see the script by --executor-option "
                "dry_run=true."
            ) from None

    def outcomes(self) -> Iterator[Delivery]:
        """Yield what jobs have left since the last time; wait a little where that is nothing."""
        new = {*self._folder.glob("outcomes/[0-9]*.*")} - self._seen
        self._seen |= new
        for file in sorted(new):  # began comes before json
            if file.stem not in self.left:
                continue
            if file.suffix == ".began":
                self.tell({"began": self.left[file.stem].path, "worker": file.stem})
            else:
                outcome = opened(file.read_bytes(), self.tell, file.stem)
                self.is_well &= outcome.status == "ok"
                del self.left[file.stem]
                yield outcome
        if self.left and not new:
            time.sleep(_LOOK_S)

    def given_up(self, names: Sequence[str], reason: str) -> Iterator[Delivery]:
        """Yield that orders have no outcome."""
        self.is_well = False
        for name in names:
            yield Delivery(order=self.left.pop(name).path, status="refused", error=reason)

    def cancel(self) -> None:
        """Cancel jobs; those without an order left have a while to end by themselves."""
        end = time.monotonic() + (0 if self.left else _END_S)
        jobs = [*self.running]
        while (jobs := [job for job in jobs if not job.done()]) and time.monotonic() < end:
            time.sleep(0.1)
        for job in jobs:
            job.cancel(check=False)


def _cut(orders: Sequence[Order], size: int) -> Iterator[list[str]]:
    """Cut the numbers of orders into shares of one model each."""
    of: dict[str, list[str]] = {}
    for number, order in enumerate(orders):
        of.setdefault(order.model, []).append(str(number))
    for names in of.values():
        for start in range(0, len(names), size):
            yield names[start : start + size]


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise Sparc3Error(
            "Executor 'slurm' needs the package submitit; run: pip install 'sparc3-bench[slurm]'."
        ) from None
    logging.getLogger("submitit").setLevel(logging.ERROR)
    return submitit


def _slurm(submitit: Any, folder: Path, retries: int) -> Any:
    try:
        return submitit.SlurmExecutor(folder, max_num_timeout=retries)
    except RuntimeError:
        raise Sparc3Error(
            "Slurm is not on this machine (there is no srun); run the command where it is, or with "
            "--executor-option cluster=local."
        ) from None


def _is_final(job: Any) -> bool:
    """Return whether a job came to its own end, or was cancelled, so that it is not run again."""
    return job.paths.result_pickle.exists() or str(job.state).startswith("CANCELLED")


def _last_words(job: Any) -> str:
    with suppress(OSError):
        lines = [line for line in (job.stdout() or "").splitlines() if line.strip()]
        if lines:
            return f"The last line of {job.paths.stdout}: {lines[-1]}"
    return f"There is no log at {job.paths.stdout}; the folder must be one that all nodes share."


@hookimpl
def sparc3_register_executors() -> list[type[Executor]]:
    """Offer the executor."""
    return [Slurm]
