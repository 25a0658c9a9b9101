"""Scoring, selecting, measuring on an accelerator: all on it, nothing mixed, no wait a batch.

On any machine on a device that is pretended, with the numbers of the processor bit for bit;
`pytest -m gpu` does the same on one that is there.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from pretended import WrongDeviceError, pretending, watching
from sparc3_executors.remote import gpus_for
from sparc3_tasks.correction.generation import Sampling, respond

from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import ModelError
from sparc3_bench.host import default_host
from sparc3_bench.model.devices import Devices
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.selection.bits import as_bits
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.testing.task_runs import measure, removing, trial
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view
from sparc3_bench.types.masks import KeepMask

SCORERS = [name for name in default_host().all("scorer") if name != "lrp-lxt"]
TASKS = [name for name in default_host().all("task") if name != "zero-shot"]
SEVERAL = Devices(("cuda:0", "cuda:1"))
PLACES = ["pretended", pytest.param("real", marks=pytest.mark.gpu)]


def placed(place: str):
    """Return a context in which there is a device, and its name."""
    return (pretending(), "cuda:1") if place == "pretended" else (watching(), "cuda:0")


def scorer(name: str):
    cls = default_host().get("scorer", name).cls
    return cls(**cls.tiny_options)


def assert_same(place: str, found, expected) -> None:
    """Bit for bit where the processor computes; else but for another order of sums."""
    tolerance = {} if place == "real" else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(found.cpu(), expected, **tolerance)


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SCORERS)
def test_scores_are_made_on_the_device_without_a_wait_a_batch(name, architecture, place):
    for lengths, size in (((12,), 1), ((12, 9), 2)):
        waits = []
        for count in (4, 8):
            reference = make_reference(count, lengths, size)
            expected = scorer(name).score(make_view(architecture), reference)
            view, (context, device) = make_view(architecture), placed(place)
            with context as seen:
                view.model.to(device)
                seen.waits = 0
                found = scorer(name).score(view, reference)
                waits.append(seen.waits)
                assert {str(values.device) for values in found.values()} == {device}
                for matrix in expected:
                    assert_same(place, found[matrix], expected[matrix])
        assert waits[0] == waits[1], seen.told


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SCORERS)
def test_over_several_devices_scores_are_where_their_weights_are(name, architecture):
    reference = make_reference(3, (12, 9), 2)
    expected = scorer(name).score(make_view(architecture), reference)
    view = make_view(architecture)
    with pretending():
        SEVERAL.take(view.model, view.blocks)
        found = scorer(name).score(view, reference)
        places = {n: str(weight.matrix.device) for n, weight in view.weights().items()}
        assert {n: str(values.device) for n, values in found.items()} == places
        assert {*places.values()} == {*SEVERAL.names}
        place = SEVERAL.placing(view.adapter.blocks, len(view.blocks))
        assert {n: place(n) for n in places} == places
    assert all(torch.equal(found[matrix], expected[matrix]) for matrix in expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TASKS)
def test_tasks_measure_over_several_devices(name):
    tried = trial(default_host().get("task", name).cls)
    view = tried.ground.view()
    with pretending():
        SEVERAL.take(view.model, view.blocks)
        dense = measure(tried.task, tried.prepared, view)
        keep = removing(view, 0.5).weights
        kept = {n: keep[n].to(w.matrix.device) for n, w in view.weights().items() if n in keep}
        half = measure(tried.task, tried.prepared, view, dense, KeepMask(kept))
    for kind, numbers in tried.half.samples.items():
        assert half.samples[kind] == pytest.approx(numbers, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("none:0,cpu", "The device 'none:0' is not available to torch here"),
        ("cpu,meta", "spread over different devices of one type, got 'cpu,meta'"),
        ("cpu,cpu", "name each once"),
    ],
)
def test_devices_that_are_not_there_or_not_alike_are_refused(text, told):
    with pytest.raises(ModelError, match=told):
        Devices.typed(text)


@pytest.mark.parametrize(("device", "count"), [("cpu", 0), ("cuda", 1), ("cuda:0,cuda:2", 2)])
def test_a_worker_claims_the_devices_that_are_named(device, count):
    orders = [SimpleNamespace(request={"device": one}) for one in ("cpu", device)]
    assert gpus_for(orders, None) == count
    assert gpus_for(orders, 0.5) == 0.5


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("unit", "group"),
    [("weight", "row"), ("weight", "layer"), ("weight", "model"), ("neuron", "layer")],
)
def test_masks_and_random_controls_are_made_and_named_where_the_scores_are(unit, group, place):
    blank, reference = make_view("llama"), make_reference()
    expected = checked(scorer("wanda").score(blank, reference), blank.weights(), "wanda")
    kept = choose(rankable(expected, blank, unit), 0.5, unit=unit, group=group)
    drawn = matched(kept, group, 3)
    context, device = placed(place)
    with context:
        scores = {name: values.to(device) for name, values in expected.weights.items()}
        ranking = rankable(checked(scores, blank.weights(), "wanda"), blank, unit)
        here = choose(ranking, 0.5, unit=unit, group=group)
        for own, known in ((here, kept), (matched(here, group, 3), drawn)):
            for name, keep in own.items():
                assert str(keep.device) == device
                assert torch.equal(keep.cpu(), known[name])
                assert torch.equal(as_bits(keep), as_bits(known[name]))


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_removed_reads_zero_or_means_on_the_device(architecture, place):
    logits, reference = [], make_reference(2, (12, 9), 2)
    for context, device in ((nullcontext(), "cpu"), placed(place)):
        view = make_view(architecture)
        with context, torch.no_grad():
            view.model.to(device)
            keep = {n: keep.to(device) for n, keep in removing(view, 0.5).weights.items()}
            mask, means = as_mask(keep, view, "weight"), mean_inputs(view, reference)
            for ablated in (view.masked(mask), view.mean_ablated(mask, means)):
                with ablated:
                    found = [view.forward(batch) for batch in reference.batches(view.device)]
                    logits.append(found[0].cpu())
    for known, own in zip(logits[:2], logits[2:], strict=True):
        assert_same(place, own, known)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", TASKS)
def test_tasks_measure_on_the_device(name, place):
    tried = trial(default_host().get("task", name).cls)
    task, view, (context, device) = tried.task, tried.ground.view(), placed(place)
    with context as seen:
        view.model.to(device)
        dense = measure(task, tried.prepared, view)
        keep = {n: keep.to(device) for n, keep in removing(view, 0.5).weights.items()}
        half = measure(task, tried.prepared, view, dense, KeepMask(keep))
    if place == "pretended":
        for kind, numbers in tried.half.samples.items():
            # transformers takes other ways on other devices.
            assert half.samples[kind] == pytest.approx(numbers, rel=1e-4, abs=1e-4)
        assert seen.moved > 0
    assert dense.samples.keys() == tried.dense.samples.keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", PLACES)
def test_a_token_is_drawn_with_one_wait_for_all_rows(place):
    prompts, waits = [[3, 4], [5], [6, 7]], []
    for tokens in (4, 8):
        sampling = Sampling(tokens, samples=3, greedy=False)
        expected = respond(make_view("llama"), prompts, sampling, lambda *at: None)
        view, (context, device) = make_view("llama"), placed(place)
        with context as seen:
            view.model.to(device)
            seen.waits = 0
            found = respond(view, prompts, sampling, lambda *at: None)
            waits.append(seen.waits)
        assert found == expected or place == "real"
    assert waits[1] - waits[0] <= 4  # steps more


@pytest.mark.parametrize("name", ["wanda", "gblm", "activation", "sparsegpt", "lrp"])
def test_no_scorer_needs_float64(name):
    view, reference = make_view("opt"), make_reference(2)
    with pretending():
        view.model.to("mps")
        found = checked(scorer(name).score(view, reference), view.weights(), name)
        assert {values.device.type for values in found.values()} == {"mps"}
        means = mean_inputs(view, reference)
        assert {values.device.type for values in means.values()} == {"mps"}


def test_what_mixes_devices_or_waits_is_seen():
    with pretending() as seen:
        there, here = torch.ones(3, device="cuda:1"), torch.ones(3)
        assert (str(there.device), str(here.device)) == ("cuda:1", "cpu")
        with pytest.raises(WrongDeviceError, match="two devices"):
            there + here
        with pytest.raises(WrongDeviceError, match="two devices"):
            there + here.to("cuda:0")
        assert seen.waits == 0
        for look in (
            lambda: float(there.sum()),
            lambda: there[there > 0],
            lambda: there.cpu(),
            lambda: there.tolist(),
            lambda: bool(there.any()),
        ):
            before = seen.waits
            look()
            assert seen.waits > before
        with pytest.raises(WrongDeviceError, match="numpy"):
            there.numpy()
        assert (there * torch.tensor(2.0)).device == there.device
    with pretending(), pytest.raises(WrongDeviceError, match="float64"):
        torch.ones(3, device="mps").double()
