"""The errors a user of the suite can cause, each told in one sentence."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable

from sparc3_bench.printable import abridged, printable


class ExitCode(enum.IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    """What was asked is done."""
    NOT_WELL = 1
    """The command did its work and found something wrong, which it prints: a run that failed, a
    promise that a plugin breaks, a file of others that is no result, nothing worth choosing."""
    WRONG_INPUT = 2
    """Nothing was done; the message is one sentence with subject, rule and way out."""
    INTERRUPTED = 130
    """Stopped by control-C; what is finished is kept."""


class Sparc3Error(Exception):
    """A wrong input: the message names the subject, the rule and the way out.

    The command line prints the message alone and exits with code 2. Whatever names of others are in
    it, it is printable.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class UnknownNameError(Sparc3Error):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, name: str, known: Iterable[str], note: str = "") -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        guess = f" Did you mean '{close[0]}'?" if close else ""
        available = ", ".join(names) if names else "none"
        super().__init__(f"Unknown {kind} '{name}'.{guess} Available: {available}.{note}")


class PluginError(Sparc3Error):
    """A plugin that cannot be used: a clash of names, a broken promise."""


class Disturbance(PluginError):
    """A plugin that left the model or the process otherwise than it found them."""


class ModelError(Sparc3Error):
    """A model that cannot be loaded, or that no adapter serves."""


class AssetError(Sparc3Error):
    """A file that can be neither found in the cache nor fetched."""


class RecordError(Sparc3Error):
    """A result file that does not follow the schema."""


class WorkerDied(Sparc3Error):
    """A worker's process is gone before it answered; the message says how."""


def describe(error: BaseException) -> str:
    """Return the kind of error and its message on one line, printable and of bounded length."""
    try:
        text = str(error)
    except (Exception, SystemExit):  # a stranger's error may raise where it is to be told
        text = "its message cannot be made"
    told = abridged(f"{type(error).__name__}: {abridged(text)}")
    return " ".join(told.split()).rstrip(".: ")
