"""Our side of the process that has lxt in it: start it, talk to it, end it.

The two talk in lines of JSON and hand each other tensors as files in a temporary folder. The
objective stays here: the other side gives logits and gets their gradient, so any objective will do.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file, save_model
from torch import Tensor

from sparc3_bench import ScoreMap, Sparc3Error
from sparc3_scorers import lxt_worker

if TYPE_CHECKING:
    from sparc3_bench import ModelView, ReferenceSamples

_running: LxtProcess | None = None


def score_with_lxt(model: ModelView, reference: ReferenceSamples, aggregation: str) -> ScoreMap:
    """Return the scores of every weight of `model`, propagated in the process with lxt.

    Raises
    ------
    Sparc3Error
        When lxt does not know the architecture, or its process fails.
    """
    process = _process()
    with (
        process.conversation(),
        tempfile.TemporaryDirectory(prefix="sparc3-lxt-") as name,
        torch.enable_grad(),
    ):
        process.ask(patch=type(model.model).__module__, model_type=model.config.model_type)
        folder = Path(name)
        _save(model, folder)
        process.ask(
            folder=name,
            weights=list(model.weights()),
            aggregation=aggregation,
            samples=reference.samples,
            batch_size=reference.batch_size,
            dtype=str(next(model.model.parameters()).dtype).removeprefix("torch."),
            device=str(model.device),
            attention=model.config._attn_implementation,
            threads=torch.get_num_threads(),
        )
        for batch in reference.batches(model.device):
            model.tokens += batch.input_ids.numel()
            logits = _loaded(folder / "logits", model)["logits"].requires_grad_()
            [gradient] = torch.autograd.grad(reference.objective(logits, batch), logits)
            save_file({"gradient": gradient.cpu().contiguous()}, folder / "gradient")
            process.ask()
        scores, biases = (_loaded(folder / part, model) for part in ("weights", "biases"))
        return ScoreMap({name: scores[name] for name in model.weights()}, biases)


class LxtProcess:
    """A process with lxt in it. It ends with this object, with this process, or on a failure."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", lxt_worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # What is importable here, such as the adapter's module, is so there.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            # Control-C is for this process, which then ends the other one.
            start_new_session=True,
        )
        self._computes = False
        self.end = weakref.finalize(self, _end, self._process, self._errors)

    def ask(self, **request: Any) -> None:
        """Send a request and wait for the answer.

        Raises
        ------
        Sparc3Error
            With the other side's sentence when it refuses, or when it is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._computes = True
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            raise Sparc3Error(self._last_words())
        self._computes = False
        if refusal := json.loads(answer).get("refusal"):
            raise Sparc3Error(refusal)

    @contextmanager
    def conversation(self) -> Iterator[None]:
        """Make the process forget what it was asked when interrupted, or end it if it computes."""
        try:
            yield
        except BaseException:
            if self._computes:
                self.end()
            else:
                print(json.dumps({"drop": True}), file=self._process.stdin, flush=True)
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


def _end(process: subprocess.Popen[str], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        with suppress(OSError):  # what was not sent to a process that has died
            stream.close()  # type: ignore[union-attr]


def _save(model: ModelView, folder: Path) -> None:
    (folder / "adapter").write_bytes(pickle.dumps(model.adapter))
    # `save_pretrained` of the model would change its configuration.
    copy.deepcopy(model.config).save_pretrained(folder)
    save_model(model.model, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _loaded(path: Path, model: ModelView) -> dict[str, Tensor]:
    # A copy: what is read lies in the file, which is written again.
    return {n: v.to(model.device, copy=True) for n, v in load_file(path).items()}
