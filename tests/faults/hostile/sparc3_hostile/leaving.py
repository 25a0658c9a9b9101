"""Scorers that leave the model or the process otherwise than they found them."""

from __future__ import annotations

import builtins
import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from sparc3_hostile.table import AFTER, KINDS, Kind, kind

# --- it leaves the model otherwise -------------------------------------------------------------


def last(model):
    return list(model.model.parameters())[-1]


@kind("guard", "other bits in `model.layers.0")
def edits_weights(torch, model, scores):
    next(iter(model.weights().values())).matrix.detach().mul_(1.01)


@kind("guard", "other bits in `model.layers.0")
def edits_weights_unseen(torch, model, scores):
    next(iter(model.weights().values())).parameter.data[0, 0] += 1


@kind("guard", r"\(the object\)")
def replaces_weights(torch, model, scores):
    module = next(iter(model.weights().values())).module
    module.weight = torch.nn.Parameter(module.weight.detach().clone())


@kind("guard", "other bits in")
def flips_one_bit(torch, model, scores):
    last(model).data.view(torch.int16).flatten()[-1] ^= 1


@kind("guard", "other bits in")
def swaps_two_weights(torch, model, scores):
    flat = last(model).data.view(-1)
    flat[[0, -1]] = flat[[-1, 0]] + torch.tensor([0, 1e-3]).to(flat)


@kind("guard", "inv_freq")
def edits_buffers(torch, model, scores):
    next(model.model.buffers()).mul_(2)


@kind("guard", "a gradient on")
def leaves_gradients(torch, model, scores):
    last(model).grad = torch.ones_like(last(model))


@kind("guard", "requires_grad")
def turns_gradients_off(torch, model, scores):
    model.model.requires_grad_(not last(model).requires_grad)


@kind("guard", "training")
def trains(torch, model, scores):
    model.model.train()


@kind("guard", "a hook on `model.layers.0")
def leaves_a_hook(torch, model, scores):
    model.blocks[0].register_forward_hook(lambda *_: None)


@kind("guard", "the parameter")
def leaves_a_hook_on_a_parameter(torch, model, scores):
    one = last(model)
    one.requires_grad_(True).register_hook(lambda gradient: gradient * 2)


@kind("guard", "all modules")
def leaves_a_hook_on_all(torch, model, scores):
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    AFTER.append(handle.remove)


@kind("guard", "forward")
def replaces_a_forward(torch, model, scores):
    block = type(model.blocks[0])
    plain = block.forward
    block.forward = lambda self, *args, **options: plain(self, *args, **options)


@kind("guard", "ALL_ATTENTION_FUNCTIONS.sdpa")
def replaces_attention(torch, model, scores):
    functions = import_module("transformers.modeling_utils").ALL_ATTENTION_FUNCTIONS
    plain = functions["sdpa"]
    functions["sdpa"] = lambda *args, **options: plain(*args, **options)


# --- it leaves the process otherwise -----------------------------------------------------------


def replaces(home: Callable[[Any], Any], name: str):
    """Replace a function by one that does the same."""

    def act(torch, model, scores):
        owner = home(torch)
        plain = getattr(owner, name)
        setattr(owner, name, lambda *args, **options: plain(*args, **options))

    return Kind(act, "guard", rf"\.{name}`")


KINDS |= {
    "hostile-replaces-linear": replaces(lambda torch: torch.nn.functional, "linear"),
    "hostile-replaces-matmul": replaces(lambda torch: torch, "matmul"),
    "hostile-replaces-plus": replaces(lambda torch: torch.Tensor, "__add__"),
    "hostile-replaces-json": replaces(lambda torch: json, "dumps"),
    "hostile-replaces-open": replaces(lambda torch: builtins, "open"),
    "hostile-replaces-sha256": replaces(lambda torch: hashlib, "sha256"),
    "hostile-replaces-replace": replaces(lambda torch: os, "replace"),
}


@kind("guard", "default dtype")
def sets_the_default_dtype(torch, model, scores):
    torch.set_default_dtype(torch.float64)


@kind("guard", "default device")
def sets_the_default_device(torch, model, scores):
    torch.set_default_device("meta")


@kind("guard", "gradients are recorded")
def records_no_gradients(torch, model, scores):
    torch.set_grad_enabled(not torch.is_grad_enabled())


@kind("guard", "inference mode")
def stays_in_inference_mode(torch, model, scores):
    mode = torch.inference_mode()
    mode.__enter__()
    AFTER.append(lambda: mode.__exit__(None, None, None))


@kind("guard", "autocast")
def computes_in_halves(torch, model, scores):
    torch.set_autocast_enabled("cpu", True)


@kind("guard", "number of threads")
def takes_other_threads(torch, model, scores):
    torch.set_num_threads(torch.get_num_threads() + 1)


@kind("guard", "deterministic")
def sets_deterministic(torch, model, scores):
    torch.use_deterministic_algorithms(not torch.are_deterministic_algorithms_enabled())


@kind("guard", r"os.environ\['PATH'\]")
def changes_the_environment(torch, model, scores):
    os.environ["PATH"] = "/nowhere"


@kind("guard", "working folder")
def goes_elsewhere(torch, model, scores):
    os.chdir("/")


@kind("guard", "sys.path")
def empties_the_path(torch, model, scores):
    sys.path.clear()


@kind("guard", r"sys.modules\['json'\]")
def forgets_modules(torch, model, scores):
    del sys.modules["json"]


@kind("guard", "handlers of signals")
def replaces_handlers(torch, model, scores):
    signal.signal(signal.SIGINT, lambda *_: None)


@kind("guard", "an alarm")
def sets_an_alarm(torch, model, scores):
    signal.setitimer(signal.ITIMER_REAL, 1000)


@kind("guard", "garbage")
def collects_no_garbage(torch, model, scores):
    gc.disable()


@kind("guard", "standard streams")
def closes_what_is_printed_to(torch, model, scores):
    sys.stdout.close()


@kind("guard", "files can be opened")
def opens_all_files(torch, model, scores):
    held: list[int] = []
    AFTER.append(lambda: [os.close(one) for one in held])
    while True:
        try:
            held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return


@kind("guard", "the thread")
def leaves_a_thread(torch, model, scores):
    ended = threading.Event()
    AFTER.append(ended.set)
    flat = last(model).data.view(-1)

    def go_on():
        while not ended.wait(0.01):
            flat.mul_(1.01)

    threading.Thread(target=go_on, daemon=True).start()


@kind("guard", r"the process \d+")
def leaves_a_process(torch, model, scores):
    AFTER.append(subprocess.Popen(["sleep", "60"]).wait)


@kind("guard", r"the process \d+")
def forks(torch, model, scores):
    for _ in range(20):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
