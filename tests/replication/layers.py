"""One layer under the rules of LRP: what hooks of the test see of it, and messages R_{i←j}."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from replication.precise import RMS, make_precise
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.lrp_rules import propagating
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from sparc3_bench import ModelView
from sparc3_bench.host import default_host
from sparc3_bench.model.load import choose_adapter
from sparc3_bench.testing.tiny import CONFIGS, make_reference
from sparc3_bench.types.architecture import Role

every_variant = pytest.mark.parametrize("variant", ["attnlrp", "cp-lrp"])


def one_layer(architecture: str, **changes) -> ModelView:
    """Make a one-layer model in float64 whose every operation computes in float64."""
    config = copy.deepcopy(CONFIGS[architecture])
    if kinds := getattr(config, "layer_types", None):
        changes.setdefault("layer_types", kinds[:1])
    config.update({"num_hidden_layers": 1, **changes})
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.dim() == 2 else 1))
    adapter = choose_adapter(config, architecture, default_host())
    view = make_precise(ModelView(model.double(), adapter))
    assert len(view.blocks) == 1
    return view


@dataclass
class Seen:
    """What plain hooks of this test saw: values and gradients ``[tokens, features]``."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    """Identity of the input tensor, the same for modules that read the same one."""
    input_gradients: dict[str, Tensor] = field(default_factory=dict)
    """Before any rule that acts on an input; summed over all that read the tensor."""
    output_gradients: dict[str, Tensor] = field(default_factory=dict)
    """After any rule that acts on an output."""

    def relevance(self, name: str) -> Tensor:
        """Return R_j = z_j · g_j at the output of a module."""
        return self.outputs[name] * self.output_gradients[name]


@contextmanager
def seeing(view: ModelView) -> Iterator[Seen]:
    """Watch every weight; entered before the rules, so that their hooks come first on outputs."""
    seen, alive, handles = Seen(), [], []

    def watch(name: str, module: nn.Module) -> None:
        def before(module: nn.Module, args: tuple[Tensor]) -> None:
            alive.append(args[0])  # an identity means nothing once the tensor is gone
            seen.sources[name] = id(args[0])
            args[0].register_hook(lambda g: seen.input_gradients.update({name: flat(g)}))

        def after(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
            seen.inputs[name], seen.outputs[name] = flat(args[0]), flat(output)
            output.register_hook(lambda g: seen.output_gradients.update({name: flat(g)}))

        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after))

    for name, (module, role) in view.roles().items():
        if role in RMS or name in view.weights():
            watch(name, module)
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def flat(values: Tensor) -> Tensor:
    return values.detach().reshape(-1, values.shape[-1]).clone()


def watched(view: ModelView, variant: str, tokens: int = 6) -> tuple[Seen, dict[str, Tensor]]:
    """Return what was seen of one sample, and the scores of the same sample."""
    reference = make_reference(1, (tokens,))
    with seeing(view) as seen:
        scores = Lrp(variant, "signed-mean").score(view, reference)
    return seen, dict(scores)


def matrix(view: ModelView, name: str) -> Tensor:
    module = view.model.get_submodule(name)
    weight = module.weight.detach()
    return weight.T if isinstance(module, Conv1D) else weight


def messages(inputs: Tensor, weight: Tensor, outputs: Tensor, relevance: Tensor) -> Tensor:
    """Return R_{i←j} = a_i w_ij / z_j · R_j, ``[tokens, out, in]``; z has the bias in it."""
    return inputs[:, None, :] * weight / outputs[:, :, None] * relevance[:, :, None]


def through(module: nn.Module, role: Role, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Run one module alone under its rule; return its output and the gradient of its input."""
    alone = SimpleNamespace(roles=lambda: {"module": (module, role)})
    x = x.clone().requires_grad_()
    with propagating(alone, "attnlrp"):
        y = module(x)
        y.backward(g)
    return y.detach(), x.grad


def near(found: Tensor, expected: Tensor) -> None:
    """Compare relative to the largest entry."""
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()
