"""Scorers that leave something changed, by the check that must catch it."""

from __future__ import annotations

import torch
from conformance.score_mutants import Sound
from torch import nn


class PrunesAndForgets(Sound):
    """A weight set to zero and not put back."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        next(iter(model.weights().values())).matrix[0, 0] = 0
        return scores


class LeavesGradients(Sound):
    """Gradients that stay on the parameters."""

    def score(self, model, reference):
        for parameter in model.model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        return super().score(model, reference)


class LeavesHook(Sound):
    """A hook without a handle."""

    def score(self, model, reference):
        model.blocks[0].register_forward_hook(lambda *_: None)
        return super().score(model, reference)


class TurnsTrainingOn(Sound):
    """A mode that is not set back."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        model.model.train()
        return scores


class TurnsGradientsOn(Sound):
    """A flag that is not set back."""

    def score(self, model, reference):
        model.model.requires_grad_(True)
        return super().score(model, reference)


class PatchesForward(Sound):
    """A forward of its own on one module."""

    def score(self, model, reference):
        block = model.blocks[0]
        block.forward = block.forward
        return super().score(model, reference)


class PatchesClass(Sound):
    """A forward of its own on a class."""

    def score(self, model, reference):
        kind = type(model.blocks[0])
        plain = kind.forward
        kind.forward = lambda self, *args, **options: plain(self, *args, **options)
        return super().score(model, reference)


class PatchesFunction(Sound):
    """A function replaced that every model calls."""

    def score(self, model, reference):
        plain = nn.functional.silu
        nn.functional.silu = lambda *args, **options: plain(*args, **options)
        return super().score(model, reference)


class SeedsTorch(Sound):
    """The seed of the process set."""

    def score(self, model, reference):
        torch.manual_seed(reference.seed)
        return super().score(model, reference)


class CleansUpIfAllGoesWell(Sound):
    """A hook that is removed, but for errors."""

    def score(self, model, reference):
        handle = model.blocks[0].register_forward_hook(lambda *_: None)
        scores = super().score(model, reference)
        handle.remove()
        return scores


class SwallowsInterruptions(Sound):
    """Scores of half a reference when control-C comes."""

    def score(self, model, reference):
        try:
            return super().score(model, reference)
        except BaseException:
            return {name: weight.matrix.abs() for name, weight in model.weights().items()}


LEAVING = {
    PrunesAndForgets: "check_leaves_weights_unchanged",
    LeavesGradients: "check_leaves_no_gradient",
    LeavesHook: "check_leaves_no_hook",
    TurnsTrainingOn: "check_leaves_flags_unchanged",
    TurnsGradientsOn: "check_leaves_flags_unchanged",
    PatchesForward: "check_leaves_no_patch_on_modules",
    PatchesClass: "check_leaves_no_patch_on_classes",
    PatchesFunction: "check_leaves_no_patch_on_classes",
    SeedsTorch: "check_leaves_process_unchanged",
    CleansUpIfAllGoesWell: "check_cleans_up_when_interrupted",
    SwallowsInterruptions: "check_cleans_up_when_interrupted",
}
