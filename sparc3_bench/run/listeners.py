"""Listeners: plugins are told of every result that was written, in a process of their own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sparc3_bench import hookspecs
from sparc3_bench.errors import RecordError, describe
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_result
from sparc3_bench.run.service import die_with

SECONDS = 30.0
"""How long listeners may take for what they have not heard yet when all is written."""
_MOST_BYTES = 1 << 16
"""Of what they answer."""


@contextmanager
def listening(say: Callable[[str], None]) -> Iterator[Callable[[Path], None]]:
    """Give what is to be told of every result file that was written; see `sparc3_result_written`.

    Whatever listeners do, it neither fails nor waits; when all is written they have `SECONDS` left.
    What went wrong is said once, at the end, a sentence for each plugin.
    """
    listeners = _Listeners()
    try:
        yield listeners.tell
    finally:
        for sentence in listeners.end():
            say(sentence)


class _Listeners:
    """The process in which listeners are; started for the first result, if there may be any."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answer = -1
        points = importlib.metadata.entry_points(group=hookspecs.GROUP)
        # None of our own plugins listens; to find out about others, they must be imported.
        self._may_be_any = any(not p.dist or p.dist.name != "sparc3-bench" for p in points)

    def tell(self, path: Path) -> None:
        if self._may_be_any and self._process is None:
            self._start()
        if self._process is None or self._process.stdin is None:
            return
        line = json.dumps(str(path.absolute())).encode() + b"\n"
        # One that is gone does not read, and one that hangs not any more.
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._process.stdin.fileno(), line)

    def end(self) -> Iterator[str]:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            yield (
                f"Plugins that listen to results did not finish within {SECONDS:g} s and were "
                "ended; all results are written."
            )
        else:
            if code == 0:
                yield from json.loads(os.read(self._answer, _MOST_BYTES))
            else:
                yield (
                    f"Plugins that listen to results ended their process with code {code}; all "
                    "results are written."
                )
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(self._answer)

    def _start(self) -> None:
        self._answer, told = os.pipe()
        os.set_blocking(self._answer, False)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(told), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[told],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        os.close(told)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)


def listen() -> None:
    """Tell every plugin that listens of the results whose paths come in; answer what failed."""
    told, parent = map(int, sys.argv[1:])
    die_with(parent)
    listeners = default_host().listeners
    failed, first = Counter[str](), dict[str, str]()
    for line in sys.stdin if listeners else ():
        path = Path(json.loads(line))
        for label, hook in listeners.items():
            try:
                hook(path=path, result=read_result(path))
            except RecordError:
                pass  # it was written anew or removed in the meantime
            except (Exception, SystemExit) as error:
                failed[label] += 1
                first.setdefault(label, describe(error))
    sentences = [
        f"{label} failed to take {count} result{'s' * (count > 1)}, all of which are written; the "
        f"first time: {first[label]}."
        for label, count in failed.items()
    ]
    os.write(told, json.dumps(sentences).encode())
    os._exit(0)  # threads that plugins left behind end here


if __name__ == "__main__":
    listen()
