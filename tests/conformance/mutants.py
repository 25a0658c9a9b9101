"""Plugins with one fault each, by the check that must catch it."""

from conformance.adapter_mutants import ADAPTERS as ADAPTERS
from conformance.adapter_mutants import Llama as Llama
from conformance.leaving_mutants import LEAVING
from conformance.leaving_mutants import CleansUpIfAllGoesWell as CleansUpIfAllGoesWell
from conformance.leaving_mutants import LeavesHook as LeavesHook
from conformance.leaving_mutants import PatchesClass as PatchesClass
from conformance.leaving_mutants import PatchesFunction as PatchesFunction
from conformance.leaving_mutants import PrunesAndForgets as PrunesAndForgets
from conformance.leaving_mutants import SeedsTorch as SeedsTorch
from conformance.score_mutants import SCORES
from conformance.score_mutants import AsStored as AsStored
from conformance.score_mutants import ForgetsUp as ForgetsUp
from conformance.score_mutants import OneNan as OneNan
from conformance.score_mutants import OtherNoiseEveryTime as OtherNoiseEveryTime
from conformance.score_mutants import Sound as Sound
from conformance.task_mutants import TASKS as TASKS
from conformance.task_mutants import WrongWay as WrongWay

SCORERS = {**SCORES, **LEAVING}
