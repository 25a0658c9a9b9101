"""lm-eval's own evaluator [gao2024lmeval], given tasks and the model that is in memory."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import logging
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from sparc3_bench import Sparc3Error
from sparc3_tasks.texts.begin import Beginning, plain
from sparc3_tasks.zero_shot.benchmarks import BENCHMARKS
from sparc3_tasks.zero_shot.likelihoods import Asked, Found, log_likelihoods

if TYPE_CHECKING:
    from sparc3_bench import ModelView, Progress

CONFIGS = Path(__file__).parent / "configs"
"""Task configurations of ours, for files in place of a hub."""


def load(names: Sequence[str], source: str, cache: Path) -> dict[str, Any]:
    """Return lm-eval's tasks by benchmark: our own over ``local`` files, or those it has."""
    local, about = source == "local", {"cache": str(cache)}
    with quiet():
        own = {"include_path": str(CONFIGS), "include_defaults": False, "metadata": about}
        manager = TaskManager(**own) if local else _hub()
        return {name: _loaded(manager, name, local=local) for name in names}


@lru_cache(maxsize=1)  # fourteen thousand files take seconds
def _hub() -> Any:
    return TaskManager()


def _loaded(manager: Any, name: str, *, local: bool) -> Any:
    spec = f"sparc3_{name}" if local else name
    if spec not in manager.all_subtasks:
        _refuse(manager, name, local=local)
    try:
        task = manager.load([spec])["tasks"][spec]
        count = len(task.eval_docs)
    except Sparc3Error:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds
        told = (str(error).splitlines() or [""])[0].rstrip(".")
        raise Sparc3Error(
            f"The data of benchmark '{name}' cannot be loaded from the hub "
            f"({type(error).__name__}: {told}); connect to it, or choose `source=local`, which has "
            f"{', '.join(BENCHMARKS)}."
        ) from None
    metrics = sorted(task.aggregation())
    if "acc" not in metrics:
        raise Sparc3Error(
            f"Benchmark '{name}' has no metric 'acc', only {', '.join(metrics)}; leave it out."
        )
    if not count:
        raise Sparc3Error(f"Benchmark '{name}' has no documents to score; leave it out.")
    task.set_config("num_fewshot", 0)
    task.set_fewshot_seed(0)
    return task


def _refuse(manager: Any, name: str, *, local: bool) -> None:
    if local:
        raise Sparc3Error(
            f"Unknown benchmark '{name}'. From files there are {', '.join(BENCHMARKS)}; with "
            "`source=hub` every task of lm-eval that has an accuracy."
        )
    if name in manager.all_tasks:
        raise Sparc3Error(f"'{name}' is a group of lm-eval's tasks; name the tasks themselves.")
    raise Sparc3Error(
        f"Unknown benchmark '{name}': lm-eval has no task of that name; `lm_eval ls tasks` lists "
        "them."
    )


def score(
    view: ModelView,
    tokenizer: Any,
    begin: Beginning,
    tasks: Mapping[str, Any],
    progress: Progress,
) -> dict[str, list[dict[str, Any]]]:
    """Return by benchmark what lm-eval logs of every item, in order; progress is in tokens."""
    with quiet() as aloud:
        found = evaluate(
            InMemory(view, tokenizer, begin, aloud(progress)),
            {"tasks": dict(tasks)},
            bootstrap_iters=0,
        )
        return {name: found["samples"][name] for name in tasks}


class InMemory(HFLM):  # type: ignore[misc]  # mypy does not follow lm-eval
    """lm-eval's model over one that is in memory, pruned or not, neither copied nor reloaded.

    Where a context ends is lm-eval's to say; what stands before it, and log-likelihoods, are our
    own. lm-eval would put before it whatever the tokenizer does, and after it, too. What the view's
    `memory` knows is not measured again.
    """

    def __init__(
        self, view: ModelView, tokenizer: Any, begin: Beginning, progress: Progress
    ) -> None:
        # lm-eval may give it a padding token.
        super().__init__(
            pretrained=view.model,
            tokenizer=copy.deepcopy(tokenizer),
            add_bos_token=None if begin.ids else False,
        )
        self._view, self._begin, self._progress = view, begin, progress

    @property
    def prefix_token_id(self) -> int:
        """The token that an item without a context is asked behind, as lm-eval chooses it."""
        found = super().prefix_token_id
        if found is None:
            raise Sparc3Error(
                "This model's tokenizer has neither a BOS nor an EOS token, and one of them has to "
                "stand before items without a context; choose other `benchmarks`."
            )
        return int(found)

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **options: Any
    ) -> list[int]:
        """Return a text in tokens, behind the beginning unless it is a continuation."""
        if add_special_tokens is False:
            return plain(self.tokenizer, string)
        return list(self._begin.encode(self.tokenizer, string))

    def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> Any:
        """Return log-likelihoods of requests, without a progress bar of lm-eval's."""
        return super().loglikelihood(requests, disable_tqdm=True)

    def _loglikelihood_tokens(
        self, requests: Any, disable_tqdm: bool = True, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        asked = [Asked(tuple(context), tuple(rest)) for _, context, rest in requests]
        names, memory = [_name(one) for one in asked], self._view.memory
        known = memory.recall(names) if memory is not None else {}
        found = {name: Found(*value) for name, value in known.items()}
        named = dict(zip(names, asked, strict=True))
        left = {name: one for name, one in named.items() if name not in found}
        # Counted in tokens, as a question may be a line or a page; a shared context once.
        sharing = Counter(one.context for one in named.values())
        tokens = {
            name: len(one.continuation) + len(one.context) / sharing[one.context]
            for name, one in named.items()
        }
        done, total, places = sum(tokens[name] for name in found), sum(tokens.values()), list(left)
        for batch in log_likelihoods(self._view, list(left.values()), self.max_length):
            here = {places[place]: value for place, value in batch.items()}
            if not all(math.isfinite(one.log_likelihood) for one in here.values()):
                raise Sparc3Error(
                    "A log-likelihood is not finite, so nothing can be chosen by it; prune the "
                    "model less."
                )
            if memory is not None:
                memory.keep({name: list(value) for name, value in here.items()})
            found.update(here)
            done += sum(tokens[name] for name in here)
            self._progress(round(done), round(total))
        return [(found[name].log_likelihood, found[name].is_greedy) for name in names]


def _name(asked: Asked) -> str:
    return hashlib.sha256(repr(tuple(asked)).encode()).hexdigest()[:24]


@contextmanager
def quiet() -> Iterator[Callable[[Progress], Progress]]:
    """Keep lm-eval from talking, and put back the random numbers that it draws.

    What it yields lets a progress be told all the same.
    """
    logger, stderr, sink = logging.getLogger("lm_eval"), sys.stderr, io.StringIO()
    level, numbers = logger.level, random.getstate()

    def aloud(progress: Progress) -> Progress:
        def told(done: int, total: int) -> None:
            with contextlib.redirect_stderr(stderr):
                progress(done, total)

        return told

    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(sink):
            yield aloud
    finally:
        logger.setLevel(level)
        random.setstate(numbers)
