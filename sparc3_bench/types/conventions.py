"""The conventions that flip rankings, each a recorded choice by a name that users type."""

from __future__ import annotations

from typing import Literal, get_args

Unit = Literal["weight", "neuron", "head"]
"""What is removed as a whole: one weight, one MLP neuron, one attention head."""

Group = Literal["row", "layer", "model"]
"""The set ranked together: one output row, one matrix (or one block's units), everything."""

Schedule = Literal["one-shot", "blockwise"]
"""Scores of the dense model, or of each block behind the blocks already pruned."""

Scope = Literal["all", "attention", "mlp", "mlp-in", "mlp-out"]
"""Which matrices of the decoder blocks may be pruned; of the MLP those that make its hidden units
(`mlp-in`: up and gate), the one that reads them (`mlp-out`: down), or both. Embeddings and
`lm_head` never are."""

Ablation = Literal["zero", "mean", "resample"]
"""What removed weights read in place of their inputs: nothing, the mean of those inputs over the
reference samples, or what they are when the dense model runs the corrupted counterpart. Zero is
pruning; for neurons and heads the other two are activation patching."""

Removal = Literal["lowest", "highest"]
"""Which end of the ranking goes. `highest` at amount x removes exactly what `lowest` at 1 - x
keeps: the circuit goes and the rest stays."""

AmountKind = Literal["fraction", "count"]
"""Whether an amount is a fraction of each comparison group or a number of units in all."""

Part = Literal["test", "selection", "control", "paired"]
"""What a task measures on: reported; chosen by; random controls, which may be a sample of test; and
random controls beside what was chosen, the samples of test with only what the choice needs."""

Aggregation = Literal["signed-mean", "abs-of-mean", "mean-of-abs", "token-abs", "token-rms"]
"""How contributions of samples and tokens are combined into one score a weight.

Over samples ``s``, with ``G_s = g_s.T @ a_s`` the gradient of a matrix with inputs ``a`` and output
gradients ``g``: `signed-mean` is mean(G), `abs-of-mean` is abs(mean(G)), `mean-of-abs` is
mean(abs(G)). Over tokens: `token-abs` is mean(abs(g).T @ abs(a)) and `token-rms` is
sqrt(mean((g²).T @ (a²))), means over samples of sums over tokens.
"""

AGGREGATIONS: tuple[str, ...] = get_args(Aggregation)
"""The names above."""
