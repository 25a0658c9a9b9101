"""The layout of the MIB circuit track, read back by its rules.

The rules are those of `Graph.from_json`, `Graph.from_pt` and `Graph.apply_topn` in
`src/eap/graph.py` of hannamw/EAP-IG; numbers of edges are `EDGE_COUNTS` in
`MIB_circuit_track/evaluation.py`.
"""

from __future__ import annotations

import json
import math

import pytest
import torch
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.magnitude import Magnitude

from sparc3_bench import Role, ScoreMap, Sparc3Error
from sparc3_bench.attribution.scores import checked
from sparc3_bench.circuit import mib
from sparc3_bench.selection.select import select
from sparc3_bench.selection.units import unit_scores
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view
from sparc3_bench.types.masks import KeepMask


def scored(architecture: str, scorer=None, **options):
    view = make_view(architecture, **options)
    scorer = scorer or Magnitude()
    return view, checked(scorer.score(view, make_reference()), view.weights(), scorer.name)


def found(architecture: str, keep: KeepMask | None = None, **options) -> mib.Nodes:
    view, scores = scored(architecture, **options)
    return mib.nodes(view, scores, keep or KeepMask({}))


class Reader:
    """What the track makes of a file: its tensors and its rule for the top n."""

    def __init__(self, cfg: dict) -> None:
        assert set(cfg) == {"n_layers", "n_heads", "parallel_attn_mlp", "d_model"}
        self.layers, self.heads, self.width = cfg["n_layers"], cfg["n_heads"], cfg["d_model"]
        self.forward = 1 + self.layers * (self.heads + 1)
        self.backward = self.layers * (3 * self.heads + 1) + 1
        self.scores = torch.full((self.forward,), torch.nan)
        self.neurons = torch.full((self.forward, self.width), torch.nan)
        self.inside = torch.zeros(self.forward, dtype=torch.bool)

    def index(self, name: str) -> int:
        if name == "input":
            return 0
        layer, _, head = name[1:].partition(".h")
        start = 1 + int(layer) * (self.heads + 1)
        return start + (int(head) if name[0] == "a" else self.heads)

    @classmethod
    def from_json(cls, path) -> Reader:
        data = json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(text))
        assert {"cfg", "nodes", "edges"} <= set(data)
        reader = cls(data["cfg"])
        for name, node in data["nodes"].items():
            if name != "logits":
                reader.inside[reader.index(name)] = node["in_graph"]
                if "score" in node:
                    reader.scores[reader.index(name)] = node["score"]
                assert "neurons" not in node
        for edge in data["edges"].values():
            assert {"score", "in_graph"} <= set(edge)
        return reader

    @classmethod
    def from_pt(cls, path) -> tuple[Reader, dict]:
        data = torch.load(path, weights_only=True)
        needed = {"cfg", "src_nodes", "dst_nodes", "edges_scores", "edges_in_graph"}
        assert needed | {"nodes_in_graph"} <= set(data)
        reader = cls(data["cfg"])
        assert data["edges_scores"].shape == data["edges_in_graph"].shape
        assert data["edges_scores"].shape == (reader.forward, reader.backward)
        assert len(data["src_nodes"]) == reader.forward
        assert len(data["dst_nodes"]) == reader.backward
        assert [reader.index(name) for name in data["src_nodes"]] == list(range(reader.forward))
        reader.inside[:] = data["nodes_in_graph"]
        reader.scores = data["nodes_scores"]
        reader.neurons = data["neurons_scores"]
        assert data["neurons_in_graph"].dtype == torch.bool
        assert data["neurons_in_graph"].shape == reader.neurons.shape
        return reader, data

    def top(self, n: int) -> set[int]:
        """Return the nodes in the circuit: the n highest, and all that have no score."""
        assert n <= int((~self.scores.isnan()).sum())
        order = self.scores.abs().nan_to_num(nan=-math.inf).argsort(descending=True)
        return {int(i) for i in order[:n]} | {int(i) for i in self.scores.isnan().nonzero()}


@pytest.mark.parametrize(
    ("layers", "heads", "edges"),
    [(12, 12, 32491), (24, 14, 179749), (26, 8, 74218), (32, 32, 1592881)],
    ids=["gpt2", "qwen2.5", "gemma2", "llama3"],
)
def test_edges_are_as_many_as_the_track_counts(layers, heads, edges):
    shape = (1 + layers * (heads + 1), 1)
    nodes = mib.Nodes(layers, heads, 1, False, torch.zeros(shape), torch.ones(shape).bool())
    assert int(nodes.edges().sum()) == edges
    assert nodes.edges().shape == (len(nodes.names), len(nodes.targets))


def test_in_parallel_blocks_the_mlp_reads_no_head_of_its_layer():
    shape = (1 + 2 * 3, 1)
    both = [mib.Nodes(2, 2, 1, p, torch.zeros(shape), torch.ones(shape).bool()) for p in (0, 1)]
    assert int(both[0].edges().sum()) - int(both[1].edges().sum()) == 2 * 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_files_are_read_by_the_rules_of_the_track(architecture, tmp_path):
    view, scores = scored(architecture, Gradient())
    keep = select(scores, 0.5, view, unit="head", group="model")
    nodes = mib.nodes(view, scores, keep)
    mib.write_mib(nodes, "head", tmp_path, "task_a.model_1")
    files = sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("importances.*")
    )
    assert files == [
        "neuron/task_a.model_1/importances.pt",
        "node/task_a.model_1/importances.json",
    ]
    by_node = Reader.from_json(tmp_path / files[1])
    by_neuron, data = Reader.from_pt(tmp_path / files[0])
    assert torch.equal(by_node.inside, by_neuron.inside)
    assert torch.allclose(by_node.scores, by_neuron.scores, equal_nan=True)
    assert torch.allclose(by_neuron.neurons.sum(1), by_node.scores, atol=1e-5, equal_nan=True)
    assert by_node.scores.isnan().nonzero().tolist() == [[0]]
    ranked = by_node.scores[1:]
    assert by_node.top(3) == {0, *(ranked.abs().argsort(descending=True)[:3] + 1).tolist()}
    # Only edges between nodes that are there, and only those that the model has.
    edges = data["edges_in_graph"]
    assert not (edges & ~nodes.edges()).any()
    assert not edges[~by_node.inside].any()
    assert bool(edges[0, -1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_score_of_a_head_is_the_one_it_is_ranked_by(architecture):
    view, scores = scored(architecture, Gradient())
    nodes, ranked = mib.nodes(view, scores, KeepMask({})), unit_scores(scores, view, "head")
    for block, values in ranked.items():
        first = nodes.names.index(f"a{block}.h0")
        own = nodes.scores[first : first + nodes.heads].sum(1)
        assert torch.allclose(own, values, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_score_of_a_neuron_is_its_share_of_the_node_output(architecture):
    """With signed gradients a neuron has output times gradient; an MLP writes its bias, too."""
    view = make_view(architecture)
    reference = make_reference(count=1)
    scorer = Gradient(aggregation="signed-mean")
    scores = checked(scorer.score(view, reference), view.weights(), "gradient")
    nodes = mib.nodes(view, scores, KeepMask({}))
    expected = {}

    def fold(name, a, g):
        weight = view.weights()[name]
        if weight.role is Role.ATTENTION_OUTPUT:
            parts = a.view(len(a), nodes.heads, -1)
            matrix = weight.matrix.view(nodes.width, nodes.heads, -1)
            outputs = torch.einsum("thc,ohc->hto", parts, matrix)
            for head, output in enumerate(outputs):
                expected[f"a{weight.block}.h{head}"] = (output * g).sum(0)
        elif weight.role is Role.DOWN:
            bias = 0 if weight.bias is None else weight.bias
            expected[f"m{weight.block}"] = ((a @ weight.matrix.T + bias) * g).sum(0)

    view.attribute(reference, fold)
    assert len(expected) == len(nodes.names) - 1
    for name, values in expected.items():
        own = nodes.scores[nodes.names.index(name)]
        assert torch.allclose(own, values, atol=1e-4 * float(values.abs().max())), name


def test_score_of_a_bias_counts_in_the_mlp_that_it_belongs_to():
    view, scores = scored("gpt2")
    name = next(n for n, w in view.weights().items() if w.role is Role.DOWN and w.block == 1)
    with_bias = ScoreMap(scores.weights, {name: torch.arange(32.0)})
    plain, added = (mib.nodes(view, s, KeepMask({})) for s in (scores, with_bias))
    row = plain.names.index("m1")
    assert torch.allclose(added.scores[row] - plain.scores[row], torch.arange(32.0), atol=1e-4)
    rest = [n for n in range(1, len(plain.names)) if n != row]
    assert torch.equal(added.scores[rest], plain.scores[rest])


@pytest.mark.parametrize(
    ("scope", "scored_nodes"), [("attention", "a"), ("mlp", "m"), ("all", "am")]
)
def test_nodes_out_of_scope_have_no_score_and_stay(scope, scored_nodes):
    nodes = found("llama", scope=scope)
    for name, row in zip(nodes.names, nodes.scores, strict=True):
        assert bool(row.isnan().all()) is (name[0] not in scored_nodes)
    assert bool(nodes.kept.all())


def test_heads_that_are_removed_are_not_in_the_graph():
    view, scores = scored("llama")
    keep = select(scores, 0.5, view, unit="head", group="layer")
    nodes = mib.nodes(view, scores, keep)
    inside = dict(zip(nodes.names, nodes.kept.any(1).tolist(), strict=True))
    assert sum(inside[f"a0.h{head}"] for head in range(4)) == 2
    assert inside["input"]
    assert all(inside[f"m{layer}"] for layer in range(3))


def test_a_neuron_is_kept_while_any_weight_that_writes_it_is():
    view, scores = scored("gpt2")
    name = next(n for n, w in view.weights().items() if w.role is Role.ATTENTION_OUTPUT)
    keep = torch.zeros(32, 32, dtype=torch.bool)
    keep[5, 9] = True  # output 5 of head 1, whose columns are 8 to 15
    nodes = mib.nodes(view, scores, KeepMask({name: keep}))
    heads = nodes.kept[1:5]
    assert heads.nonzero().tolist() == [[1, 5]]


@pytest.mark.parametrize("unit", ["weight", "neuron", "head"])
def test_notes_say_what_the_track_has_otherwise(tmp_path, unit):
    notes = mib.write_mib(found("gpt2"), unit, tmp_path, "task_model")
    assert notes[0].startswith("MIB: the track ranks absolute scores")
    assert len(notes) == (2 if unit == "neuron" else 1)
    neuron = "MIB: a neuron of the track is a dimension of a node's output;"
    assert all(note.startswith(neuron) for note in notes[1:])


def test_large_files_are_pointed_out(tmp_path, monkeypatch):
    monkeypatch.setattr(mib, "_MOST_BYTES", 1000)
    notes = mib.write_mib(found("llama"), "weight", tmp_path, "task_model")
    assert "MIB: importances.pt is larger than the 50 MB that the leaderboard reads." in notes


@pytest.mark.parametrize("name", ["a_b", "ioi_gpt2", "mc-qa_model-2.5", "a_b_c", "0_.", ".._.."])
def test_names_that_the_track_splits_are_taken(name):
    mib.check_name(name)
    task, _, model = name.partition("_")
    assert task
    assert model


@pytest.mark.parametrize(
    "name",
    ["", "_", "ioi", "ioi_", "_gpt2", "IOI_gpt2", "a/b_c", "../a_b", "a b_c", "a_b\n", "é_b"],
)
def test_other_names_are_refused(name):
    with pytest.raises(Sparc3Error) as refused:
        mib.check_name(name)
    assert str(refused.value) == (
        "`--mib` must be TASK_MODEL, of the characters a-z, 0-9, '.', '-' and '_' and with the "
        f"first '_' between task and model, got '{name}'; take the name from the docs of the MIB "
        "track."
    )
