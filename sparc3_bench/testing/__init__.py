"""The conformance kit: what the author of a plugin checks it with.

See "Check your plugin" in ``docs/plugins.md``; `sparc3 check NAME` runs it from the command line.
"""

from sparc3_bench.testing.kit import (
    CHECKS,
    check_adapter,
    check_scorer,
    check_task,
    parametrize_with_checks,
)
from sparc3_bench.testing.report import CheckFailure, CheckSkipped, Outcome, Report
from sparc3_bench.testing.tiny import make_model, make_reference, make_tokenizer, make_view

__all__ = [
    "CHECKS",
    "CheckFailure",
    "CheckSkipped",
    "Outcome",
    "Report",
    "check_adapter",
    "check_scorer",
    "check_task",
    "make_model",
    "make_reference",
    "make_tokenizer",
    "make_view",
    "parametrize_with_checks",
]
