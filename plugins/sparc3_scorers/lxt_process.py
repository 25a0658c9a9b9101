"""Our side of the process that has lxt in it: start it, talk to it, end it.

The two talk through a pipe; the model and its scores are files in a temporary folder. The objective
stays here: the other side gives logits and gets their gradient, so any objective will do.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load, load_file, save, save_model

from sparc3_bench import ScoreMap, Sparc3Error
from sparc3_scorers import lxt_worker

if TYPE_CHECKING:
    from sparc3_bench import ModelView, ReferenceSamples

_running: LxtProcess | None = None


def score_with_lxt(model: ModelView, reference: ReferenceSamples, aggregation: str) -> ScoreMap:
    """Return the scores of every weight of `model`, propagated in the process with lxt.

    Raises Sparc3Error when lxt does not know the architecture, or its process fails.
    """
    process = _process()
    with (
        process.conversation(),
        tempfile.TemporaryDirectory(prefix="sparc3-lxt-") as name,
        torch.enable_grad(),
    ):
        process.ask({"patch": type(model.model).__module__, "type": model.config.model_type})
        answer = process.ask(request(model, reference, aggregation, Path(name)))
        for batch in reference.batches(model.device):
            model.tokens += batch.input_ids.numel()
            model.backward_tokens += batch.input_ids.numel()
            logits = load(answer)["logits"].to(model.device).requires_grad_()
            [gradient] = torch.autograd.grad(reference.objective(logits, batch), logits)
            answer = process.ask(save({"gradient": gradient.cpu().contiguous()}))
        scores, biases = (
            {n: v.to(model.device, copy=True) for n, v in load_file(Path(name, part)).items()}
            for part in ("weights", "biases")
        )
        return ScoreMap({name: scores[name] for name in model.weights()}, biases)


def request(
    model: ModelView, reference: ReferenceSamples, aggregation: str, folder: Path
) -> dict[str, Any]:
    """Save a model in a folder, and return what there is to do with it."""
    # `save_pretrained` of the model would change its configuration.
    copy.deepcopy(model.config).save_pretrained(folder)
    save_model(model.model, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return {
        "folder": folder,
        "adapter": model.adapter,
        "weights": list(model.weights()),
        "aggregation": aggregation,
        "samples": reference.samples,
        "batch_size": reference.batch_size,
        "product_dtype": reference.product_dtype,
        "dtype": next(model.model.parameters()).dtype,
        "device": str(model.device),
        "attention": model.config._attn_implementation,
        "threads": torch.get_num_threads(),
    }


class LxtProcess:
    """A process with lxt in it. It ends with this object, with this process, or on a failure."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._pipe, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", lxt_worker.__name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                # What is importable here, such as the adapter's module, is so there.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                # Control-C is for this process, which then ends the other one.
                start_new_session=True,
            )
        self._computes = False
        self.end = weakref.finalize(self, _end, self._process, self._pipe, self._errors)

    def ask(self, request: Any) -> Any:
        """Send a request and return the answer.

        Raises Sparc3Error with the other side's sentence when it refuses, or when it is gone.
        """
        self._computes = True
        try:
            self._pipe.send(request)
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise Sparc3Error(self._last_words()) from None
        self._computes = False
        if isinstance(answer, Sparc3Error):
            raise answer
        return answer

    @contextmanager
    def conversation(self) -> Iterator[None]:
        """Make the process forget what it was asked when interrupted, or end it if it computes."""
        try:
            yield
        except BaseException:
            if self._computes:
                self.end()
            else:
                self._pipe.send(lxt_worker.DROP)
            raise

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        self.end()
        return (
            f"The process that runs lxt for scorer 'lrp-lxt' ended with code {code} ({last}); it "
            "needs lxt (pip install 'sparc3-bench[lxt]') and memory for a second copy of the model."
        )


def _process() -> LxtProcess:
    """Return the process that runs, or a new one; starting takes seconds."""
    global _running
    if _running is None or not _running.end.alive:
        _running = LxtProcess()
    return _running


def _end(process: subprocess.Popen[bytes], *held: Any) -> None:
    process.kill()
    process.wait()
    for one in held:
        one.close()
