"""What runs in the process that has lxt in it: our own attribution under the package's patches.

Gaps between lxt 2.1 and today's packages are closed here, in this process alone:

* It imports torchvision for vision transformers, and for BERT a function that transformers 5 has
  no more. Neither is a decoder: the two files that ask for these are replaced by empty ones.
* Where torchvision was built for another torch, transformers cannot be imported beside it; so
  torchvision is hidden.
* It replaces an architecture's table of attention functions by a plain dict, where transformers 5
  expects an `AttentionInterface`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import shutil
import sys
import warnings
from collections.abc import Mapping
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load, save, save_file
from torch import Tensor

from sparc3_bench import Accumulator, Batch, ModelView, ReferenceSamples, Sparc3Error, open_model

_NO_DECODERS = ("bert", "vit_torch")

_patched: set[Any] = set()
"""Classes and modules with patches; architectures share some, e.g. `nn.Dropout`."""


DROP = "drop"
"""What the other side says when it was interrupted."""


class Dropped(Exception):
    """The other side was interrupted and wants no scores any more."""


def hear(pipe: Connection[Any, Any]) -> Any:
    """Wait for a request; EOFError when the other side is gone.

    Raises Dropped when the other side was interrupted.
    """
    request = pipe.recv()
    if request == DROP:
        raise Dropped
    return request


def main() -> None:
    """Serve one request after the other until the other side is gone."""
    sys.modules["torchvision"] = None  # type: ignore[assignment]
    pipe: Connection[Any, Any] = Connection(int(sys.argv[1]))
    request: dict[str, Any] = {}
    while True:
        _give_memory_back()
        try:
            request = hear(pipe)
            if "patch" in request:
                patch(request["patch"], request["type"])
            else:
                score(request, pipe)
            pipe.send(None)
        except Sparc3Error as error:
            pipe.send(Sparc3Error(str(error)))
        except Dropped:
            continue
        except (EOFError, ConnectionError):
            # Nobody else is left to do it.
            shutil.rmtree(request.get("folder", ""), ignore_errors=True)
            return


def patch(name: str, model_type: str) -> None:
    """Let lxt patch the module `name` of transformers, unless it has done so.

    Raises Sparc3Error when lxt does not know the architecture.
    """
    maps = _default_maps()
    if name not in maps:
        known = ", ".join(sorted(path.split(".")[-2] for path in maps))
        raise Sparc3Error(
            f"Scorer 'lrp-lxt' cannot score models of type '{model_type}': lxt 2.1 knows {known}; "
            "use 'lrp'."
        )
    from lxt.efficient import monkey_patch
    from transformers import AttentionInterface

    module: Any = importlib.import_module(name)
    fresh = {target: how for target, how in maps[name].items() if target not in _patched}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that a patch fails is told by a warning
        monkey_patch(module, fresh)
    _patched.update(fresh)
    if isinstance(module.ALL_ATTENTION_FUNCTIONS, dict):
        functions = AttentionInterface()
        functions.update(module.ALL_ATTENTION_FUNCTIONS)
        module.ALL_ATTENTION_FUNCTIONS = functions


def score(request: Mapping[str, Any], pipe: Connection[Any, Any]) -> None:
    """Score the model in the request's folder, and write the scores there."""
    torch.set_num_threads(request["threads"])

    def objective(logits: Tensor, batch: Batch) -> Tensor:
        """Have the gradient of the other side's objective, by a scalar that has the same one."""
        pipe.send(save({"logits": logits.detach().cpu().contiguous()}))
        return (logits * load(hear(pipe))["gradient"].to(logits.device)).sum()

    def fold(name: str, inputs: Tensor, gradients: Tensor) -> None:
        if name in weights:
            accumulator.fold(name, inputs, gradients)

    model, _ = open_model(
        request["folder"],
        "the copy for lxt",
        dtype=request["dtype"],
        attn_implementation=request["attention"],
    )
    view = ModelView(model.to(request["device"]), request["adapter"])
    weights = {name: view.weights()[name] for name in request["weights"]}
    accumulator = Accumulator(weights, request["aggregation"])
    how = {name: request[name] for name in ("batch_size", "product_dtype")}
    samples = ReferenceSamples(request["samples"], objective, **how)
    view.attribute(samples, fold)
    scores = accumulator.scores()
    for part, values in (("weights", scores.weights), ("biases", scores.biases)):
        save_file({k: v.cpu().contiguous() for k, v in values.items()}, request["folder"] / part)


def _give_memory_back() -> None:
    """Return to the system what glibc keeps of freed memory: this process idles most of a run."""
    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


@functools.cache
def _default_maps() -> dict[str, Mapping[Any, Any]]:
    """Return what lxt would patch, by the name of an architecture's module in transformers."""
    for name in _NO_DECODERS:
        empty = ModuleType(f"lxt.efficient.models.{name}")
        vars(empty).update(modeling_bert=empty, vision_transformer=empty, attnLRP={}, cp_LRP={})
        sys.modules[empty.__name__] = empty
    from lxt.efficient.models import DEFAULT_MAP

    return {
        module.__name__: targets
        for module, targets in DEFAULT_MAP.items()
        if module.__name__.startswith("transformers.")
    }


if __name__ == "__main__":
    main()
