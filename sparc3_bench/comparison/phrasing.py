"""Words: numbers and conventions as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sparc3_bench.printable import how_many
from sparc3_bench.types.conventions import CONVENTIONS, phrases_of
from sparc3_bench.types.groups import pattern_of, tiles_of

if TYPE_CHECKING:
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.spec import DatasetRecord, JudgeRef, RunSpec
    from sparc3_bench.statistics.paired import Difference
    from sparc3_bench.types.values import Scale

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def convention_text(spec: RunSpec) -> str:
    """Return what is removed, how it is ranked, when it is scored and where, in words."""
    ranked, removed = list[str](), list[str]()
    for name in CONVENTIONS:
        if clause := clause_text(spec, name):
            (removed if phrases_of(name).of_removal else ranked).append(clause)
    if max(spec.amounts) == 0:
        ranked[:2] = [f"{units(spec)} {ranked[1]}"]
        removed = ["nothing is removed"]
    if spec.judge:
        removed.append(f"judged by {spec.judge.title}")
    if spec.limit is not None:
        removed.append(short_text(spec))
    return ". ".join(
        text[:1].upper() + text[1:] for text in (", ".join(ranked), "; ".join(removed))
    )


def factor_text(name: str) -> str:
    """Return the name of a factor as it stands in a sentence."""
    return name.replace("+", " and ").replace("_", " ")


def clause_text(spec: RunSpec, convention: str) -> str:
    """Return what one convention is, as part of a sentence; empty where it goes without saying."""
    value = getattr(spec, convention)
    return _filled(phrases_of(convention).said(value), value, spec)


def brief(spec: RunSpec) -> tuple[str, ...]:
    """Return the conventions in a few words each; the first two name what is ranked."""
    return (
        *(
            _filled(phrases_of(name).briefly(value), value, spec)
            for name, value in spec.conventions().items()
        ),
        f"judged by {spec.judge.name}" if spec.judge else "without a judge",
        spec.model.dtype,
        spec.model.label or "original weights",
        short_text(spec),
    )


def section_title(spec: RunSpec) -> str:
    """Return what runs that may be compared share: task, model and conventions."""
    words = (*brief(spec)[: len(CONVENTIONS)], short_text(spec))
    return " · ".join(filter(None, (spec.task.title, spec.model.id, *words)))


def short_text(spec: RunSpec) -> str:
    """Return that a run was shortened, and to how many samples; empty for a whole one."""
    return "" if spec.limit is None else f"short: at most {spec.limit} samples"


def _filled(text: str, value: str, spec: RunSpec) -> str:
    what, alone = units(spec), spec.unit == "weight"
    left, _, right = value.partition(":" if ":" in value else "x")
    return text.format(
        value=value,
        left=left or "all",
        right=right or "all",
        units=what,
        Units=what.capitalize(),
        inputs="inputs of a row" if alone else what,
        matrix="matrix" if alone else "block",
        layer="layer" if alone else "block",
    )


def scorer_text(spec: RunSpec) -> str:
    """Return the scorer's title with what always stands beside it: "LRP, token-rms"."""
    return ", ".join((spec.scorer.title, *in_the_name(spec).values()))


def in_the_name(spec: RunSpec) -> dict[str, str]:
    """Return by choice what no name of a row may leave out, as it decides what the scores are.

    That is how contributions are aggregated, and an objective that the scorer is not defined for.
    """
    found = {}
    if (aggregation := spec.scorer.options.get("aggregation")) is not None:
        found["aggregation"] = str(aggregation)
    if (own := _own_objective(spec)) not in (None, spec.objective):
        found["objective"] = f"{spec.objective} in place of {own}"
    return found


def _own_objective(spec: RunSpec) -> str | None:
    """Return the objective that a scorer is defined for; None for any, or if it is not here."""
    from sparc3_bench.host import default_host

    entry = default_host().all("scorer").get(spec.scorer.name)
    if entry is None or spec.objective is None:
        return None
    if entry.origin.distribution != spec.scorer.distribution:  # another scorer of the same name
        return None
    own: str | None = entry.cls.default_objective
    return own


def units(spec: RunSpec, count: float = 2) -> str:
    """Return what is removed as a whole: weights, neurons, heads or blocks."""
    return spec.unit if count == 1 else f"{spec.unit}s"


def drawn_in(spec: RunSpec) -> str:
    """Return where a random circuit has as many units as the one that it is drawn for."""
    alone = spec.unit == "weight"
    if (pattern := pattern_of(spec.group)) is not None:
        return f"{pattern.of} {'inputs of a row' if alone else units(spec)}"
    if tiles_of(spec.group) is not None:
        return "tile"
    if not alone:
        return "model" if spec.unit == "block" else "layer"
    return "row" if spec.group == "row" else "matrix"


def is_reference(data: DatasetRecord) -> bool:
    """Return whether a text steers the scores; any other is measured on."""
    return data.purpose.startswith("reference")


def samples(data: DatasetRecord) -> str:
    """Return how many samples of which length, in few words."""
    if data.item == "window":
        return f"{data.windows:,} × {data.window_length:,} tokens"
    return f"{how_many(data.windows, data.item)}"


def dataset_text(data: DatasetRecord) -> str:
    """Return how many samples of which length."""
    count = f"{how_many(data.windows, data.item)}"
    behind = ", behind what the tokenizer begins with" if data.begin else ""
    if data.item == "window":
        return f"{count} × {data.window_length:,} tokens{behind}"
    return f"{count} of at most {data.window_length:,} tokens{behind}"


def metric_title(metric: MetricRecord) -> str:
    """Return the title of a metric with what it is counted in; a pure number has no unit."""
    return metric.title if metric.unit in {"", "1"} else f"{metric.title}, {metric.unit}"


def power(exponent: int) -> str:
    """Return ten to a power: ``10⁵``."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def number(value: float, digits: int = 4) -> str:
    """Return `value` with so many significant digits and thousands separators."""
    if not math.isfinite(value):
        return "−∞" if value < 0 else "∞"
    if value == 0:
        return "0"
    text = f"{value:.{digits - 1}e}"
    exponent = int(text.partition("e")[2])
    if not -4 <= exponent < 7:
        mantissa = f"{value:.2e}".partition("e")[0]
        exponent = int(f"{value:.2e}".partition("e")[2])
        return f"{mantissa} × {power(exponent)}".replace("-", "−", 1)
    return f"{float(text):,.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def plain(value: float) -> str:
    """Return a round number with no more digits than it needs."""
    return number(value, 3) if abs(value) >= 1e7 else f"{value:,.6g}".replace("-", "−")


def within(title: str) -> str:
    """Return a title as it stands inside a sentence; what starts like an acronym is left alone."""
    return title[:1].lower() + title[1:] if title[1:2].islower() or title[1:2] == " " else title


def value_text(
    value: float, interval: tuple[float, float] | None, unit: str = "", digits: int = 3
) -> str:
    """Return a number with the decimals that its interval gives it, and what it is counted in."""
    return with_unit(precise(value, interval) if interval else number(value, digits), unit)


def with_unit(text: str, unit: str) -> str:
    """Return a number with what it is counted in; a pure number has no unit."""
    return text if unit in {"", "1"} else f"{text} {unit}"


def probability(value: float) -> str:
    """Return a p-value with up to two digits; replicates cannot tell how small a small one is."""
    if value < 1e-3:
        return "< 0.001"
    return f"{float(f'{value:.2g}'):f}".rstrip("0").rstrip(".")


def p_value(value: float) -> str:
    """Return a p-value as it stands in a sentence."""
    text = probability(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def difference_text(one: Difference) -> str:
    """Return a difference with its sign, or a ratio as a factor; `none` where two are equal."""
    if one.sign == 0:
        return "none"
    return f"×{number(one.value)}" if one.scale == "log" else with_sign(one.value)


def between(one: Difference) -> str:
    """Return the interval of a difference, or of a ratio, where it has a width."""
    if one.low == one.high:
        return "–"
    if one.scale == "log":
        return f"{number(one.low)} to {number(one.high)}"
    return f"{with_sign(one.low)} to {with_sign(one.high)}"


def difference_cells(one: Difference, p_value: float) -> tuple[str, str, str]:
    """Return a difference, its interval and its p-value, as the columns of a table have them."""
    return difference_text(one), between(one), probability(p_value)


def least(value: float, scale: Scale, digits: int = 4) -> str:
    """Return by how much numbers must differ: a difference, or a factor."""
    return f"×{number(value)}" if scale == "log" else number(value, digits)


def with_sign(value: float) -> str:
    """Return a difference with its sign."""
    return f"{'+' if value > 0 else ''}{number(value)}"


def judge_text(judge: JudgeRef) -> str:
    """Return who judged texts, so that two judges can be told apart."""
    options = "".join(f", {name} {value}" for name, value in sorted(judge.options.items()))
    return (
        f"{judge.title} ({judge.name}, {judge.distribution} {judge.version}, weights "
        f"{judge.weights_digest[:12]}{options})"
    )


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them: ``A, B and C``."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def count(value: float) -> str:
    """Return a count; a mean of counts with one decimal."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def precise(value: float, interval: tuple[float, float]) -> str:
    """Return `value` with the decimals at which half its interval has two digits."""
    half = (interval[1] - interval[0]) / 2
    if not 1e-6 < half < 1e5 or abs(value) >= 1e7:
        return number(value)
    places = max(0, 1 - math.floor(math.log10(half)))
    return f"{round(value, places) + 0.0:,.{places}f}".replace("-", "−")


def interval_text(value: float, ends: tuple[float, float] | None) -> str:
    """Return a number with its interval in brackets, where it has one that is no single number."""
    if ends is None or ends[0] == ends[1]:
        return number(value)
    low, high = (precise(end, ends) for end in ends)
    return f"{precise(value, ends)} [{low}, {high}]"


def coefficient_text(value: float) -> str:
    """Return a coefficient with two decimals; what is not 1 is not rounded to it."""
    text = f"{value:.2f}"
    if abs(value) < 1 and text.lstrip("-") == "1.00":
        text = text.replace("1.00", "0.99")
    return text.replace("-0.00", "0.00").replace("-", "−")


def ordinal(place: int) -> str:
    """Return `1st`, `2nd`, `11th`."""
    ending = "th" if place % 100 in (11, 12, 13) else _ENDINGS.get(place % 10, "th")
    return f"{place}{ending}"


def percent(fraction: float, places: int | None = None) -> str:
    """Return a sparsity as a percentage, with so many decimals or as many as it needs."""
    value = f"{100 * fraction:.6g}" if places is None else f"{100 * fraction:.{places}f}"
    return f"{value}\N{NO-BREAK SPACE}%"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
