"""The conformance kit: what the author of a scorer, task or adapter checks it with.

See "Check your plugin" in ``docs/plugins.md``; `sparc3 check NAME` runs it from the command line.
"""

from sparc3_bench.testing.kit import CHECKS as CHECKS
from sparc3_bench.testing.kit import check_adapter as check_adapter
from sparc3_bench.testing.kit import check_scorer as check_scorer
from sparc3_bench.testing.kit import check_task as check_task
from sparc3_bench.testing.kit import parametrize_with_checks as parametrize_with_checks
from sparc3_bench.testing.report import CheckFailure as CheckFailure
from sparc3_bench.testing.report import CheckSkipped as CheckSkipped
from sparc3_bench.testing.report import Outcome as Outcome
from sparc3_bench.testing.report import Report as Report
from sparc3_bench.testing.tiny import make_model as make_model
from sparc3_bench.testing.tiny import make_reference as make_reference
from sparc3_bench.testing.tiny import make_tokenizer as make_tokenizer
from sparc3_bench.testing.tiny import make_view as make_view

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
