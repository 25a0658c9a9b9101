"""Scorers as they are given in a call: a name, a class, an object, or a plain function."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sparc3_bench.api.code import code_at_hand
from sparc3_bench.configurable import option_fields
from sparc3_bench.contracts import Scorer
from sparc3_bench.errors import PluginError, Sparc3Error
from sparc3_bench.host import PluginHost, Registered, default_host
from sparc3_bench.run.options import as_typed, build

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.model.view import ModelView
    from sparc3_bench.types.samples import ReferenceSamples

ScoringFunction: TypeAlias = "Callable[[ModelView, ReferenceSamples], Mapping[str, Tensor]]"
"""Returns for every name of ``model.weights()`` a tensor ``[out_features, in_features]``."""

AnyScorer: TypeAlias = "str | Scorer | type[Scorer] | ScoringFunction"
"""A name of `sparc3 list scorers`, a class or an object of one, or a function."""


@dataclass(frozen=True)
class AtHand(Registered):
    """A scorer that was given in a call, known by what it is made of; see `code_at_hand`."""

    digest: str

    @property
    def code(self) -> str:
        """The digest of all code that the scorer rests on."""
        return self.digest

    @property
    def source_digest(self) -> str:
        """The same."""
        return self.digest


@dataclass(frozen=True)
class GivenScorers:
    """What scorers given in a call come to."""

    host: PluginHost
    """All plugins, with those that were given."""
    names: tuple[str, ...]
    """What each is called, in order."""
    options: Mapping[str, str]
    """As typed, ``SCORER.NAME``, of those given as objects."""


def given_scorers(scorers: AnyScorer | Sequence[AnyScorer]) -> GivenScorers:
    """Return a host that knows the scorers given in a call, and what they are called in it."""
    host, options, names = default_host(), dict[str, str](), list[str]()
    several: list[Any] = [scorers] if _is_one(scorers) else [*scorers]  # type: ignore[misc]
    if not several:
        raise Sparc3Error("No scorer is given; name one of `sparc3 list scorers`.")
    called = [one if isinstance(one, str) else scorer_class(one).name for one in several]
    if doubled := [name for name in called if called.count(name) > 1]:
        raise Sparc3Error(
            f"Two scorers are called '{doubled[0]}'; give each once, or rename one of them."
        )
    for one in several:
        if isinstance(one, str):
            names.append(host.get("scorer", one).cls.name)
            continue
        cls, entry = scorer_class(one), None
        with_that_name = host.all("scorer").get(cls.name)
        if with_that_name is None or with_that_name.cls is not cls:
            made = code_at_hand(one if not isinstance(one, Scorer) else cls)
            entry = functools.partial(AtHand, digest=made)
            host = host.joined("scorer", cls, entry)
        names.append(cls.name)
        if isinstance(one, Scorer):
            options |= _typed(one)
    return GivenScorers(host, tuple(names), options)


def _is_one(scorers: Any) -> bool:
    return isinstance(scorers, str | Scorer | type) or not hasattr(scorers, "__iter__")


def scorer_class(given: Scorer | type[Scorer] | ScoringFunction) -> type[Scorer]:
    """Return the class of a scorer; of a function the one that it becomes in a call.

    `sparc3_bench.testing.check_scorer` takes it, and tries what a scorer promises.
    """
    if isinstance(given, type) and issubclass(given, Scorer):
        return given
    if isinstance(given, Scorer):
        return type(given)
    if isinstance(given, type) or not callable(given):
        what = given.__name__ if isinstance(given, type) else repr(given)
        raise PluginError(
            f"{what} is no scorer; give a name, a class derived from `sparc3_bench.Scorer`, an "
            "object of one, or a function of a model and its reference samples."
        )
    return _wrapped(given)


def _wrapped(function: Callable[..., Any]) -> type[Scorer]:
    """Return a class whose scores a function makes."""
    plain = function.func if isinstance(function, functools.partial) else function
    name = str(getattr(plain, "__name__", type(plain).__name__))
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        raise PluginError(
            f"The function `{name}` does not take a model and its reference samples; write it as "
            f"`def {name}(model, reference): …`."
        ) from None

    class Function(Scorer):
        def score(self, model: ModelView, reference: ReferenceSamples) -> Mapping[str, Tensor]:
            found: Mapping[str, Tensor] = function(model, reference)
            return found

    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "function"
    Function.name, Function.title = words, words.replace("-", " ").capitalize()
    Function.__doc__ = inspect.getdoc(plain) or "A function that was given in a call."
    Function.__module__ = str(getattr(plain, "__module__", None) or "__main__")
    Function.__qualname__ = Function.__name__ = name
    return Function


def _typed(scorer: Scorer) -> dict[str, str]:
    """Return the options of an object as they would be typed."""
    fields = [field.name for field in option_fields(type(scorer))]
    values = {name: getattr(scorer, name) for name in fields}
    told = as_typed(values)
    try:
        again = build("scorer", type(scorer), told)
        same = all(getattr(again, name) == value for name, value in values.items())
    except (Sparc3Error, TypeError):
        same = False
    hidden = vars(scorer).keys() - {*fields}
    if not same or hidden:
        what = f"holds `{min(hidden)}`" if same else "cannot be made again from its options"
        raise Sparc3Error(
            f"Scorer '{scorer.name}' {what}, so that no record could say what it is; make it a "
            "frozen dataclass whose fields are plain values."
        )
    return {f"{scorer.name}.{name}": text for name, text in told.items()}
