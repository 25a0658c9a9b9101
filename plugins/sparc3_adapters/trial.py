"""Trial: run one block of a random model, and ask what depends on what.

Nothing here goes by names. Modules are followed by hooks, and a gradient that is exactly zero tells
that one thing does not depend on another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench import ModelError

TOKENS = 6
"""Enough to have a first, a last, and some between."""

FACTOR = 1e3
"""How long the step is that shows whether something is linear."""

Edit = Callable[[Tensor], Tensor]


@dataclass
class Seen:
    """What went through the leaves of the block, and through the block itself, in one run."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    into: Tensor = field(default_factory=lambda: torch.empty(0))
    out: Tensor = field(default_factory=lambda: torch.empty(0))


class Trial:
    """A random model with one block, run on a few random tokens.

    Parameters
    ----------
    model
        A causal language model.
    block
        Path of the block.

    Attributes
    ----------
    leaves
        The modules of the block without children that hidden states go through, by path inside it.
    matrices
        Those of them that multiply by a matrix, in the order of the run.
    plain
        The first run.
    held
        One where every leaf that is no matrix multiplies by what it multiplied by in the first:
        norms and activations are linear then.
    """

    def __init__(self, model: nn.Module, block: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.block = model.get_submodule(block)
        self._ids = torch.arange(3, 3 + TOKENS)[None]
        self._ratios: dict[str, Tensor] = {}
        self.plain = self.run()
        self.leaves = {name: self.block.get_submodule(name) for name in self.plain.inputs}
        self.matrices = [name for name, module in self.leaves.items() if is_matrix(module)]
        for name, x in self.plain.inputs.items():
            y = self.plain.outputs[name]
            if name not in self.matrices and x.shape == y.shape:
                self._ratios[name] = torch.where(x == 0, 0, y / x).detach()
        self.held = self.run(hold=True)

    def run(
        self,
        *,
        hold: bool = False,
        edits: Mapping[str, Edit] | None = None,
        hidden: Tensor | None = None,
    ) -> Seen:
        """Run the model.

        With `hold` norms and activations stay as they were, see `held`; `edits` are what is done to
        the outputs of leaves; the block reads `hidden`, ``[1, tokens, features]``, in place of its
        inputs.
        """
        seen = Seen()

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            own = args[0] if args else kwargs["hidden_states"]
            seen.into = (own if hidden is None else hidden).detach().requires_grad_()
            if args:
                return (seen.into, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": seen.into}

        def behind(module: nn.Module, args: Any, output: Any) -> None:
            seen.out = output[0] if isinstance(output, tuple | list) else output

        def leaf(name: str) -> Callable[..., Tensor | None]:
            def after(module: nn.Module, args: Any, output: Any) -> Tensor | None:
                if not (args and isinstance(args[0], Tensor) and args[0].requires_grad):
                    return None
                if not isinstance(output, Tensor):
                    return None
                if hold and name in self._ratios:
                    output = args[0] * self._ratios[name]
                if edits and name in edits:
                    output = edits[name](output)
                seen.inputs[name], seen.outputs[name] = args[0], output
                copied: Tensor = output.clone()  # some add to it in place
                return copied

            return after

        with ExitStack() as hooks:
            hooks.enter_context(self.block.register_forward_pre_hook(before, with_kwargs=True))
            hooks.enter_context(self.block.register_forward_hook(behind))
            for name, module in self.block.named_modules():
                if not list(module.children()):
                    hooks.enter_context(module.register_forward_hook(leaf(name)))
            try:
                with torch.enable_grad():
                    self.model(input_ids=self._ids, use_cache=False)
            except Exception as error:  # a stranger's code may raise anything
                reason = (str(error).splitlines() or [""])[0]
                raise ModelError(
                    f"a random model of it does not run ({type(error).__name__}: {reason})"
                ) from None
        return seen


def is_matrix(module: nn.Module) -> bool:
    """Return whether a module multiplies by a matrix of its own."""
    return isinstance(weight := getattr(module, "weight", None), nn.Parameter) and weight.dim() == 2


def slopes(value: Tensor, of: Tensor) -> Tensor:
    """Return how a random sum of `value` changes with each element of `of`; zeros if it does not.

    Rows are tokens, ``[tokens, features]``.
    """
    weights = torch.randn_like(value)
    (found,) = torch.autograd.grad(
        (value * weights).sum(), of, retain_graph=True, allow_unused=True
    )
    return by_token(torch.zeros_like(of) if found is None else found)


def by_token(values: Tensor) -> Tensor:
    """Return ``[tokens, features]``."""
    return values.reshape(-1, values.shape[-1])


def depends(value: Tensor, of: Tensor) -> bool:
    """Return whether `value` changes with `of`."""
    return value.requires_grad and bool((slopes(value, of) != 0).any())


def close(found: Tensor, expected: Tensor) -> bool:
    """Return whether two tensors are alike but for rounding."""
    return bool((found - expected).abs().max() <= 1e-3 * expected.abs().max())
