"""What a scorer is: told from its class, or from the record alone, and never as markup."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from unit.fragments import rendered

from sparc3_bench import Scorer, hookimpl
from sparc3_bench.configurable import option_fields
from sparc3_bench.host import PluginHost, default_host
from sparc3_bench.leaderboard.bibliography import Reference
from sparc3_bench.leaderboard.docstrings import first_sentence, parse_docstring
from sparc3_bench.leaderboard.plugin_description import (
    Option,
    ScorerDescription,
    scorer_description,
)
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.spec import PluginRef

BUILT_IN = sorted(
    name
    for name, entry in default_host().all("scorer").items()
    if entry.origin.distribution == "sparc3-bench"
)


def ref(name: str, distribution: str = "sparc3-bench", **options: Any) -> PluginRef:
    return PluginRef(
        name=name,
        title=f"{name} <recorded>",
        options=options,
        distribution=distribution,
        version="9.9",
        source_digest="0" * 16,
    )


@dataclass(frozen=True)
class Hostile(Scorer):
    """Score <script>alert(1)</script> by force. See :class:`~guest.Thing` and ``x < y``.

    It follows [sun2024wanda, eq. 1] & [nobody2031]::

        os.system("never shown")

    * a first point
      that goes on
    * {{ a second point }}

    Parameters
    ----------
    strength : float
        How <b>strong</b>;
        on two lines.
    made
        Made anew.

    Raises
    ------
    ValueError
        Never told.

    Notes
    -----
    Takes e.g. Tuesdays off.
    """

    name = "hostile"
    title = "<b>Hostile</b>"
    citation = "Doe (2031). <i>Free</i> text; [1]"
    formula = "a < b & c"
    notice = "<em>Beware</em>"

    strength: float = 0.5
    made: tuple[int, ...] = field(default_factory=lambda: (1, 2))
    free: str = ""
    asked: int = field(kw_only=True)

    def score(self, model: Any, reference: Any) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Silent(Scorer):
    name = "silent"
    title = "Silent"
    size: int = 3

    def score(self, model: Any, reference: Any) -> dict[str, Any]:
        return {}


@pytest.fixture(scope="module")
def host() -> PluginHost:
    class Guest:
        @hookimpl
        def sparc3_register_scorers(self) -> list[type[Scorer]]:
            return [Hostile, Silent]

    point = SimpleNamespace(
        name="guest",
        value="guest",
        dist=SimpleNamespace(name="guest", version="1.2"),
        load=Guest,
    )
    made = PluginHost([point])
    assert made.broken == {}
    return made


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_scorer_says_what_it_is(name: str) -> None:
    told = scorer_description(ref(name), default_host())
    cls = default_host().get("scorer", name).cls
    assert told.is_installed
    assert told.summary.endswith(".")
    assert told.formula.strip()
    assert "\n" not in told.formula
    assert all(isinstance(work, Reference) for work in told.references)
    assert told.is_control or told.references
    assert (told.title, told.is_control) == (cls.title, cls.is_control)
    assert (told.default_group, told.needs_reference) == (cls.default_group, cls.needs_reference)
    assert told.default_objective == cls.default_objective
    assert [option.name for option in told.options] == [one.name for one in option_fields(cls)]
    for text in (told.summary, *told.details, *(one.description for one in told.options)):
        assert text
        assert not re.search(r"`|----|\[[a-z]+\d{4}", text), text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("magnitude", ["|W|"]),
        ("wanda", ["|W| · ‖X‖₂"]),
        ("gradient", ["∂L/∂zₜ", "aₜ", "meanₛ Σₜ"]),
        ("lrp", ["Rₜ / zₜ", "aₜ", "meanₛ Σₜ"]),
        ("activation", ["meanₜ |aₜ| / n"]),
        ("fisher", ["½ w²", "meanₛ (∂Lₛ/∂w)²"]),
        ("gblm", ["|W| · (100 · Σₛ |∂Lₛ/∂W| + ‖X‖₂)"]),
        ("integrated-gradients", ["meanₛ |w · ∫₀¹ ∂Lₛ/∂w(αw) dα|"]),
        ("ria", ["|w| / Σ |row|", "√‖X‖₂"]),
        ("wanda-regional", ["|W| · (100 · √(meanₛ (∂‖yₛ‖₂/∂W)²) + ‖X‖₂)"]),
        ("ensemble", ["mean rank"]),
        ("sparsegpt", ["w² / [(XᵀX + λ)⁻¹]ⱼⱼ"]),
        ("random", ["[0, 1)"]),
    ],
)
def test_formulas_of_the_built_in_scorers(name: str, parts: list[str]) -> None:
    formula = scorer_description(ref(name), default_host()).formula
    assert [part for part in parts if part not in formula] == []


def test_lrp_says_that_it_is_patented_once() -> None:
    told = scorer_description(ref("lrp"), default_host())
    assert "patented technology" in told.notice
    assert "personal and scientific purposes only" in told.notice
    assert "grants no right to it" in told.notice
    assert not [text for text in (told.summary, *told.details) if "patented" in text]
    assert {work.key for work in told.references if isinstance(work, Reference)} == {
        "hatefi2025",
        "achtibat2024",
        "becking2022",
    }


def test_options_have_defaults_as_typed_and_one_line_each() -> None:
    told = scorer_description(ref("gradient"), default_host())
    assert told.options[:2] == (
        Option(
            "aggregation",
            "token-rms",
            "How contributions of tokens and samples are combined; see Aggregation.",
        ),
        Option("times_weight", "true", "Whether the gradient is multiplied by the weight."),
    )


def test_a_strangers_class_is_read_as_text(host: PluginHost) -> None:
    told = scorer_description(ref("hostile", "guest"), host)
    assert told == ScorerDescription(
        title="<b>Hostile</b>",
        name="hostile",
        summary="Score <script>alert(1)</script> by force.",
        details=(
            "What a scorer is: told from its class, or from the record alone, and never as markup.",
            "See Thing and x < y.",
            "It follows (Sun et al. 2024, eq. 1) & [nobody2031].",
            "* a first point that goes on",
            "* {{ a second point }}",
            "Takes e.g. Tuesdays off.",
        ),
        formula="a < b & c",
        options=(
            Option("strength", "0.5", "How <b>strong</b>; on two lines."),
            Option("made", "(1, 2)", "Made anew."),
            Option("free", '""', ""),
            Option("asked", "required", ""),
        ),
        references=("Doe (2031). <i>Free</i> text; [1]", told.references[1]),
        notice="<em>Beware</em>",
        default_group="row",
        default_objective=None,
        is_control=False,
        needs_reference=True,
        distribution="guest",
        version="1.2",
        is_installed=True,
    )
    assert isinstance(told.references[1], Reference)
    assert told.references[1].key == "sun2024wanda"


def test_a_class_without_a_docstring_is_told_by_its_module(host: PluginHost) -> None:
    told = scorer_description(ref("silent", "guest"), host)
    assert told.summary.startswith("What a scorer is: told from its class")
    assert told.details == ()
    assert told.options == (Option("size", "3", ""),)
    assert told.references == ()


@pytest.mark.parametrize(
    ("name", "distribution"), [("nowhere", "somebody"), ("wanda", "somebody-else")]
)
def test_a_scorer_that_is_not_here_is_told_by_its_record(name: str, distribution: str) -> None:
    told = scorer_description(ref(name, distribution, beta=2, alpha=1), default_host())
    assert not told.is_installed
    assert told.title == f"{name} <recorded>"
    assert (told.distribution, told.version) == (distribution, "9.9")
    assert [option.name for option in told.options] == ["alpha", "beta"]
    assert (told.summary, told.formula, told.notice, told.details) == ("", "", "", ())
    assert told.references == ()
    assert told.default_group is told.is_control is told.needs_reference is None


ROW = (
    SimpleNamespace(title="Compression", model="<i>model</i>"),
    SimpleNamespace(
        href="boards/a.html",
        words="weight by row",
        metric=MetricRecord(name="perplexity", direction="lower", unit="1", title="Perplexity"),
        is_listed=True,
        scores=(),
        cells={
            "hostile": SimpleNamespace(
                rank="2–3", value="44.42", note="<u>mind</u>", verdict="not better than random"
            )
        },
    ),
)


def test_the_page_has_everything_and_nothing_as_markup(host: PluginHost) -> None:
    page = rendered(
        "scorer.html",
        about=scorer_description(ref("hostile", "guest"), host),
        lines=[ROW],
        root="../",
    )
    for text in ("script", "b", "i", "em"):
        assert f"<{text}>" not in page
    for text in (
        "Score &lt;script&gt;alert(1)&lt;/script&gt; by force.",
        "a &lt; b &amp; c",
        "&lt;em&gt;Beware&lt;/em&gt;",
        "{{ a second point }}",
        "Doe (2031). &lt;i&gt;Free&lt;/i&gt; text; [1]",
        'href="https://arxiv.org/abs/2306.11695"',
        'href="../boards/a.html"',
        "2–3",
        "44.42 Perplexity",
        "&lt;u&gt;mind&lt;/u&gt;",
        '<span class="mark">not better than random</span>',
        "guest 1.2",
    ):
        assert text in page
    assert "never shown" not in page
    assert "Never told" not in page


def test_the_page_of_a_scorer_that_is_not_here_says_so() -> None:
    page = rendered(
        "scorer.html",
        about=scorer_description(ref("nowhere", "x", alpha=1), default_host()),
        lines=[],
    )
    assert "was not installed where this page was made" in page
    assert "It has no finished run." in page
    assert "<code>alpha</code>" in page
    assert "Default" not in page
    assert "None" not in page


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("As in [a1, eq. 2. Or 3]. Next.", "As in [a1, eq. 2. Or 3]."),
        ("After Doe et al. Then more. End.", "After Doe et al. Then more."),
        ("Version 2.0 is out.", "Version 2.0 is out."),
        ("no stop", "no stop"),
        ("", ""),
    ],
)
def test_first_sentences(text: str, first: str) -> None:
    assert first_sentence(text) == (first, text[len(first) :].lstrip())


@pytest.mark.parametrize("text", [None, "", 3, "---\n---", "Parameters\n----------\n"])
def test_docstrings_that_say_nothing(text: object) -> None:
    found = parse_docstring(text)
    assert dict(found.parameters) == {}
    assert found.notes == ()


def test_parameters_may_share_a_description() -> None:
    found = parse_docstring(
        "S.\n\nParameters\n----------\na, b : int\n    Both.\nc: str\n    Third.\n"
    )
    assert found.paragraphs == ("S.",)
    assert found.parameters == {"a": "Both.", "b": "Both.", "c": "Third."}
