"""sparc3-bench: how good is a way to score the weights of a language model, at what cost.

The names below are all that a plugin needs; they load on first use, so that importing the package
imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparc3_bench.assets import Asset as Asset
    from sparc3_bench.assets import default_cache as default_cache
    from sparc3_bench.assets import fetch as fetch
    from sparc3_bench.assets import fetch_all as fetch_all
    from sparc3_bench.assets import file_digest as file_digest
    from sparc3_bench.attribution.accumulator import Accumulator as Accumulator
    from sparc3_bench.attribution.objectives import find_objective as find_objective
    from sparc3_bench.contracts import Judge as Judge
    from sparc3_bench.contracts import LoadedJudge as LoadedJudge
    from sparc3_bench.contracts import PreparedTask as PreparedTask
    from sparc3_bench.contracts import Scorer as Scorer
    from sparc3_bench.contracts import Suite as Suite
    from sparc3_bench.contracts import Task as Task
    from sparc3_bench.errors import ModelError as ModelError
    from sparc3_bench.errors import Sparc3Error as Sparc3Error
    from sparc3_bench.hookspecs import hookimpl as hookimpl
    from sparc3_bench.incremental import IncrementalScorer as IncrementalScorer
    from sparc3_bench.incremental import State as State
    from sparc3_bench.model.gguf import converted_gguf as converted_gguf
    from sparc3_bench.model.opening import open_model as open_model
    from sparc3_bench.model.view import ModelView as ModelView
    from sparc3_bench.record.spec import DatasetRecord as DatasetRecord
    from sparc3_bench.selection.select import choose as choose
    from sparc3_bench.selection.select import rankable as rankable
    from sparc3_bench.selection.units import unit_scores as unit_scores
    from sparc3_bench.statistics.area import mean_height as mean_height
    from sparc3_bench.statistics.bootstrap import mean_estimate as mean_estimate
    from sparc3_bench.statistics.interval import interval as interval
    from sparc3_bench.types.architecture import Fused as Fused
    from sparc3_bench.types.architecture import ModelAdapter as ModelAdapter
    from sparc3_bench.types.architecture import ModelSource as ModelSource
    from sparc3_bench.types.architecture import Role as Role
    from sparc3_bench.types.conventions import Aggregation as Aggregation
    from sparc3_bench.types.conventions import Group as Group
    from sparc3_bench.types.conventions import Part as Part
    from sparc3_bench.types.conventions import Removal as Removal
    from sparc3_bench.types.conventions import Unit as Unit
    from sparc3_bench.types.parts import Assessment as Assessment
    from sparc3_bench.types.parts import Bar as Bar
    from sparc3_bench.types.parts import Choice as Choice
    from sparc3_bench.types.parts import Contrasts as Contrasts
    from sparc3_bench.types.parts import Facts as Facts
    from sparc3_bench.types.parts import Judging as Judging
    from sparc3_bench.types.parts import Summary as Summary
    from sparc3_bench.types.samples import Alteration as Alteration
    from sparc3_bench.types.samples import Batch as Batch
    from sparc3_bench.types.samples import Objective as Objective
    from sparc3_bench.types.samples import ReferenceSamples as ReferenceSamples
    from sparc3_bench.types.scores import Ranking as Ranking
    from sparc3_bench.types.scores import ScoreMap as ScoreMap
    from sparc3_bench.types.values import Direction as Direction
    from sparc3_bench.types.values import Estimate as Estimate
    from sparc3_bench.types.values import Evaluation as Evaluation
    from sparc3_bench.types.values import Means as Means
    from sparc3_bench.types.values import Memory as Memory
    from sparc3_bench.types.values import Metric as Metric
    from sparc3_bench.types.values import Progress as Progress
    from sparc3_bench.types.values import Texts as Texts
    from sparc3_bench.types.values import Verdicts as Verdicts

_NAMES = {
    "assets": "Asset default_cache fetch fetch_all file_digest",
    "attribution.accumulator": "Accumulator",
    "attribution.objectives": "find_objective",
    "contracts": "Judge LoadedJudge PreparedTask Scorer Suite Task",
    "errors": "ModelError Sparc3Error",
    "hookspecs": "hookimpl",
    "incremental": "IncrementalScorer State",
    "model.gguf": "converted_gguf",
    "model.opening": "open_model",
    "model.view": "ModelView",
    "record.spec": "DatasetRecord",
    "selection.select": "choose rankable",
    "selection.units": "unit_scores",
    "statistics.area": "mean_height",
    "statistics.bootstrap": "mean_estimate",
    "statistics.interval": "interval",
    "types.architecture": "Fused ModelAdapter ModelSource Role",
    "types.conventions": "Aggregation Group Part Removal Unit",
    "types.parts": "Assessment Bar Choice Contrasts Facts Judging Summary",
    "types.samples": "Alteration Batch Objective ReferenceSamples",
    "types.scores": "Ranking ScoreMap",
    "types.values": "Direction Estimate Evaluation Means Memory Metric Progress Texts Verdicts",
}
"""By the module that defines them."""

_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'sparc3_bench' has no attribute {name!r}")
