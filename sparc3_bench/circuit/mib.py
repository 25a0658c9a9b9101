"""A circuit in the layout that the circuit track of MIB reads [mueller2025mib].

The facts are from the sources of the track. `MIB_circuit_track/circuit_loading.py` and
`run_evaluation.py` (yanivnik/MIB-shared-task, a copy of hannamw/MIB-circuit-track) load with
`Graph.from_json` and `Graph.from_pt` of `src/eap/graph.py` (hannamw/EAP-IG): a folder
``TASK_MODEL`` holds one file, ``.json`` or ``.pt``. Its name is split at the first underscore, and
which names there are is the track's affair, so whoever exports says it.

* Nodes are ``input``, the heads ``a{layer}.h{head}``, the MLPs ``m{layer}``, and ``logits``. A node
  without a score always stays in the circuit.
* A **neuron** there is a dimension of a node's output, so each node has `d_model` of them; it is
  not a hidden unit of an MLP. Here the score of that neuron is the sum of the scores of the weights
  that write it: the row of the attention output matrix within the head's columns, or the row of
  the down matrix (with its bias, where that is scored). A node's score is the sum of its neurons'.
* Node and neuron level go to different files: `Graph.apply_topn` at node level empties nodes whose
  neurons are not in the graph. Neurons are in a ``.pt``, because `Graph.from_json` reads the
  neurons of a head as those of all heads of its layer.
* `Graph.apply_topn` at both levels makes the edges from the nodes, so the ``.json`` has none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.conventions import Unit
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.scores import ScoreMap

_NAME = re.compile(r"[a-z0-9.-]+_[a-z0-9._-]+")

_MOST_BYTES = 50_000_000
"""Larger files are passed over by the leaderboard's checker."""


@dataclass(frozen=True)
class Nodes:
    """The nodes that write to the residual stream, in the order of the track."""

    layers: int
    heads: int
    width: int
    """Of the model."""
    parallel: bool
    """Whether attention and MLP of a layer read the same residual stream."""
    scores: Tensor
    """``[nodes, width]`` float32; NaN where nothing was scored."""
    kept: Tensor
    """``[nodes, width]`` bool: whether any weight that writes this dimension is kept."""

    @property
    def config(self) -> dict[str, Any]:
        """What the track's reader makes its graph from."""
        return {
            "n_layers": self.layers,
            "n_heads": self.heads,
            "parallel_attn_mlp": self.parallel,
            "d_model": self.width,
        }

    @property
    def names(self) -> list[str]:
        """Name of every node."""
        names = ["input"]
        for layer in range(self.layers):
            names += [f"a{layer}.h{head}" for head in range(self.heads)]
            names.append(f"m{layer}")
        return names

    @property
    def targets(self) -> list[str]:
        """Name of everything that reads the residual stream."""
        names = []
        for layer in range(self.layers):
            names += [f"a{layer}.h{head}<{part}>" for part in "qkv" for head in range(self.heads)]
            names.append(f"m{layer}")
        return [*names, "logits"]

    def edges(self) -> Tensor:
        """Return which node is read by which target, ``[nodes, targets]``."""
        step = self.heads + 1
        seen = []
        for layer in range(self.layers):
            before = 1 + layer * step
            seen += [before] * 3 * self.heads
            seen.append(before if self.parallel else before + self.heads)
        seen.append(1 + self.layers * step)
        return torch.arange(len(self.names))[:, None] < torch.tensor(seen)[None, :]


def nodes(view: ModelView, scores: ScoreMap, keep: KeepMask) -> Nodes:
    """Return the nodes of a model with their scores and what is kept of them."""
    layers, heads = len(view.blocks), view.adapter.heads(view.config)
    width = int(view.config.hidden_size)
    shape = 1 + layers * (heads + 1), width
    summed = torch.full(shape, torch.nan)
    kept = torch.ones(shape, dtype=torch.bool)
    for name, weight in view.weights().items():
        first = 1 + weight.block * (heads + 1)
        if weight.role is Role.ATTENTION_OUTPUT:
            rows, parts = slice(first, first + heads), heads
        elif weight.role is Role.DOWN:
            rows, parts = slice(first + heads, first + heads + 1), 1
        else:
            continue
        # [out, parts, columns of one part] to [parts, out]
        own = scores[name].double().cpu().view(width, parts, -1).sum(2).T
        if weight.role is Role.DOWN and name in scores.biases:
            own = own + scores.biases[name].double().cpu()
        summed[rows] = own.float()
        if name in keep.weights:
            kept[rows] = keep.weights[name].cpu().reshape(width, parts, -1).any(2).T
    parallel = any(
        bool(getattr(view.config, name, False))
        for name in ("use_parallel_residual", "parallel_attn")
    )
    return Nodes(layers, heads, width, parallel, summed, kept)


def check_name(name: str) -> None:
    """Refuse a folder name that the track cannot split into task and model."""
    if not _NAME.fullmatch(name):
        raise Sparc3Error(
            "`--mib` must be TASK_MODEL, of the characters a-z, 0-9, '.', '-' and '_' and with the "
            f"first '_' between task and model, got '{name}'; take the name from the docs of the "
            "MIB track."
        )


def write_mib(found: Nodes, unit: Unit, folder: Path, name: str) -> list[str]:
    """Write scores of nodes and neurons below `folder`, each in a folder of that `name`.

    Return what a reader must know.
    """
    notes = [
        "MIB: the track ranks absolute scores unless told otherwise; in this circuit signs count."
    ]
    if unit == "neuron":
        notes.append(
            "MIB: a neuron of the track is a dimension of a node's output; the neurons of this "
            "circuit are hidden units of MLPs, which the track does not have."
        )
    for level, file in (("node", "importances.json"), ("neuron", "importances.pt")):
        path = folder / level / name / file
        path.parent.mkdir(parents=True)
        if level == "node":
            path.write_text(json.dumps(_as_json(found)) + "\n", encoding="utf-8")
        else:
            torch.save(_as_tensors(found), path)
        if path.stat().st_size > _MOST_BYTES:
            notes.append(f"MIB: {file} is larger than the 50 MB that the leaderboard reads.")
    return notes


def _as_json(found: Nodes) -> dict[str, Any]:
    table: dict[str, dict[str, Any]] = {}
    totals = found.scores.double().sum(1)
    for index, name in enumerate(found.names):
        table[name] = {"in_graph": bool(found.kept[index].any())}
        if not totals[index].isnan():
            table[name]["score"] = float(totals[index])
    table["logits"] = {"in_graph": True}
    return {"cfg": found.config, "nodes": table, "edges": {}}


def _as_tensors(found: Nodes) -> dict[str, Any]:
    inside = found.kept.any(1)
    position = {name: index for index, name in enumerate(found.names)}
    reached = [inside[position[target.partition("<")[0]]] for target in found.targets[:-1]]
    read = torch.stack([*reached, torch.tensor(True)])
    real = found.edges()
    return {
        "cfg": found.config,
        "src_nodes": found.names,
        "dst_nodes": found.targets,
        "edges_scores": torch.zeros(real.shape),
        "edges_in_graph": real & inside[:, None] & read[None, :],
        "nodes_in_graph": inside,
        "nodes_scores": found.scores.double().sum(1).float(),
        "neurons_in_graph": found.kept,
        "neurons_scores": found.scores,
    }
