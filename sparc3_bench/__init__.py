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

_HOMES = {
    "Accumulator": "sparc3_bench.attribution.accumulator",
    "Aggregation": "sparc3_bench.types.conventions",
    "Alteration": "sparc3_bench.types.samples",
    "Assessment": "sparc3_bench.types.parts",
    "Asset": "sparc3_bench.assets",
    "Bar": "sparc3_bench.types.parts",
    "Batch": "sparc3_bench.types.samples",
    "Choice": "sparc3_bench.types.parts",
    "choose": "sparc3_bench.selection.select",
    "Contrasts": "sparc3_bench.types.parts",
    "converted_gguf": "sparc3_bench.model.gguf",
    "DatasetRecord": "sparc3_bench.record.spec",
    "default_cache": "sparc3_bench.assets",
    "Direction": "sparc3_bench.types.values",
    "Estimate": "sparc3_bench.types.values",
    "Evaluation": "sparc3_bench.types.values",
    "Facts": "sparc3_bench.types.parts",
    "fetch": "sparc3_bench.assets",
    "fetch_all": "sparc3_bench.assets",
    "file_digest": "sparc3_bench.assets",
    "find_objective": "sparc3_bench.attribution.objectives",
    "Fused": "sparc3_bench.types.architecture",
    "Group": "sparc3_bench.types.conventions",
    "hookimpl": "sparc3_bench.hookspecs",
    "IncrementalScorer": "sparc3_bench.incremental",
    "interval": "sparc3_bench.statistics.interval",
    "Judge": "sparc3_bench.contracts",
    "Judging": "sparc3_bench.types.parts",
    "LoadedJudge": "sparc3_bench.contracts",
    "mean_estimate": "sparc3_bench.statistics.bootstrap",
    "mean_height": "sparc3_bench.statistics.area",
    "Means": "sparc3_bench.types.values",
    "Memory": "sparc3_bench.types.values",
    "Metric": "sparc3_bench.types.values",
    "ModelAdapter": "sparc3_bench.types.architecture",
    "ModelError": "sparc3_bench.errors",
    "ModelSource": "sparc3_bench.types.architecture",
    "ModelView": "sparc3_bench.model.view",
    "Objective": "sparc3_bench.types.samples",
    "open_model": "sparc3_bench.model.opening",
    "Part": "sparc3_bench.types.conventions",
    "PreparedTask": "sparc3_bench.contracts",
    "Progress": "sparc3_bench.types.values",
    "rankable": "sparc3_bench.selection.select",
    "Ranking": "sparc3_bench.types.scores",
    "ReferenceSamples": "sparc3_bench.types.samples",
    "Removal": "sparc3_bench.types.conventions",
    "Role": "sparc3_bench.types.architecture",
    "ScoreMap": "sparc3_bench.types.scores",
    "Scorer": "sparc3_bench.contracts",
    "Sparc3Error": "sparc3_bench.errors",
    "State": "sparc3_bench.incremental",
    "Suite": "sparc3_bench.contracts",
    "Summary": "sparc3_bench.types.parts",
    "Task": "sparc3_bench.contracts",
    "Texts": "sparc3_bench.types.values",
    "Unit": "sparc3_bench.types.conventions",
    "unit_scores": "sparc3_bench.selection.units",
    "Verdicts": "sparc3_bench.types.values",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sparc3_bench' has no attribute {name!r}")
