"""Typed: what was typed of `sparc3 run` or `sparc3 plan`, and the requests that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import Sparc3Error, UnknownNameError

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.run.request import Request
    from sparc3_bench.types.conventions import AmountKind

_PLAIN = (
    *("task", "model", "controls", "stability_seeds", "objective", "judge", "dtype"),
    *("batch_size", "device", "memory", "snapshots", "limit"),
)
"""Options that a request has under the same names."""
_EVERY = frozenset({"model", "dtype", "batch_size", "limit"})
"""Options that hold for every run of a suite."""
_OF_SUITE = frozenset({"with_scorer", "only"})
"""Options that go with a suite alone."""
_WITH_SUITE = (
    _EVERY
    | _OF_SUITE
    | {"device", "memory", "scorer_option", "task_option", "judge", "judge_option"}
)


@dataclass(frozen=True)
class Typed:
    """What was typed."""

    given: Mapping[str, Any]  # by option, what it says
    typed: frozenset[str]  # the options that the user wrote

    @property
    def only(self) -> frozenset[str]:
        """The scorers of a suite that are to be run; none where all are."""
        return frozenset(one for text in self.given["only"] for one in text.split(","))

    @property
    def named(self) -> tuple[str, ...]:
        """The scorers that the user named beside a suite: those added, then others of `only`."""
        added = [text.partition("@")[0] for text in self.given["with_scorer"]]
        chosen = [name for name in added if not self.only or name in self.only]
        return tuple(dict.fromkeys((*chosen, *sorted(self.only))))

    def requests(self, host: PluginHost, suite: str | None) -> list[Request]:
        """Return the requests of a suite with the user's changes, or the one that options make.

        Raises Sparc3Error when options do not go together, or say nothing.
        """
        # Here, so that a command line can be taken without torch.
        from sparc3_bench.run.options import parse_pairs
        from sparc3_bench.run.request import Request, bytes_of
        from sparc3_bench.run.resolve import checked_amounts
        from sparc3_bench.run.seeds import with_seeds
        from sparc3_bench.run.suite import Changes, load_suite

        given = self.given
        pairs = {
            f"{name}s": parse_pairs(given[name])
            for name in ("scorer_option", "task_option", "judge_option")
        }
        if suite is not None:
            for name in sorted(self.typed - _WITH_SUITE):
                raise Sparc3Error(
                    f"`--{name.replace('_', '-')}` does not go with a suite, which says it "
                    "itself; leave one of them out, or copy the suite's file and change it."
                )
            changes = Changes(
                every={name: given[name] for name in _EVERY & self.typed},
                usual={"dtype": given["dtype"]},
                task_options=pairs["task_options"],
                scorer_options=pairs["scorer_options"],
                added=with_seeds(given["with_scorer"], 0),
                request={"device": given["device"], "memory": bytes_of(given["memory"])},
                judge=given["judge"],
                judge_options=pairs["judge_options"],
            )
            return self._chosen(load_suite(suite, host, changes))
        for option in sorted(_OF_SUITE & self.typed):
            raise Sparc3Error(
                f"`--{option.partition('_')[0]}` goes with a suite; name one, or name scorers "
                "with `--scorer`."
            )
        if not given["scorer"]:
            raise Sparc3Error("Nothing to run; name a scorer with `--scorer`, or a suite.")
        amounts = _numbers(given["amounts"])
        kind: AmountKind | None = "count" if given["count"] else None
        if amounts is not None:
            kind = kind or "fraction"
            checked_amounts(amounts, kind)
        return [
            Request(
                scorers=with_seeds(given["scorer"], given["seed"]),
                amounts=amounts,
                amount_kind=kind,
                **{name: given[name] for name in _PLAIN},
                **pairs,
                **given["conventions"],
            )
        ]

    def _chosen(self, requests: list[Request]) -> list[Request]:
        """Return those that one of the chosen scorers is in."""
        if not self.only:
            return requests
        scorers = [{name for part in one.parts() for name, _ in part.scorers} for one in requests]
        for name in sorted(self.only):
            if not any(name in some for some in scorers):
                raise UnknownNameError("scorer of the suite", name, set().union(*scorers))
        return [one for one, some in zip(requests, scorers, strict=True) if some & self.only]


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Sparc3Error(
            f"`--amounts` must be numbers with commas between, got '{text}'."
        ) from None
