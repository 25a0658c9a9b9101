"""A model that is read block by block: the same numbers, and no weight stays in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sparc3_bench import ReferenceSamples, Scorer, Sparc3Error
from sparc3_bench.folder.spill import Spill
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.model.passage import Passage, last_first
from sparc3_bench.model.streamed import StreamedModel, streamed_where_needed
from sparc3_bench.testing.tiny import CONFIGS, make_reference, save_model
from sparc3_bench.types.masks import KeepMask

SCORERS = (
    "lrp",
    "gradient",
    "fisher",
    "gblm",
    "wanda",
    "activation",
    "sparsegpt",
    "magnitude",
    "ria",
    "wanda-regional",
)


def both(architecture: str, folder: Path) -> tuple[Any, Any]:
    """Return a view of a whole model, and one of the same model read block by block."""
    save_model(architecture, folder / "model")
    found = find_model(str(folder / "model"), default_host(), folder, "float32", "cpu")
    streamed = streamed_where_needed(found, "all", 1000)
    assert isinstance(streamed, StreamedModel)
    return found.load("all"), streamed.load("all")


def streamed_scores(
    view: Any, scorer: Scorer, reference: ReferenceSamples, folder: Path
) -> dict[str, Tensor]:
    found = dict[str, Tensor]()
    for block in last_first(view, reference, Spill(folder)):
        found |= dict(scorer.score(block, reference))
    return found


@pytest.mark.parametrize("architecture", CONFIGS)
def test_scores_and_logits_are_those_of_the_whole_model_bit_for_bit(architecture, tmp_path):
    whole, view = both(architecture, tmp_path)
    reference = make_reference(3, (12, 9, 12), batch_size=2)
    for batch in reference.batches():
        with torch.no_grad():
            assert torch.equal(view.forward(batch), whole.forward(batch))
    for name in SCORERS:
        scorer = default_host().get("scorer", name).cls()
        expected = dict(scorer.score(whole, reference))
        found = streamed_scores(view, scorer, reference, tmp_path)
        assert found.keys() == expected.keys()
        for matrix, values in expected.items():
            assert torch.equal(found[matrix], values), (name, matrix)
    assert all(parameter.is_meta for parameter in view.model.parameters())


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_masks_remove_the_same_and_leave_nothing(architecture, tmp_path):
    whole, view = both(architecture, tmp_path)
    (batch,) = make_reference(1).batches()
    torch.manual_seed(0)
    weights = whole.weights()
    keep = KeepMask(
        {name: torch.rand(one.matrix.shape) > 0.5 for name, one in weights.items()},
        {n: torch.rand(len(one.bias)) > 0.5 for n, one in weights.items() if one.bias is not None},
    )
    with torch.no_grad():
        dense = view.forward(batch)
        with whole.masked(keep), view.masked(keep):
            assert torch.equal(view.forward(batch), whole.forward(batch))
            assert not torch.equal(view.forward(batch), dense)
        assert torch.equal(view.forward(batch), dense)


def test_who_asks_for_no_reference_makes_nobody_read_it(tmp_path):
    whole, view = both("llama", tmp_path)
    scorer, reference = default_host().get("scorer", "magnitude").cls(), make_reference(1)
    found = dict[str, Tensor]()
    for block in last_first(view, None, Spill(tmp_path)):
        found |= scorer.score(block, reference)
    assert view.tokens == 0
    assert all(torch.equal(found[n], v) for n, v in scorer.score(whole, reference).items())


class Reading(Scorer):
    """Wants what a block cannot give."""

    name = "reading"
    title = "Reading"

    def score(self, model: Any, reference: ReferenceSamples) -> dict[str, Tensor]:
        for batch in reference.batches():
            model.forward(batch)
        return {}


def test_who_reads_logits_or_other_samples_is_told_why_that_cannot_be(tmp_path):
    _, view = both("llama", tmp_path)
    reference = make_reference(2)
    with Passage(view, reference, Spill(tmp_path)).block(2, {}) as block:
        with pytest.raises(Sparc3Error, match="reads the logits of the whole model, and this mo"):
            Reading().score(block, reference)
        with pytest.raises(Sparc3Error, match="runs other samples, or other batches, than those"):
            block.run(make_reference(2, seed=1))
        with pytest.raises(Sparc3Error, match="changes the whole model"):
            block.scaled(0.5)
    with (
        Passage(view, reference, Spill(tmp_path)).block(1, {}) as block,
        pytest.raises(Sparc3Error, match="takes gradients at some blocks and not at others"),
    ):
        block.attribute(reference, lambda name, inputs, gradients: None)
    with pytest.raises(Sparc3Error, match="takes gradients of the whole model at once"):
        view.attribute(reference, lambda name, inputs, gradients: None)
    assert all(parameter.is_meta for parameter in view.model.parameters())


def test_what_is_spilled_comes_back_as_it_was(tmp_path):
    spill = Spill(tmp_path / "new")
    given = [torch.rand(3, 5), torch.rand(7).bfloat16(), torch.arange(4), torch.zeros(0, 2)]
    for values, again in zip(given, [spill.put(one) for one in given], strict=True):
        assert torch.equal(again(), values)
        assert again().dtype == values.dtype
    assert not list((tmp_path / "new").iterdir())
