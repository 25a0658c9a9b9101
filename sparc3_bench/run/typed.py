"""Typed: what was typed of `sparc3 run` or `sparc3 plan`, and the requests that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.run.request import Request
    from sparc3_bench.types.conventions import AmountKind

_WITH_SUITE = frozenset(
    {"model", "dtype", "batch_size", "device", "task_option", "judge", "judge_option"}
)


@dataclass(frozen=True)
class Typed:
    """What was typed.

    Attributes
    ----------
    given
        By option, what it says.
    typed
        The options that the user wrote.
    """

    given: Mapping[str, Any]
    typed: frozenset[str]

    def requests(self, host: PluginHost, suite: str | None) -> list[Request]:
        """Return the requests of a suite with the user's changes, or the one that options make.

        Raises
        ------
        Sparc3Error
            When options do not go together, or say nothing.
        """
        # Here, so that a command line can be taken without torch.
        from sparc3_bench.run.options import parse_pairs
        from sparc3_bench.run.plan import checked_amounts
        from sparc3_bench.run.request import Request
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
                every={name: given[name] for name in {"model", "dtype", "batch_size"} & self.typed},
                task_options=pairs["task_options"],
                request={"device": given["device"]},
                judge=given["judge"],
                judge_options=pairs["judge_options"],
            )
            return load_suite(suite, host, changes)
        if not given["scorer"]:
            raise Sparc3Error("Nothing to run; name a scorer with `--scorer`, or a suite.")
        amounts = _numbers(given["amounts"])
        kind: AmountKind | None = "count" if given["count"] else None
        if amounts is not None:
            kind = kind or "fraction"
            checked_amounts(amounts, kind)
        plain = ("task", "model", "controls", "stability_seeds", "objective", "judge", "dtype")
        return [
            Request(
                scorers=with_seeds(given["scorer"], given["seed"]),
                amounts=amounts,
                amount_kind=kind,
                **{name: given[name] for name in (*plain, "batch_size", "device", "snapshots")},
                **pairs,
                **given["conventions"],
            )
        ]


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Sparc3Error(
            f"`--amounts` must be numbers with commas between, got '{text}'."
        ) from None
