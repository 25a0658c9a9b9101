"""Plugins: listed with their origin when they are good, explained in one sentence when not."""

from __future__ import annotations

import importlib
import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import sparc3_bench
from sparc3_bench import Scorer, hookimpl
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.hookspecs import GROUP
from sparc3_bench.host import PluginHost

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
TABLE: dict[str, str] = PYPROJECT["project"]["entry-points"][GROUP]
SCORERS = [
    *("activation", "ensemble", "fisher", "gblm", "gradient", "integrated-gradients", "lrp"),
    *("lrp-lxt", "magnitude", "random", "ria", "sparsegpt", "wanda", "wanda-regional"),
]


class Dist(NamedTuple):
    """The part of a distribution that the host reads."""

    name: str
    version: str


GUEST = Dist("guest", "1.2")


@dataclass(frozen=True)
class FakePoint:
    """An entry point that gives `loaded`, or raises it."""

    name: str
    loaded: Any
    dist: Dist | None = GUEST
    value: str = "guest.module"

    def load(self) -> Any:
        if isinstance(self.loaded, BaseException):
            raise self.loaded
        return self.loaded


class Good(Scorer):
    """A scorer that is all right."""

    name = "good"
    title = "Good"

    def score(self, model: Any, reference: Any) -> dict[str, Any]:
        return {}


class Abstract(Scorer):
    """A scorer without `score`."""

    name = "abstract"
    title = "Abstract"


class Nameless(Good):
    """A scorer that says it has no title."""

    name = "nameless"
    title = None


class Stranger:
    """Looks like a scorer and is not derived from it."""

    name = "stranger"
    title = "Stranger"


def make_plugin(*classes: Any, hook: str = "sparc3_register_scorers") -> ModuleType:
    module = ModuleType("guest")

    def register() -> list[Any]:
        return list(classes)

    register.__name__ = hook
    setattr(module, hook, hookimpl(register))
    return module


def named(cls_name: str, scorer_name: str) -> type[Scorer]:
    return type(cls_name, (Good,), {"name": scorer_name, "__module__": __name__})


def built_ins() -> list[Any]:
    dist = Dist("sparc3-bench", "0.1.0")
    return [
        FakePoint(name, importlib.import_module(value), dist, value)
        for name, value in TABLE.items()
    ]


def only_reason(host: PluginHost) -> str:
    (reason,) = host.broken.values()
    assert "\n" not in reason
    assert reason.endswith(".")
    return reason


def test_every_built_in_entry_point_loads_and_is_listed_with_its_origin():
    host = PluginHost(built_ins())
    assert host.broken == {}
    assert list(host.all("scorer")) == SCORERS
    tasks = [n for n, module in TABLE.items() if module.startswith("sparc3_tasks.")]
    assert list(host.all("task")) == [name for name in tasks if name != "suites"]
    assert list(host.all("adapter")) == [
        *("gemma3", "generic", "gpt-neox", "gpt2", "llama", "opt", "phi3", "qwen3"),
    ]
    assert list(host.all("model")) == ["planted-ioi", "smollm2-135m"]
    assert "quick" in host.all("suite")
    for kind in ("scorer", "task", "adapter", "model"):
        for name, entry in host.all(kind).items():
            assert entry.cls.name == name
            assert entry.origin.plugin == ("planted-circuit" if name == "planted-ioi" else name)
            assert (entry.origin.distribution, entry.origin.version) == ("sparc3-bench", "0.1.0")
            assert re.fullmatch("[0-9a-f]{16}", entry.source_digest)


def test_entry_point_table_is_sorted_and_is_what_is_installed():
    assert list(TABLE) == sorted(TABLE)
    installed = {
        point.name: point.value
        for point in entry_points(group=GROUP)
        if point.dist is not None and point.dist.name == "sparc3-bench"
    }
    assert installed == TABLE


def test_guest_is_listed_beside_the_built_ins():
    host = PluginHost([*built_ins(), FakePoint("guest", make_plugin(Good))])
    entry = host.get("scorer", "good")
    assert entry.cls is Good
    assert (entry.origin.plugin, entry.origin.distribution) == ("guest", "guest")
    assert entry.origin.version == "1.2"
    assert list(host.all("scorer")) == sorted([*SCORERS, "good"])
    assert host.broken == {}


def test_entry_point_without_a_distribution_is_listed():
    host = PluginHost([FakePoint("guest", make_plugin(Good), dist=None)])
    assert host.get("scorer", "good").origin.distribution == "unknown"


def test_entry_point_that_is_found_twice_is_loaded_once():
    point = FakePoint("guest", make_plugin(Good))
    host = PluginHost([point, point])
    assert (host.broken, list(host.all("scorer"))) == ({}, ["good"])


@pytest.mark.parametrize("entry_name", ["aaa", "wanda", "zzz"])
def test_guest_with_a_name_of_a_built_in_is_refused_and_the_built_in_stays(entry_name):
    guest = FakePoint(entry_name, make_plugin(named("Mine", "wanda"), Good))
    host = PluginHost([guest, *built_ins()])
    assert host.get("scorer", "wanda").origin.distribution == "sparc3-bench"
    assert "good" not in host.all("scorer")  # all of a plugin or nothing
    reason = only_reason(host)
    assert reason.startswith(f"{entry_name} (guest 1.2)")
    assert "'wanda' is already taken by sparc3-bench 0.1.0" in reason


def test_of_two_guests_with_one_name_the_second_is_refused():
    other = Dist("other", "3")
    host = PluginHost(
        [FakePoint("b", make_plugin(Good), other, "b"), FakePoint("a", make_plugin(Good))]
    )
    assert host.get("scorer", "good").origin.distribution == "guest"
    assert re.search(r"^b \(other 3\).*'good' is already taken by guest 1\.2", only_reason(host))


def test_one_plugin_with_one_name_twice_is_refused():
    host = PluginHost([FakePoint("guest", make_plugin(Good, named("Second", "good")))])
    assert host.all("scorer") == {}
    assert "'good'" in only_reason(host)


def test_name_may_be_used_for_a_scorer_and_for_an_adapter():
    llama = importlib.import_module("sparc3_adapters.llama")
    scorer = FakePoint("guest", make_plugin(named("Mine", "llama")))
    host = PluginHost([scorer, FakePoint("llama", llama)])
    assert host.broken == {}
    assert host.get("scorer", "llama").cls is not host.get("adapter", "llama").cls


@pytest.mark.parametrize(
    "error",
    [
        ImportError("no module 'torchx'"),
        ZeroDivisionError("division by zero"),
        ImportError("it failed.\n\nHere is why, over\nmany lines"),
        SystemExit("run me as a script"),
    ],
    ids=["import", "other", "many lines", "exit"],
)
def test_failure_to_import_is_kept_in_one_sentence_and_the_rest_works(error):
    host = PluginHost([FakePoint("bad", error), *built_ins()])
    reason = only_reason(host)
    assert reason.startswith("bad (guest 1.2) cannot be imported")
    assert type(error).__name__ in reason
    assert str(error).split()[-1] in reason
    assert list(host.all("scorer")) == SCORERS


def test_interrupting_an_import_is_no_broken_plugin():
    with pytest.raises(KeyboardInterrupt):
        PluginHost([FakePoint("bad", KeyboardInterrupt())])


def test_misspelled_hook_is_named_with_the_right_ones():
    plugin = make_plugin(Good, hook="sparc3_register_scorer")
    host = PluginHost([FakePoint("bad", plugin), *built_ins()])
    reason = only_reason(host)
    assert reason.startswith("bad (guest 1.2)")
    assert "'sparc3_register_scorer'" in reason
    assert "sparc3_register_scorers" in reason
    assert list(host.all("scorer")) == SCORERS


def test_hook_with_an_argument_is_reported():
    plugin = ModuleType("guest")

    @hookimpl
    def sparc3_register_scorers(host: Any) -> list[Any]:
        return []

    plugin.sparc3_register_scorers = sparc3_register_scorers
    assert "bad (guest 1.2) has an invalid hook" in only_reason(
        PluginHost([FakePoint("bad", plugin)])
    )


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (Stranger, "not a subclass of Scorer; derive it from `sparc3_bench.Scorer`"),
        (Good(), "not a subclass of Scorer"),
        ("wanda", "not a subclass of Scorer"),
        (Abstract, "scorer `Abstract` lacks score"),
        (Nameless, "scorer `Nameless` lacks the class attribute `title`"),
    ],
    ids=["stranger", "instance", "text", "abstract", "None"],
)
def test_class_that_breaks_the_contract_is_reported(offered, expected):
    host = PluginHost([FakePoint("bad", make_plugin(offered)), *built_ins()])
    assert expected in only_reason(host)
    assert list(host.all("scorer")) == SCORERS


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("name", "Bad", "must have small letters, digits and dashes alone"),
        ("name", "bad\n", "must have small letters, digits and dashes alone"),
        ("name", "b\u200bad", "must have small letters, digits and dashes alone"),
        ("name", "../bad", "must have small letters, digits and dashes alone"),
        ("name", "b" * 65, "must have small letters, digits and dashes alone"),
        ("name", 3, "must have small letters, digits and dashes alone"),
        ("title", "", "must be a text of 1 to 200 characters"),
        ("title", "t" * 201, "must be a text of 1 to 200 characters"),
        ("title", ["t"], "must be a text of 1 to 200 characters"),
        ("title", "Wan\u202eda", "has the character \\u202e, which no reader sees"),
        ("title", "\x1b[31mWanda", "has the character \\x1b, which no reader sees"),
        ("title", "Wan\u200bda", "has the character \\u200b, which no reader sees"),
        ("title", "two\nlines", "has the character \\n, which no reader sees"),
    ],
)
def test_a_name_or_a_title_that_readers_cannot_trust_is_refused(attribute, value, told):
    bad = type("Bad", (Good,), {"name": "bad", attribute: value, "__module__": __name__})
    host = PluginHost([FakePoint("bad", make_plugin(bad)), *built_ins()])
    assert told in only_reason(host)
    assert only_reason(host).isprintable()
    assert list(host.all("scorer")) == SCORERS


def test_an_import_whose_error_cannot_be_told_is_kept_in_one_sentence_too():
    class Untold(Exception):
        def __str__(self) -> str:
            raise ValueError

    host = PluginHost([FakePoint("bad", Untold()), FakePoint("worse", ValueError("x" * 10**7))])
    told = host.broken["bad (guest 1.2)"]
    assert told.endswith("cannot be imported: Untold: its message cannot be made.")
    assert len(host.broken["worse (guest 1.2)"]) < 3_000


@pytest.mark.parametrize("attribute", ["name", "title"])
def test_missing_class_attribute_is_named(attribute):
    given = {"name": "half", "title": "Half", "score": Good.score, "__module__": __name__}
    del given[attribute]
    host = PluginHost([FakePoint("bad", make_plugin(type("Half", (Scorer,), given)))])
    assert f"`Half` lacks the class attribute `{attribute}`" in only_reason(host)


@pytest.mark.parametrize("registered", [None, 3], ids=["nothing", "number"])
def test_hook_that_returns_no_list_is_reported(registered):
    plugin = ModuleType("guest")
    plugin.sparc3_register_scorers = hookimpl(lambda: registered)
    host = PluginHost([FakePoint("bad", plugin), *built_ins()])
    assert list(host.all("scorer")) == SCORERS
    assert all("bad" in reason for reason in host.broken.values())


def test_hook_that_raises_is_reported():
    plugin = make_plugin()
    plugin.sparc3_register_scorers = hookimpl(specname="sparc3_register_scorers")(lambda: 1 / 0)
    reason = only_reason(PluginHost([FakePoint("bad", plugin)]))
    assert "failed in its hook: ZeroDivisionError: division by zero" in reason


def test_unknown_name_has_the_closest_all_names_and_the_broken_plugins():
    host = PluginHost([FakePoint("bad", ImportError("no torchx")), *built_ins()])
    with pytest.raises(UnknownNameError) as caught:
        host.get("scorer", "wnda")
    message = str(caught.value)
    assert "Unknown scorer 'wnda'. Did you mean 'wanda'?" in message
    assert f"Available: {', '.join(SCORERS)}." in message
    assert message.endswith(
        "Broken plugin: bad (guest 1.2) cannot be imported: ImportError: no torchx."
    )


def test_unknown_name_that_is_close_to_none_has_no_guess():
    with pytest.raises(UnknownNameError) as caught:
        PluginHost([]).get("task", "wnda")
    assert str(caught.value) == "Unknown task 'wnda'. Available: none."


@pytest.mark.parametrize("name", sparc3_bench.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(sparc3_bench, name) is not None
