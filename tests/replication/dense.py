"""Formulas written out densely with plain torch, for the replications to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


def as_out_by_in(module: nn.Module, values: Tensor) -> Tensor:
    """Turn what is laid out like the stored weight to ``[out, in]``."""
    return values.T if isinstance(module, Conv1D) else values


def log_probability(logits: Tensor, ids: Sequence[int]) -> Tensor:
    """Restate the objective, for one sample without padding."""
    rows = logits[0, :-1].log_softmax(-1)
    return torch.stack([rows[position, label] for position, label in enumerate(ids[1:])]).sum()


def objective_of(model: nn.Module, ids: Sequence[int]) -> Tensor:
    return log_probability(model(input_ids=torch.tensor([ids])).logits, ids)


def weight_gradients(
    model: nn.Module,
    names: Sequence[str],
    samples: Sequence[Sequence[int]],
    objective: Callable[[nn.Module, Sequence[int]], Tensor] = objective_of,
) -> list[dict[str, Tensor]]:
    """Return ∂L/∂w ``[out, in]`` of every sample, by one ordinary backward pass each."""
    found = []
    for ids in samples:
        model.zero_grad()
        objective(model, ids).backward()
        modules = {name: model.get_submodule(name) for name in names}
        found.append({n: as_out_by_in(m, m.weight.grad).clone() for n, m in modules.items()})
    return found


def assert_equal_up_to(found: Tensor, expected: Tensor, error: float, name: str) -> None:
    """Compare relative to the largest entry; small ones are differences of large ones."""
    assert found.shape == expected.shape, name
    assert (found - expected).abs().max() <= error * expected.abs().max(), name
    assert expected.abs().max() > 0, name


def dense_matrix(module: nn.Module) -> Tensor:
    """Return the weight as ``[out, in]``, a view, whichever way the class stores it."""
    return as_out_by_in(module, module.weight.detach())


def padded(samples: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return right-padded ids and their mask; the padding id is a real token, so it would show."""
    longest = max(map(len, samples))
    ids = torch.tensor([[*sample, *[7] * (longest - len(sample))] for sample in samples])
    mask = torch.tensor([[1] * len(sample) + [0] * (longest - len(sample)) for sample in samples])
    return ids, mask


def gather_inputs(
    model: nn.Module, names: Sequence[str], samples: Sequence[Sequence[int]]
) -> dict[str, Tensor]:
    """Return the inputs ``[tokens, in]`` of the named modules, seen by plain torch hooks."""
    ids, mask = padded(samples)
    seen: dict[str, Tensor] = {}

    def keeper(name: str):
        def keep(module: nn.Module, args: tuple[Tensor]) -> None:
            seen[name] = args[0].reshape(-1, args[0].shape[-1])[mask.flatten().bool()].clone()

        return keep

    handles = [model.get_submodule(name).register_forward_pre_hook(keeper(name)) for name in names]
    with torch.no_grad():
        model(input_ids=ids, attention_mask=mask)
    for handle in handles:
        handle.remove()
    return seen
