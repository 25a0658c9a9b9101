"""Run checks on a plugin and report what came of each: ok, failed with a sentence, or skipped."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

import torch

from sparc3_bench.errors import describe

Status = Literal["ok", "failed", "skipped", "expected"]
"""`expected` is a failure that was announced, with a reason."""

Made = TypeVar("Made")

Check = Callable[[Any], None]
"""Called with a plugin's class or object; returns when all is well, or raises one of the below."""


class CheckFailure(AssertionError):
    """A promise that the plugin breaks.

    Parameters
    ----------
    wrong
        What is wrong, with names and numbers.
    why
        Why it matters.
    remedy
        What to do.
    """

    def __init__(self, wrong: str, why: str, remedy: str) -> None:
        super().__init__(f"{wrong}; {why}; {remedy}.")
        self.wrong, self.why, self.remedy = wrong, why, remedy


class Breach(Exception):
    """What is wrong with a plugin, told to the check that demands otherwise.

    With a remedy of its own where that of the check is another one, and `placed` if it says where.
    """

    def __init__(self, wrong: str, remedy: str = "", *, placed: bool = False) -> None:
        super().__init__(wrong)
        self.wrong, self.remedy, self.placed = wrong, remedy, placed


def demand(
    why: str, remedy: str, of: Callable[[Any], Iterable[object]] | None = None
) -> Callable[[Callable[[Any], None]], Check]:
    """Make a check of a function that raises a `Breach`; say why it matters, and what to do.

    The function is called with the plugin, or with each thing that `of` makes of the plugin; then
    that thing, as text, is where something is wrong.
    """

    def made(find: Callable[[Any], None]) -> Check:
        @functools.wraps(find)
        def check(plugin: Any) -> None:
            for one in (plugin,) if of is None else of(plugin):
                try:
                    find(one)
                except Breach as breach:
                    where = "" if of is None or breach.placed else f", {one}"
                    told = f"{breach.wrong}{where}", why, breach.remedy or remedy
                    raise CheckFailure(*told) from breach.__cause__

        words = find.__doc__ or ""
        check.__doc__ = words if "\n" in words else f"{words}\n\n{why[0].upper()}{why[1:]}."
        return check

    return made


class CheckSkipped(Exception):
    """There is nothing to check, or another check tells already why it cannot be."""


@dataclass(frozen=True)
class Outcome:
    """What came of one check.

    Attributes
    ----------
    check
        Its name.
    status
        `ok`, `failed` or `skipped`.
    message
        What is wrong, or why it was skipped; empty when all is well.
    seconds
        How long it took.
    """

    check: str
    status: Status
    message: str
    seconds: float


@dataclass(frozen=True)
class Report:
    """What came of all checks of one plugin.

    Attributes
    ----------
    kind
        `scorer`, `task`, `adapter`, `allocation` or `repair`.
    name
        The plugin's name.
    distribution, version
        Where it comes from; None for a class that is not installed.
    options
        The options it was checked with.
    outcomes
        One for every check, in order.
    """

    kind: str
    name: str
    distribution: str | None
    version: str | None
    options: dict[str, Any]
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(outcome.check for outcome in self.outcomes if outcome.status == "failed")

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        about = asdict(self)
        checks = list(about.pop("outcomes"))
        return {**about, "checks": checks, "ok": self.ok}

    def __str__(self) -> str:
        return "\n".join(line(outcome) for outcome in self.outcomes)


def line(outcome: Outcome) -> str:
    """Return an outcome as one line."""
    mark = "FAILED" if outcome.status == "failed" else outcome.status
    return f"{mark:<8} {outcome.check}" + (f": {outcome.message}" if outcome.message else "")


def run_check(check: Check, plugin: Any) -> Outcome:
    """Run one check; an error that the check does not foresee is a failure too.

    The random state of torch is the caller's again afterwards.
    """
    started = time.perf_counter()
    status: Status = "failed"
    with torch.random.fork_rng(devices=()), one_thread():
        try:
            check(plugin)
            status, message = "ok", ""
        except CheckFailure as failure:
            message = str(failure)
        except CheckSkipped as skipped:
            status, message = "skipped", str(skipped)
        except Exception as error:
            message = f"The check itself met {describe(error)}."
    return Outcome(check.__name__, status, message, round(time.perf_counter() - started, 3))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: on tiny models several wait for one another most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_checks(
    checks: Iterable[Check],
    plugin: Any,
    told: Callable[[Outcome], None],
    expected: Mapping[str, str],
) -> tuple[Outcome, ...]:
    """Run checks in order, calling `told` with each outcome as it comes.

    By name of the check, `expected` says why some are known to fail.
    """
    _kept.clear()
    outcomes = []
    for check in checks:
        outcome = run_check(check, plugin)
        if check.__name__ in expected:
            outcome = _as_expected(outcome, expected[check.__name__])
        outcomes.append(outcome)
        told(outcome)
    return tuple(outcomes)


def _as_expected(outcome: Outcome, reason: str) -> Outcome:
    if outcome.status == "failed":
        return replace(outcome, status="expected", message=f"{reason}. {outcome.message}")
    what = "passes" if outcome.status == "ok" else f"is skipped ({outcome.message})"
    failure = CheckFailure(
        f"The check {what}, though it was expected to fail ({reason})",
        "an expectation that is not met would hide the next failure",
        "take it off the expected failures",
    )
    return replace(outcome, status="failed", message=str(failure))


_kept: list[tuple[Any, dict[str, Any]]] = []
"""The plugin that is checked, and what has been made for it."""


def once(plugin: Any, name: str, make: Callable[[], Made]) -> Made:
    """Return what `make` returned for this plugin; it is made on first use.

    The checks of one plugin come one after the other, so what one of them made serves the next;
    that of another plugin is forgotten.
    """
    if not _kept or _kept[0][0] is not plugin:
        _kept[:] = [(plugin, {})]
    made = _kept[0][1]
    if name not in made:
        made[name] = make()
    found: Made = made[name]
    return found
