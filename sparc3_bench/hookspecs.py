"""The hooks by which plugins enter, built-in or not, and the one by which they hear of results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from sparc3_bench.contracts import Executor, Judge, Scorer, Suite, Task
    from sparc3_bench.pruning import Allocation, Repair
    from sparc3_bench.record.result import Result
    from sparc3_bench.types.architecture import ModelAdapter, ModelSource

GROUP = "sparc3_bench"
"""Name of the entry-point group and of the pluggy project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Mark a function of a plugin module as the implementation of one of the hooks below."""


@hookspec
def sparc3_register_scorers() -> Iterable[type[Scorer]]:  # type: ignore[empty-body]
    """Scorer classes this plugin offers.

    A complete plugin module::

        from sparc3_bench import Scorer, hookimpl


        class ActivationNorm(Scorer):
            name = "activation-norm"
            title = "Activation norm"

            def score(self, model, reference):
                square_sum = {}

                def add(name, inputs):  # [tokens, in_features]
                    square_sum[name] = square_sum.get(name, 0) + inputs.square().sum(0)

                with model.observe(add):
                    model.run(reference)
                return {
                    name: square_sum[name].sqrt().expand_as(weight.matrix)
                    for name, weight in model.weights().items()
                }


        @hookimpl
        def sparc3_register_scorers():
            return [ActivationNorm]
    """


@hookspec
def sparc3_register_tasks() -> Iterable[type[Task]]:  # type: ignore[empty-body]
    """Task classes this plugin offers.

    A task of one reference and one measurement; ``tasks/README.md`` tells what else it can do::

        from sparc3_bench import Evaluation, Metric, PreparedTask, Task, hookimpl


        class Prepared(PreparedTask):
            datasets = ()  # of a real one: a record of every text, with its digest

            def __init__(self, tokenizer):
                self.ids = tokenizer("Every line that is long enough to be asked for.")["input_ids"]

            def references(self, objective):
                from sparc3_bench import ReferenceSamples, find_objective

                return {"task": ReferenceSamples([self.ids], find_objective(objective))}

            def evaluate(self, model, dense, progress):
                import torch
                from sparc3_bench import Batch

                ids = torch.tensor([self.ids])
                logits = model.last_logits(Batch(ids, torch.ones_like(ids)))
                return Evaluation({"sureness": logits.softmax(-1).amax(-1).tolist()})


        class Sureness(Task):
            name = "sureness"
            title = "Sureness"
            version = 1
            metrics = (Metric("sureness", "higher", "1", "Probability of the likeliest token"),)
            amounts = (0.0, 0.5)
            default_objective = "argmax-logit"

            def prepare(self, tokenizer, model_id, cache, seed):
                return Prepared(tokenizer)

            def point_metrics(self, means, dense, empty):
                return {"sureness": means["sureness"]}


        @hookimpl
        def sparc3_register_tasks():
            return [Sureness]
    """


@hookspec
def sparc3_register_adapters() -> Iterable[type[ModelAdapter]]:  # type: ignore[empty-body]
    """Adapter classes this plugin offers.

    An adapter names what is there; the model's own forward runs::

        from sparc3_bench import ModelAdapter, Role, hookimpl


        class Mine(ModelAdapter):
            name = "mine"
            model_types = ("mine",)
            blocks = "model.layers"

            def roles(self, config):
                return {
                    "input_layernorm": Role.RMS_NORM,
                    "self_attn.q_proj": Role.QUERY,
                    "self_attn.k_proj": Role.KEY,
                    "self_attn.v_proj": Role.VALUE,
                    "self_attn.o_proj": Role.ATTENTION_OUTPUT,
                    "post_attention_layernorm": Role.RMS_NORM,
                    "mlp.up_proj": Role.UP,
                    "mlp.act_fn": Role.ACTIVATION,
                    "mlp.down_proj": Role.DOWN,
                }

            def outer_norms(self, config):
                return {"model.norm": Role.RMS_NORM}


        @hookimpl
        def sparc3_register_adapters():
            return [Mine]
    """


@hookspec
def sparc3_register_models() -> Iterable[type[ModelSource]]:  # type: ignore[empty-body]
    """Named models this plugin offers, for use as ``--model NAME``.

    A folder that transformers can load, here one that lies beside the module::

        from pathlib import Path

        from sparc3_bench import ModelSource, hookimpl


        class Toy(ModelSource):
            name = "toy"
            title = "Toy"
            label = "as trained"
            licence = "Apache-2.0"

            def fetch(self, cache):
                return Path(__file__).parent / "toy"


        @hookimpl
        def sparc3_register_models():
            return [Toy]
    """


@hookspec
def sparc3_register_suites() -> Iterable[type[Suite]]:  # type: ignore[empty-body]
    """Suites this plugin offers, for use as ``--suite NAME``.

    A TOML file that lies beside the module; ``tasks/README.md`` tells what is in it::

        from pathlib import Path

        from sparc3_bench import Suite, hookimpl


        class Nightly(Suite):
            name = "nightly"
            title = "Nightly"
            file = Path(__file__).parent / "nightly.toml"


        @hookimpl
        def sparc3_register_suites():
            return [Nightly]
    """


@hookspec
def sparc3_register_judges() -> Iterable[type[Judge]]:  # type: ignore[empty-body]
    """Judges of texts this plugin offers, for use as ``--judge NAME``.

    A judge that dislikes shouting::

        from sparc3_bench import Judge, LoadedJudge, hookimpl


        class Capitals(LoadedJudge):
            digest = 64 * "0"  # it has no weights

            def score(self, texts, progress=lambda done, total: None):
                return [float(text.isupper()) for text in texts]


        class Shouting(Judge):
            name = "shouting"
            title = "Shouting"

            def load(self, cache):
                return Capitals()


        @hookimpl
        def sparc3_register_judges():
            return [Shouting]
    """


@hookspec
def sparc3_register_executors() -> Iterable[type[Executor]]:  # type: ignore[empty-body]
    """Executors this plugin offers, for use as ``--on NAME``.

    One after the other, in the process that planned::

        from sparc3_bench import Executor, hookimpl


        class OneByOne(Executor):
            name = "one-by-one"
            title = "One by one"

            def carry_out(self, orders, worker, tell):
                for order in orders:
                    yield worker.carry_out(order)


        @hookimpl
        def sparc3_register_executors():
            return [OneByOne]
    """


@hookspec
def sparc3_register_allocations() -> Iterable[type[Allocation]]:  # type: ignore[empty-body]
    """Allocations this plugin offers, for use as ``--allocation NAME``.

    Every second block loses more than the others::

        from sparc3_bench import Allocation, hookimpl


        class EverySecond(Allocation):
            name = "every-second"
            title = "Every second more"

            def shares(self, asked):
                shares = 0.9 * asked.amount, 1.1 * asked.amount
                return {name: shares[block % 2] for name, block in asked.blocks.items()}


        @hookimpl
        def sparc3_register_allocations():
            return [EverySecond]
    """


@hookspec
def sparc3_register_repairs() -> Iterable[type[Repair]]:  # type: ignore[empty-body]
    """Repairs this plugin offers, for use as ``--repair NAME``.

    What is kept is divided by how much is kept::

        from sparc3_bench import NewValues, Repair, hookimpl


        class Rescaled(Repair):
            name = "rescaled"
            title = "Rescaled"

            def repair(self, model, keep, reference):
                whole = model.weights()
                left = {name: kept.float().mean() for name, kept in keep.weights.items()}
                return NewValues({n: whole[n].matrix / max(m, 0.1) for n, m in left.items()})


        @hookimpl
        def sparc3_register_repairs():
            return [Rescaled]
    """


@hookspec
def sparc3_result_written(path: Path, result: Result) -> None:
    r"""Take note of a result that was just written, finished or failed.

    It is called in a process of its own, one result after the other, while the runs go on: what it
    raises is told once at the end, and when all is written it has half a minute left. For a tracker
    that has a line a run::

        from sparc3_bench import hookimpl


        @hookimpl
        def sparc3_result_written(path, result):
            with open("/tmp/results.txt", "a") as file:
                file.write(f"{result.created} {result.status} {path}\n")

    Parameters
    ----------
    path
        The file.
    result
        What is in it, with the per-sample measurements that are beside it.
    """
