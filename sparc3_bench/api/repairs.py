"""repair: new values of the weights that a mask keeps."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from sparc3_bench.api.reference import Reference, reference_task
from sparc3_bench.api.subject import AnyModel, cache_of, subject_of
from sparc3_bench.circuit.writer import keep_mask, parameter_values
from sparc3_bench.host import Registered, default_host
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.request import Request
from sparc3_bench.run.steps.facts import general_reference
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.repair import repaired_values

if TYPE_CHECKING:
    from torch import Tensor


def repair(
    model: AnyModel,
    mask: Mapping[str, Tensor],
    repair: str = "obs",
    tokenizer: Any = None,
    *,
    reference: Reference,
    batch_size: int = 1,
    dtype: str = "auto",
    device: str = "cpu",
    cache: str | PathLike[str] | None = None,
) -> dict[str, Tensor]:
    """Return new values of what a mask keeps, so that they make up for what goes.

    The model is as before, bit for bit.

    Parameters
    ----------
    model, tokenizer
        As for `score`.
    mask
        As for `prune`.
    repair
        The name of a repair, with options as in ``obs:damping=0.1``; see `sparc3 list repairs`.
    reference
        Texts, or token ids, a sample each.
    batch_size
        Reference samples run at once.
    dtype, device, cache
        As for `score`.

    Returns
    -------
    dict
        By name of the parameter, as it is stored: `values` of `prune` and `save_pruned`.

    Raises
    ------
    Sparc3Error
        When there is no such repair, or the mask is of another model.

    Examples
    --------
    ::

        values = sb.repair(model, mask, "obs", tokenizer, reference=["Some text.", "Some more."])
    """
    cls = reference_task(reference)
    host, folder = default_host().joined("task", cls, Registered), cache_of(cache)
    with subject_of(model, tokenizer, host, folder, dtype=dtype, device=device) as chosen:
        request = Request(
            scorers=[("magnitude", [0])],
            task=cls.name,
            repair=repair,
            batch_size=batch_size,
            **chosen.asked,
        )
        (cell,) = plan(request, host, folder, chosen.shared)
        place = Place(folder, Reporter())
        place.turn_to(cell, repair)
        view = place.get(DenseModel(cell))
        samples = place.ready(general_reference(cell, place), cell, lambda done, total: None)
        return parameter_values(view, repaired_values(cell, view, keep_mask(view, mask), samples))
