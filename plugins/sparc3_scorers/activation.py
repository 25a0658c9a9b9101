"""Activation: how large a neuron's, a head's or a feature's activation is, whatever it weighs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench import IncrementalScorer, Role, Scorer, Sparc3Error, hookimpl
from sparc3_scorers.batchwise import batchwise

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples, State


class Activation(IncrementalScorer):
    """Importance = mean absolute activation of a weight's unit, after [molchanov2017, sec. 2.2].

    Notes
    -----
    A neuron's activation is what its down-projection reads; a head's, what the attention output
    reads of it. Every weight of a unit has an equal share of its activation, so that the shares of
    a neuron's up (and gate) rows, and of a head's columns, add up to it. Query, key and value
    weights have the mean absolute activation of the feature they read. Only tokens count whose
    next token the objective asks for: with a response, those that write it. Ties within a unit
    make this a scorer of neurons and heads rather than of weights.
    """

    name = "activation"
    title = "Activation"
    takes_products = False
    citation = "molchanov2017"
    formula = (
        "meanₜ |aₜ| / n with a the neuron that the weight writes or reads, or the head's feature "
        "that it reads, n the number of weights that do so; for queries, keys and values a the "
        "input feature, n = 1"
    )

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the absolute inputs of every matrix, ``[in_features]``, float64, and its tokens."""
        import torch
        from torch.nn import functional

        asked: Tensor

        def add(name: str, inputs: Tensor) -> None:
            # Over batches in float64: how samples are batched is lost in rounding to float32.
            here = {
                f"inputs/{name}": inputs[asked].abs().sum(0).to(model.widest),
                f"tokens/{name}": torch.tensor(len(asked)),  # again at every use of the matrix
            }
            for place, value in here.items():
                state[place] = state[place] + value if place in state else value

        with model.observe(add):
            for part, seen in batchwise(reference):
                # Of every real token, sample by sample, whether its next one is asked.
                rows = functional.pad(seen.labels >= 0, (0, 1))[seen.attention_mask.bool()]
                asked = rows.nonzero().flatten().to(model.device)
                model.run(part)
        return state

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return the share of activation of every weight, in [0, ∞).

        Raises Sparc3Error when the scope has the rows of neurons without the columns that read
        them.
        """
        means = {
            name: (state[f"inputs/{name}"] / state[f"tokens/{name}"]).float()
            for name in model.weights()
        }
        return _shared_out(model, means)


def _shared_out(model: ModelView, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = model.weights()
    neurons = {weights[n].block: mean for n, mean in means.items() if weights[n].role is Role.DOWN}
    writers = Counter(weight.block for weight in weights.values() for _ in weight.neuron_rows)
    if missing := set(writers) - set(neurons):
        raise Sparc3Error(
            "Scorer 'activation' needs what the down-projection reads, which the scope leaves out "
            f"in block {min(missing)}; choose scope 'all' or 'mlp'."
        )
    found = {}
    for name, weight in weights.items():
        rows, columns = weight.matrix.shape
        if weight.neuron_rows:
            share = means[name].new_empty(rows, 1)
            for written in weight.neuron_rows:
                share[written, 0] = neurons[weight.block] / (columns * writers[weight.block])
        elif weight.role in (Role.DOWN, Role.ATTENTION_OUTPUT):
            share = means[name] / rows
        else:
            share = means[name]
        found[name] = share.expand(rows, columns).clone()
    return found


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Activation]
