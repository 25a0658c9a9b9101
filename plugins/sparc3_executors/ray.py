"""Ray: workers on the nodes of a cluster, or of one that is started here."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sparc3_bench import Executor, Sparc3Error, hookimpl
from sparc3_bench.errors import describe
from sparc3_bench.types.orders import Delivery, Order, Tell
from sparc3_executors.remote import Home, Remote, gpus_for, home_of, opened
from sparc3_executors.waiting import Waiting

if TYPE_CHECKING:
    from sparc3_bench.types.orders import AnyWorker

_STORE_BYTES = 80_000_000
"""Of the object store of a cluster that is started here: about the least that Ray takes."""
_LOOK_S = 30.0
"""Between two looks at how much room there is."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
"""Ray reads it when it is imported; else it prints what its nodes say among the results."""
_LETTERS = 160
"""Of what Ray tells of a loss."""
_KNOCK_S = 10.0
"""For a cluster to answer."""


@dataclass(frozen=True)
class Ray(Executor):
    """On a Ray cluster; what steps make goes through the store, which all nodes must share.

    An order whose worker is lost goes to the next that is free, which finds in the store what was
    made of it.

    Parameters
    ----------
    address
        Of the cluster; without it ``$RAY_ADDRESS``, else one is started here for this
        command.
    jobs
        How many workers there are; without it as many as there is room for.
    cpus
        Processors that a worker claims.
    gpus
        GPUs that a worker claims, or a part of one; without it one where orders run on
        CUDA.
    memory
        Gigabytes that a worker claims.
    retries
        How often an order is begun again because its worker is lost.
    """

    name = "ray"
    title = "Ray cluster"

    address: str | None = None
    jobs: Annotated[int, Field(ge=1)] | None = None
    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] | None = None
    memory: Annotated[float, Field(ge=0)] = 0.0
    retries: Annotated[int, Field(ge=0)] = 3

    def carry_out(
        self, orders: Sequence[Order], worker: AnyWorker, tell: Tell
    ) -> Iterator[Delivery]:
        """Give each worker on a node that is free an order, of the model that it has if possible.

        Raises Sparc3Error when there is no cluster, no room on it, or no worker begins there.
        """
        gpus = gpus_for(orders, self.gpus)
        claim = {"CPU": self.cpus, "GPU": gpus, "memory": self.memory * 1e9}
        with _cluster(self.address) as ray, home_of(worker.work) as home:
            crew = _Crew(ray, claim, home, tell)
            try:
                yield from self._dealt(crew, Waiting(orders), len(orders), tell)
            finally:
                crew.dismiss(*crew.hands)

    def _dealt(self, crew: _Crew, waiting: Waiting, left: int, tell: Tell) -> Iterator[Delivery]:
        lost, unbegun = Counter[str](), 0
        while left:
            crew.hire(min(self.jobs or crew.room(), left))
            for hand, outcome, loss in crew.answers():
                order = hand.order
                if not loss:
                    unbegun = 0
                    crew.give(hand, waiting.take(hand.model))
                elif order is None:
                    unbegun += 1
                    if unbegun > self.retries:
                        raise Sparc3Error(
                            f"No worker begins on the Ray cluster ({loss}); see that its nodes "
                            "have this version of sparc3-bench."
                        )
                elif lost[order.path] < self.retries:
                    lost[order.path] += 1
                    waiting.give_back(order)
                    tell({"say": f"{order.label}: its worker is lost; it is begun again."})
                else:
                    reason = f"It lost {self.retries + 1} workers, the last by {loss}."
                    outcome = Delivery(order=order.path, status="refused", error=reason)
                if outcome is not None:
                    left -= 1
                    yield outcome


@dataclass(eq=False)
class _Hand:
    """A worker, as seen from here."""

    actor: Any
    order: Order | None = None
    model: str = ""


class _Crew:
    """The workers, each asked one thing at a time.

    Ray is not asked to start them again: an order would wait for a place for its own worker while
    others are free.
    """

    def __init__(self, ray: Any, claim: Mapping[str, float], home: Home, tell: Tell) -> None:
        self._ray, self._home, self._tell = ray, home, tell
        self._claim = {name: much for name, much in claim.items() if much}
        self._remote = ray.remote(
            num_cpus=claim["CPU"], num_gpus=claim["GPU"], memory=int(claim["memory"])
        )(Remote)
        self._asked: dict[Any, _Hand] = {}
        self._room, self._looked = 0, float("-inf")
        self.hands: list[_Hand] = []

    def room(self) -> int:
        """Return for how many workers there is room on all nodes, at least one."""
        if (now := time.monotonic()) - self._looked > _LOOK_S:
            there = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            room = sum(
                int(min(one.get(name, 0) // much for name, much in self._claim.items()))
                for one in there
            )
            if not room and not self._room:
                claim = ", ".join(f"{much:g} {name}" for name, much in self._claim.items())
                raise Sparc3Error(
                    f"No node of the Ray cluster has {claim}; claim less, or tell by --jobs how "
                    "many workers there will be room for."
                )
            self._room, self._looked = max(room, 1), now
        return self._room

    def hire(self, count: int) -> None:
        """Have so many workers; those for whom there is no room yet begin later."""
        while len(self.hands) < count:
            hand = _Hand(self._remote.remote(self._home))
            self.hands.append(hand)
            self._asked[hand.actor.begin.remote()] = hand

    def give(self, hand: _Hand, order: Order | None) -> None:
        """Give a worker its next order; without one it ends, which makes room."""
        if order is None:
            self.dismiss(hand)
        else:
            hand.order, hand.model = order, order.model
            self._tell({"began": order.path, "worker": id(hand)})
            text = order.narrowed().model_dump_json()
            self._asked[hand.actor.carry_out.remote(text)] = hand

    def dismiss(self, *hands: _Hand) -> None:
        """End workers."""
        for hand in hands:
            self.hands.remove(hand)
            self._ray.kill(hand.actor)

    def answers(self) -> Iterator[tuple[_Hand, Delivery | None, str]]:
        """Wait a while; yield who has answered, with what came of the order, or how it is lost."""
        done, _ = self._ray.wait(list(self._asked), timeout=_LOOK_S)
        for one in done:
            hand = self._asked.pop(one)
            try:
                answer = self._ray.get(one)
            except self._ray.exceptions.RayError as error:
                if isinstance(cause := getattr(error, "cause", None), Sparc3Error):
                    raise cause from None
                self.dismiss(hand)
                yield hand, None, _short(error)
            else:
                yield hand, opened(answer, self._tell, id(hand)) if answer else None, ""


def _short(error: Exception) -> str:
    """Return the end of what Ray tells, which begins with where and when."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[-1:])[:_LETTERS]}".rstrip(".: ")


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Connect to a cluster, or start one, for as long as this lasts."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise Sparc3Error(
            "Executor 'ray' needs the package ray; run: pip install 'sparc3-bench[ray]'."
        ) from None
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {}
    with ExitStack() as stack:
        if where == "local":
            # Not below TMPDIR: names of sockets may have 107 characters.
            folder = tempfile.TemporaryDirectory(
                prefix="sparc3-ray-", dir="/tmp", ignore_cleanup_errors=True
            )
            own = {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
            own["_temp_dir"] = stack.enter_context(folder)
        on_end = signal.getsignal(signal.SIGTERM)
        stack.callback(ray.shutdown)
        try:
            _knock(where)
            ray.init(where, log_to_driver=False, logging_level=logging.ERROR, **own)
        except Exception as error:  # of many kinds
            raise Sparc3Error(
                f"No Ray cluster is at '{where}' ({describe(error)}); tell by option `address` "
                "where it is, or 'local' to start one."
            ) from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_end)  # Ray sets its own
        yield ray


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at `host:port`; Ray would try that for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()


@hookimpl
def sparc3_register_executors() -> list[type[Executor]]:
    """Offer the executor."""
    return [Ray]
