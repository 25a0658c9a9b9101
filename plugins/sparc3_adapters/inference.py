"""Inference: find out where the blocks of a model are and, by trials, what is in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from sparc3_adapters.block_trials import block_roles, kind, parent
from sparc3_adapters.trial import FACTOR, Trial, close, is_matrix
from sparc3_bench import Fused, ModelError, Role


@dataclass(frozen=True)
class Findings:
    """What was found of an architecture; the terms are those of `ModelAdapter`."""

    blocks: str
    transposed: bool
    heads: int
    roles: Mapping[str, Role | Fused]
    outer: Mapping[str, Role]


def infer(config: Any) -> Findings:
    """Find out what is in models of this configuration.

    The trials are on a model with the same widths, one block, few words and random weights.

    Raises ModelError with the reason, where that is not what the suite can serve.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError("it has an encoder")
    if any(word in name for name in config.sub_configs for word in ("text", "vision", "audio")):
        raise ModelError("it is more than a model of text; its text model alone may be served")
    with torch.random.fork_rng(devices=[]), ExitStack() as behind:
        torch.manual_seed(0)
        # No user asked for the small model, of which transformers would warn.
        behind.callback(logging.set_verbosity, logging.get_verbosity())
        logging.set_verbosity_error()
        with torch.device("meta"):
            blocks = _find_blocks(_built(config), config)
        model = _small(config)
        trial = Trial(model, f"{blocks}.0")
        _check_parameters(trial)
        transposed = _is_transposed(trial)
        roles, heads = block_roles(trial)
        outer = _outer_roles(model, blocks)
    caps = [name for name, value in config.to_dict().items() if "softcap" in name and value]
    if any("attn" in name for name in caps):
        # Between queries and softmax, where no module is and nothing outside tells of it.
        [output] = (name for name, role in roles.items() if role is Role.ATTENTION_OUTPUT)
        roles[parent(output)] = Role.SOFT_CAP
    order = [name for name, _ in trial.block.named_modules() if name in roles]
    return Findings(blocks, transposed, heads, {name: roles[name] for name in order}, outer)


def _built(config: Any) -> nn.Module:
    try:
        model: nn.Module = AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", trust_remote_code=False
        )
    except Exception as error:  # a stranger's configuration; transformers raises a dozen kinds
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise ModelError(
            f"transformers makes no causal language model of it ({type(error).__name__}: {reason})"
        ) from None
    return model


def _find_blocks(model: nn.Module, config: Any) -> str:
    """Return the path of the one list of modules that has as many as the model has layers."""
    count = getattr(config, "num_hidden_layers", None)
    found = [
        (name, list(module))
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    if len(found) > 1:
        found = [(n, b) for n, b in found if not any(n.startswith(f"{m}.") for m, _ in found)]
    if len(found) != 1:
        raise ModelError(f"{len(found)} of its lists of modules are as long as it has layers")
    path: str
    [(path, blocks)] = found
    first = _shape(blocks[0])
    for index, block in enumerate(blocks):
        if _shape(block) != first:
            raise ModelError(
                f"its blocks are not alike: `{path}.{index}` has other modules than `{path}.0`"
            )
    for name, parameter in blocks[0].named_parameters():
        if parameter.dim() > 2:  # told before any memory is taken: it may be much
            raise ModelError(
                f"the parameter `{name}` of its blocks has {parameter.dim()} dimensions, like "
                "experts or a convolution"
            )
    return path


def _shape(block: nn.Module) -> object:
    modules = [(name, type(module)) for name, module in block.named_modules()]
    return modules, [(name, parameter.shape) for name, parameter in block.named_parameters()]


def _small(config: Any) -> nn.Module:
    """Make a model of the same widths with one block and few words, nothing in it zero or one."""
    small = copy.deepcopy(config)
    count = config.num_hidden_layers
    for name, value in vars(config).items():
        if isinstance(value, list | tuple) and len(value) == count > 1:
            setattr(small, name, value[:1])  # something said of every layer
        elif name.endswith("_token_id") and isinstance(value, int | list):
            setattr(small, name, 0)
    small.num_hidden_layers, small.vocab_size = 1, 64
    model = _built(small).float()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, parameter.shape[1] ** -0.5)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def _check_parameters(trial: Trial) -> None:
    """Refuse parameters that are no matrix which is run on every token, no bias and no norm's."""
    for path, parameter in trial.block.named_parameters():
        owner, _, name = path.rpartition(".")
        if parameter.dim() == 2 and not (name == "weight" and owner in trial.matrices):
            reason = "is a matrix that is not run on every token"
        elif parameter.dim() < 2 and owner not in trial.leaves:
            reason = "belongs to no matrix, norm or activation"
        else:
            continue
        raise ModelError(f"the parameter `{path}` of its blocks {reason}")


def _is_transposed(trial: Trial) -> bool:
    """Return whether matrices are stored `[in, out]`."""
    found = set()
    for name in trial.matrices:
        stored, bias = trial.leaves[name].weight, getattr(trial.leaves[name], "bias", None)
        assert isinstance(stored, Tensor)
        x, y = trial.plain.inputs[name], trial.plain.outputs[name]
        fits = [
            transposed
            for transposed, matrix in ((False, stored), (True, stored.T))
            if x.shape[-1] == matrix.shape[1] and y.shape[-1] == matrix.shape[0]
            if close(x @ matrix.T + (0 if bias is None else bias), y)
        ]
        if not fits:
            raise ModelError(f"`{name}` in its blocks does not multiply by its matrix alone")
        found.add(fits[0])
    if len(found) != 1:
        raise ModelError("some of its matrices are [in, out] and some [out, in]")
    return found.pop()


def _outer_roles(model: nn.Module, blocks: str) -> dict[str, Role]:
    """Return the roles of the modules outside the blocks; of the head when logits are capped."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    head = model.get_output_embeddings()  # type: ignore[operator]

    def leaf(name: str) -> Callable[..., None]:
        def after(module: nn.Module, args: Any, output: Any) -> None:
            if args and isinstance(output, Tensor) and torch.is_floating_point(args[0]):
                seen[name] = args[0], output

        return after

    logits = []
    with torch.no_grad(), ExitStack() as hooks:
        for name, module in model.named_modules():
            if not (name.startswith(f"{blocks}.") or list(module.children()) or is_matrix(module)):
                hooks.enter_context(module.register_forward_hook(leaf(name)))
        for factor in (1, FACTOR, FACTOR**2):
            with head.register_forward_hook(lambda head, args, output, by=factor: output * by):
                logits.append(model(input_ids=torch.arange(3, 9)[None], use_cache=False).logits)
    roles = {name: kind(model.get_submodule(name), *values) for name, values in seen.items()}
    if not close(logits[1], logits[0] * FACTOR):
        [name] = (name for name, module in model.named_modules() if module is head)
        bounded = logits[2].abs().max() < 2 * logits[1].abs().max()
        roles[name] = Role.SOFT_CAP if bounded else Role.UNKNOWN
    return {name: role for name, role in roles.items() if role is not None}
