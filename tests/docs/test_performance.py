"""Rows of benchmarks as docs/performance.md takes them in."""

from __future__ import annotations

import json

from performance_tables import take


def test_the_later_of_the_same_counts_and_rows_of_another_processor_stay(tmp_path):
    known, new = tmp_path / "known.json", tmp_path / "new.jsonl"

    def taken(*rows: tuple[str, str, float]) -> list[tuple[str, float]]:
        told = [{"step": s, "cpu": cpu, "ratio": ratio} for s, cpu, ratio in rows]
        new.write_text("".join(json.dumps(row) + "\n" for row in told))
        take(new, known)
        return [(row["step"], row["ratio"]) for row in json.loads(known.read_text())]

    assert taken(("lrp", "a", 2.0), ("fisher", "a", 1.0)) == [("fisher", 1.0), ("lrp", 2.0)]
    assert taken(("lrp", "a", 1.23456)) == [("fisher", 1.0), ("lrp", 1.235)]
    assert taken(("lrp", "b", 0.9)) == [("fisher", 1.0), ("lrp", 1.235), ("lrp", 0.9)]
