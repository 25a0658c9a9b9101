"""Suites: a TOML file of runs as requests, every list of choices crossed with the others."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from sparc3_bench.contracts import (
    Ablation,
    AmountKind,
    Group,
    Removal,
    Schedule,
    Scope,
    Unit,
)
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import PluginHost
from sparc3_bench.run.plan import Request
from sparc3_bench.run.seeds import with_seeds


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _as_texts(options: Any) -> Any:
    # Options of plugins are typed texts, converted where the plugin is known.
    if not isinstance(options, Mapping):
        return options
    return {name: _text(value) for name, value in options.items()}


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value)


Options = Annotated[dict[str, str], BeforeValidator(_as_texts)]


class _Run(BaseModel):
    """One table of a suite; what may be a list is crossed."""

    model_config = ConfigDict(extra="forbid")

    task: str
    model: str
    scorers: list[str]
    amounts: list[float] | None = None
    amount_kind: AmountKind | None = None
    unit: Annotated[list[Unit], BeforeValidator(_as_list)] = ["weight"]
    group: Annotated[list[Group | None], BeforeValidator(_as_list)] = [None]
    schedule: Annotated[list[Schedule], BeforeValidator(_as_list)] = ["one-shot"]
    scope: Annotated[list[Scope], BeforeValidator(_as_list)] = ["all"]
    ablation: Annotated[list[Ablation], BeforeValidator(_as_list)] = ["zero"]
    removal: Annotated[list[Removal], BeforeValidator(_as_list)] = ["lowest"]
    objective: Annotated[list[str | None], BeforeValidator(_as_list)] = [None]
    scorer_options: Annotated[list[Options], BeforeValidator(_as_list)] = [{}]
    task_options: Options = {}
    judge: str | None = None
    judge_options: Options = {}
    controls: int = 0
    stability_seeds: int = 0
    dtype: str = "auto"

    def requests(self) -> Iterator[Request]:
        crossed = (
            *("scorer_options", "objective", "scope", "schedule"),
            *("unit", "group", "ablation", "removal"),
        )
        for choice in itertools.product(*(getattr(self, name) for name in crossed)):
            yield Request(
                scorers=with_seeds(self.scorers, 0),
                task=self.task,
                model=self.model,
                amounts=self.amounts,
                amount_kind=self.amount_kind,
                task_options=self.task_options,
                judge=self.judge,
                judge_options=self.judge_options,
                controls=self.controls,
                stability_seeds=self.stability_seeds,
                dtype=self.dtype,
                **dict(zip(crossed, choice, strict=True)),
            )


def load_suite(name: str, host: PluginHost, **forced: Any) -> list[Request]:
    """Return the requests of a suite, in order.

    Parameters
    ----------
    name
        Of a suite that a plugin offers, or the path of a TOML file.
    host
        The plugins.
    forced
        Fields of every run that the user chose otherwise, e.g. `model`.

    Raises
    ------
    Sparc3Error
        Naming the run and the field that is wrong.
    """
    path = Path(name) if name.endswith(".toml") else host.get("suite", name).cls.file
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Sparc3Error(f"The suite {name} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Sparc3Error(f"The suite {name} is not valid TOML: {error}.") from None
    runs = content.pop("run", None)
    if not isinstance(runs, list) or not runs:
        raise Sparc3Error(f"The suite {name} has no runs; give it at least one table [[run]].")
    requests: list[Request] = []
    for number, run in enumerate(runs, 1):
        try:
            table = _Run.model_validate({**content, **run, **forced})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise Sparc3Error(
                f"The suite {name}, run {number}, `{field}`: {first['msg']}."
            ) from None
        requests += table.requests()
    return requests
