"""Share: the orders of one Slurm job."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench.record.files import write_atomically
from sparc3_executors.remote import Home, Remote

_GRACE_S = 1.0
"""In which a signal that ended a worker reaches its job, too."""


@dataclass(frozen=True)
class Share:
    """What a job does; run again it does what is left."""

    home: Home
    """Where it comes from."""
    folder: str
    """Where outcomes are left."""
    orders: Mapping[str, str]
    """As JSON, by the names of their outcomes."""

    def __call__(self) -> None:
        """Carry out the orders, and leave each outcome as soon as it is there."""
        ending = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ending.set())
        remote, folder = Remote(self.home), Path(self.folder, "outcomes")
        remote.begin()
        folder.mkdir(exist_ok=True)
        try:
            for name, text in self.orders.items():
                if not (file := folder / f"{name}.json").exists():
                    (folder / f"{name}.began").touch()
                    answer = remote.carry_out(text)
                    # What ends a job ends its worker, maybe first: that is no fault of the order.
                    while json.loads(answer)[0]["status"] != "ok" and ending.wait(_GRACE_S):
                        signal.pause()
                    write_atomically(file, answer)
        finally:
            remote.close()

    def checkpoint(self) -> Any:
        """Return what is to be done when the job runs again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
