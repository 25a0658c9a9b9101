"""Whether a mask has a pattern n:m, and where it has not."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING

from sparc3_bench.api.masks import view_of
from sparc3_bench.api.subject import AnyModel
from sparc3_bench.circuit.writer import load_mask
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.masking import check_mask
from sparc3_bench.selection.keep import as_groups
from sparc3_bench.selection.select import check_fits
from sparc3_bench.types.groups import pattern_of

if TYPE_CHECKING:
    from torch import Tensor


def pattern_breaks(
    mask: Mapping[str, Tensor] | str | PathLike[str], pattern: str, model: AnyModel = None
) -> dict[str, int]:
    """Return where a mask breaks a pattern; nothing where it has it.

    Parameters
    ----------
    mask
        As for `prune`, with its model; or the folder of a pruned model.
    pattern
        ``n:m``: of every m consecutive inputs of a row n are kept.
    model
        As for `score`: it says which side of a stored matrix its inputs are. Of a folder it is the
        one that is in it.

    Returns
    -------
    dict
        By name of the parameter, how many times m consecutive inputs keep another number than n.
        Parameters that the mask does not name, and biases, are not looked at.

    Raises
    ------
    Sparc3Error
        When it is no pattern, does not divide the inputs of a matrix, or the model is missing or
        another one.

    Examples
    --------
    ::

        assert not sb.pattern_breaks("pruned", "2:4")
    """
    wanted = pattern_of(pattern)
    if wanted is None:
        raise Sparc3Error(f"A pattern is written n:m with n below m, such as 2:4, got '{pattern}'.")
    if isinstance(mask, str | PathLike):
        model = str(mask) if model is None else model
        mask = load_mask(str(mask))
    elif model is None:
        raise Sparc3Error(
            "A mask does not say which side of a matrix its inputs are; give its `model`."
        )
    view, found = view_of(model), dict[str, int]()
    names = {id(parameter): name for name, parameter in view.model.named_parameters()}
    for weight in view.weights().values():
        name = names[id(weight.parameter)]
        if name not in mask:
            continue
        keep = mask[name].T if weight.transposed else mask[name]
        check_mask(keep, weight.matrix, f"`{name}`")
        check_fits({name: keep.shape}, pattern)
        kept = as_groups(keep, pattern).sum(1)
        if broken := int((kept != wanted.kept).sum()):
            found[name] = broken
    return found
