"""Provenance: everything that determined a run and where it ran, as names and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import dataset_text, judge_text
from sparc3_bench.record.spec import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from sparc3_bench.record.result import Result
    from sparc3_bench.record.spec import PluginRef


def provenance(result: Result) -> list[tuple[str, str]]:
    """Return the names and texts, in the order in which a reader asks for them."""
    spec, machine = result.spec, result.environment
    model = spec.model
    rows = [
        ("Status", f"{result.status}, {result.origin}, {result.created}"),
        ("Key", result.key),
        ("Content", f"SHA-256 {result.content_hash}" if result.content_hash else ""),
        ("Scorer", _plugin(spec.scorer)),
        ("Scorer options", _options(spec.scorer.options)),
        ("Task", f"{_plugin(spec.task)}, task version {spec.task.task_version}"),
        ("Task options", _options(spec.task.options)),
        ("Objective", spec.objective or ""),
        ("Judge", judge_text(spec.judge) if spec.judge else ""),
        ("Ranking", result.candidate),
        ("Model", f"{model.id} {model.label}".strip() + f", {model.model_type}, {model.dtype}"),
        ("Model weights", f"SHA-256 {model.weight_digest}"),
        ("Tokenizer", f"SHA-256 {model.tokenizer_digest}"),
    ]
    rows += [
        (
            f"{data.purpose.capitalize()} data",
            f"{dataset_text(data)}, {data.tokens:,} tokens, from {data.source}; {data.choice}; "
            f"text {data.digest[:16]}, tokens {data.token_digest[:16]}"
            + (f", before each {''.join(data.begin)}" if data.begin else ""),
        )
        for data in spec.datasets
    ]
    rows += [
        ("Seed", str(spec.seed)),
        ("Random controls", str(spec.controls)),
        ("Other reference seeds", str(spec.stability_seeds)),
        ("Asked for", _options(result.asked)),
        ("Samples", f"{result.sample_file.numbers:,} numbers, SHA-256 {result.sample_file.digest}")
        if result.sample_file
        else ("Samples", "none kept"),
        (
            "Texts",
            f"{result.responses.texts:,}, not published, SHA-256 {result.responses.digest}"
            if result.responses
            else "",
        ),
        ("Suite", _suite(result)),
        ("All code", _code(spec.code)),
        ("Machine", f"{machine.processor}, {machine.memory_bytes / 2**30:.0f} GiB"),
        ("Device", f"{model.device}, {machine.threads} threads"),
        ("Platform", machine.platform),
        ("Packages", _packages(machine.python, machine.packages)),
    ]
    return [(name, text) for name, text in rows if text]


def _plugin(ref: PluginRef) -> str:
    return f"{ref.name}, {ref.distribution} {ref.version}, source {ref.source_digest}"


def _options(options: Mapping[str, JsonValue]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else canonical_json(value)}"
        for name, value in sorted(options.items())
    )


def _suite(result: Result) -> str:
    machine = result.environment
    commit = f", commit {machine.commit}" if machine.commit else ""
    dirty = " with uncommitted changes" if machine.dirty else ""
    return f"source {machine.source_digest}{commit}{dirty}"


def _code(digests: Mapping[str, str]) -> str:
    if not digests:
        return "not in the key: an older state of the suite made this run"
    return ", ".join(f"{who} {digest}" for who, digest in sorted(digests.items()))


def _packages(python: str, packages: Mapping[str, str]) -> str:
    return ", ".join(["Python " + python, *(f"{n} {v}" for n, v in sorted(packages.items()))])
