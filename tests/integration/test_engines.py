"""Executors `ray` and `slurm`: what comes of orders is what comes of them in one process."""

from __future__ import annotations

import json
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import FakeSlurm
from sparc3_executors.here import Here
from sparc3_executors.ray import Ray
from sparc3_executors.remote import Remote, home_of
from sparc3_executors.slurm import Slurm
from sparc3_executors.waiting import Waiting

from sparc3_bench import Executor, Sparc3Error
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.request import Request
from sparc3_bench.run.worker import Worker
from sparc3_bench.testing.tiny import save_model, save_text
from sparc3_bench.types.orders import Delivery, Order, Work

# What packages of others leave to the garbage collector is no fault of ours.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

Tell = Callable[[Any], None]


class Asked:
    """Orders of two tiny models, and what comes of them in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        texts = {"reference_length": 32, "evaluation_length": 32}
        texts |= {"reference_windows": 2, "evaluation_windows": 2}
        for number, name in enumerate(("reference_text", "evaluation_text")):
            texts[name] = str(
                save_text(folder / f"{name}.txt", 400, number) or folder / f"{name}.txt"
            )
        self.orders: list[Order] = []
        for model in ("llama", "gpt2"):
            save_model(model, folder / model)
            request = Request(
                task="compression",
                model=str(folder / model),
                scorers=[("magnitude", [0]), ("wanda", [0, 1])],
                # So many that a job is at work for long enough to be ended early.
                amounts=tuple(part / 20 for part in range(20)),
                dtype="float32",
                task_options=texts,
            )
            self.orders += self.worker("here").plan(request)
        outcomes = Here().carry_out(self.orders, self.worker("here"), lambda told: None)
        self.expected = self.content([*outcomes])

    def worker(self, cache: str) -> Worker:
        return Worker(Work(cache=str(self.folder / cache)), Reporter())

    def carried_out(self, executor: Executor, cache: str, tell: Tell = lambda told: None) -> Any:
        outcomes = [*executor.carry_out(self.orders, self.worker(cache), tell)]
        assert sorted(one.order for one in outcomes) == sorted(one.path for one in self.orders)
        return self.content(outcomes)

    def content(self, outcomes: Sequence[Delivery]) -> dict[str, Any]:
        """Return all that does not tell of the machine or the clock."""
        found = {}
        for one in outcomes:
            assert one.status == "ok", one.error
            record = json.loads(one.files[one.order])
            assert record["points"]
            for name in ("created", "environment", "cost", "content_hash"):
                record.pop(name)
            beside = {name: data for name, data in one.files.items() if name != one.order}
            found[one.order] = record, beside
        return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Asked:
    return Asked(tmp_path_factory.mktemp("engines"))


TOLD: dict[str, Any] = {
    **{"request": {}, "scorer": "", "key": "", "question": "", "code": ""},
    **{"path": "", "label": ""},
}


def test_worker_keeps_its_model_and_another_takes_where_most_is_left():
    of = {"small": 2, "large": 6}
    orders = [
        Order(**TOLD, seed=n, model=model) for model, count in of.items() for n in range(count)
    ]
    waiting = Waiting(orders)
    first, second = waiting.take(""), waiting.take("")
    assert first is not None
    assert second is not None
    assert [first.model, second.model] == ["large", "large"]  # 5 for two are more than 2 for one
    assert [third.model for _ in "1234" if (third := waiting.take("large"))] == ["large"] * 4
    waiting.give_back(second)
    assert waiting.take("large") == second
    assert [last.model for _ in "12" if (last := waiting.take("large"))] == ["small"] * 2
    assert waiting.take("small") is None


@pytest.fixture
def ray_folder(monkeypatch) -> Iterator[None]:
    """Have Ray's files in a folder of their own; names of sockets must be short."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as name:
        monkeypatch.setenv("RAY_TMPDIR", name)
        yield


@pytest.mark.usefixtures("ray_folder")
def test_lost_node_of_a_ray_cluster_costs_no_result(asked):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    of = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=of)
    second = cluster.add_node(**of)
    said, at_work = [], set()

    def tell(told: Any) -> None:
        nonlocal second
        said.append(told.get("say", ""))
        at_work.add(told.get("worker"))
        if second is not None and len(at_work - {None}) == 2:
            cluster.remove_node(second, allow_graceful=False)
            second = None

    try:
        found = asked.carried_out(Ray(address=cluster.address), "ray", tell)
    finally:
        cluster.shutdown()
    assert found == asked.expected
    assert second is None
    assert sum("its worker is lost" in line for line in said) == 1


def test_ray_refuses_what_it_has_no_room_for_and_where_it_is_not(asked):
    ray = pytest.importorskip("ray")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Sparc3Error, match=r"No node of the Ray cluster has 1000 CPU; claim less"):
        asked.carried_out(Ray(cpus=1000), "ray-local")
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(Sparc3Error, match=r"No Ray cluster is at 'localhost:1' .*; tell by option"):
        asked.carried_out(Ray(address="localhost:1"), "ray-local")


def test_local_jobs_of_submitit(asked):
    pytest.importorskip("submitit")
    found = asked.carried_out(Slurm(cluster="local", jobs=2), "local")
    assert found == asked.expected
    assert not [*(asked.folder / "local" / "slurm").iterdir()], "logs of what went well are kept"


@pytest.mark.parametrize("how", ["preempt", "lose"])
def test_job_that_is_ended_early_costs_no_result(asked, tmp_path, monkeypatch, how):
    pytest.importorskip("submitit")
    slurm = FakeSlurm(tmp_path, monkeypatch)
    executor, said = Slurm(partition="long", sbatch="qos=low"), []
    orders = asked.orders[:3]
    slurm.after(asked.folder / how, "outcomes/0.json", getattr(slurm, how))
    found = [*executor.carry_out(orders, asked.worker(how), said.append)]
    assert asked.content(found) == {one.path: asked.expected[one.path] for one in orders}
    assert len(found) == len(orders)
    assert slurm.runs() == ["100", "101" if how == "lose" else "100"]
    assert any("is gone" in told.get("say", "") for told in said) == (how == "lose")


def test_dry_run_shows_the_script_that_would_be_submitted(asked, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    said: list[Any] = []
    options = {"folder": str(tmp_path / "shared"), "gpus": 2, "memory": 1.5, "sbatch": "qos=low"}
    dry = Slurm(dry_run=True, **options).carry_out(asked.orders, asked.worker("dry"), said.append)
    assert {one.status for one in dry} == {"refused"}
    assert not (tmp_path / "shared").exists()
    slurm = FakeSlurm(tmp_path, monkeypatch, starts=False)
    wet = [*Slurm(retries=0, **options).carry_out(asked.orders, asked.worker("dry"), said.append)]
    assert {one.status for one in wet} == {"refused"}
    assert "There is no log at" in str(wet[0].error)
    folder = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
    shown, submitted = (folder.sub("", one) for one in (said[0]["say"], *slurm.scripts()))
    assert shown == submitted
    for line in ("array=0-1%2", "gpus-per-node=2", "mem=1536MB", "qos=low", "requeue"):
        assert f"#SBATCH --{line}\n" in shown


def test_machine_that_does_not_see_the_store_is_refused(tmp_path):
    with home_of(Work(cache=str(tmp_path / "cache"))) as home:
        Remote(home).begin()
        assert [*(tmp_path / "cache").iterdir()]
    assert not [*(tmp_path / "cache").iterdir()], "the sign is left"
    with pytest.raises(Sparc3Error, match=r"does not see .*/cache as it is .*; give by --store"):
        Remote(home).begin()
