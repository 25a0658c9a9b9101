"""Request: what the user asks for, as typed, and the conventions that exclude one another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from sparc3_bench.contracts import Scorer
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.incremental import IncrementalScorer
from sparc3_bench.run.environment import without_folders
from sparc3_bench.selection.select import check_ranked
from sparc3_bench.types.conventions import (
    NO_REPAIR,
    UNIFORM,
    AskedConventions,
    Controls,
    StabilitySeeds,
    written_of,
)
from sparc3_bench.types.groups import Pattern
from sparc3_bench.types.samples import ProductDtype

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task


def _as_typed(options: Any) -> Any:
    # Options of plugins are typed texts, converted where the plugin is known.
    if not isinstance(options, Mapping):
        return options
    return {name: _text(value) for name, value in options.items()}


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value)


def bytes_of(size: Any) -> Any:
    """Return a size in bytes; with decimal prefixes, as disks and memory in records have them.

    Raises Sparc3Error when it is a text of another kind.
    """
    if not isinstance(size, str):
        return size
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        raise Sparc3Error(f"The memory must be a size such as 3GB or 800MB, got '{size}'.")
    return int(float(found[1]) * 1000 ** "KMGT".index(found[2].upper()) * 1000)


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMGT])B?")
Options = Annotated[dict[str, str], BeforeValidator(_as_typed)]
_NONE: dict[str, str] = {}


class Demand(AskedConventions):
    """What is asked of a run but for the scorer; None means the default of the task or scorer."""

    task: str
    model: str
    amounts: Sequence[float] | None = None
    controls: Controls = 0
    stability_seeds: StabilitySeeds = 0
    objective: str | None = None
    scorer_options: Options = _NONE
    task_options: Options = _NONE
    judge: str | None = None
    judge_options: Options = _NONE
    dtype: str = "auto"
    batch_size: Annotated[int | None, Field(ge=1)] = None
    """Reference samples run at once; None for short ones together."""
    product_dtype: ProductDtype | None = None
    """Of the products in sums over tokens; None for the model's own where it has units for it."""
    limit: Annotated[int | None, Field(ge=1)] = None
    """How many samples of each kind the task takes at most; None for as many as it says."""
    snapshots: bool = False
    """Whether to keep what scorers add up, so that more samples go on from there."""


class Request(Demand):
    """What the user asks for; a value that a field cannot have is refused."""

    scorers: Sequence[tuple[str, Sequence[int]]]
    """Names with the seeds to run each with; one without may have options of this request."""
    device: str = "cpu"
    memory: Annotated[int | None, Field(ge=1), BeforeValidator(bytes_of)] = None
    """Bytes that a model may take with its scores; a larger one is read block by block. None for
    all memory of the machine."""
    added: Sequence[Request] = ()
    """The same of further scorers: that one cannot do it is no reason to refuse the others."""
    replay_of: str | None = None
    """Key of the result whose spec is run again, of which the new one tells."""

    def parts(self) -> list[Request]:
        """Return what of it is planned, and refused, by itself."""
        return [self.model_copy(update={"added": ()}), *self.added]

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            first = error.errors()[0]
            name, value = str(first["loc"][0]).replace("_", " "), first["input"]
            if first["type"] == "literal_error":
                known = written_of(str(first["loc"][0]))
                raise UnknownNameError(name, value, known) from None
            reason = first["msg"].replace("Input should be", "must be")
            if first["type"] in ("is_instance_of", "sequence_str"):
                reason = "must be a list"
            raise Sparc3Error(f"The {name} {reason}, got {value!r}.") from None

    def asked(self) -> dict[str, Any]:
        """Return what was chosen, as JSON; names of local files without their folders."""
        fields = type(self).model_fields
        own = self.model_copy(update={"scorers": [one for one in self.scorers if one[1]]})
        return {name: _plain(value) for name, value in own if value != fields[name].default}


def check_conventions(request: Request) -> None:
    """Refuse conventions that do not go together."""
    if request.group is not None:
        check_ranked(request.unit, request.group)
    if request.repair != NO_REPAIR and request.ablation != "zero":
        raise Sparc3Error(
            f"Repair '{request.repair}' makes up for weights that read zero; choose ablation "
            "'zero', or leave the repair out."
        )
    if request.schedule != "blockwise":
        return
    for is_asked, reason, way in (
        (
            request.ablation != "zero",
            "scores each block behind the pruned ones, whose removed weights read zero",
            "choose ablation 'zero'",
        ),
        (request.removal != "lowest", "prunes the lowest", "choose removal 'lowest'"),
        (
            request.unit == "block",
            "decides one block after the other and cannot choose among them",
            "choose another unit",
        ),
        (
            request.stability_seeds > 0,
            "has no one ranking to compare with that of other seeds",
            "ask for no stability seeds",
        ),
        (
            request.snapshots,
            "scores each block behind the pruned ones and keeps no snapshots",
            "leave `snapshots` out",
        ),
        (
            request.allocation != UNIFORM,
            "decides one block after the other and cannot divide an amount among them",
            f"choose allocation '{UNIFORM}'",
        ),
        (
            request.repair != NO_REPAIR,
            "hands on what each block does pruned and not repaired",
            f"choose repair '{NO_REPAIR}'",
        ),
        (
            request.group == "model",
            "decides one block after the other and cannot rank the whole 'model' together",
            "choose group 'row' or 'layer'",
        ),
    ):
        if is_asked:
            raise Sparc3Error(
                f"Schedule 'blockwise' {reason}; {way}, or choose schedule 'one-shot'."
            )


def amounts_of(pattern: Pattern, request: Request, task: Task) -> tuple[float, ...]:
    """Return the amounts of a pattern: nothing, its own, and all where the curve must end there.

    Raises Sparc3Error when another one is asked for.
    """
    own = (pattern.amount,) if max(task.amounts) > 0 else ()
    asked = own if request.amounts is None else request.amounts
    for amount in asked:
        if amount not in (0, 1) and not pattern.takes(amount):
            raise Sparc3Error(
                f"Group '{request.group}' removes {pattern.amount:.6g} of the weights, got "
                f"{amount:g}; leave the amount out, or choose another group."
            )
    end = {1.0} if task.needs_empty else set()
    found = {float(one) if one in (0, 1) else pattern.amount for one in asked}
    return tuple(sorted({0.0, *found, *end}))


def check_streamed(request: Request, scorers: Sequence[Scorer]) -> None:
    """Refuse what cannot be done with a model that is read block by block."""
    whole = [s.name for s in scorers if s.needs_reference and not isinstance(s, IncrementalScorer)]
    for is_asked, what in (
        (bool(whole), f"Scorer '{whole[0] if whole else ''}' is no `IncrementalScorer` and scores"),
        (request.schedule != "one-shot", f"Schedule '{request.schedule}' prunes and scores again"),
        (request.ablation != "zero", f"Ablation '{request.ablation}' keeps the inputs of"),
        (request.snapshots, "`--snapshots` keeps sums of"),
        (request.allocation != UNIFORM, f"Allocation '{request.allocation}' looks at scores of"),
        (request.repair != NO_REPAIR, f"Repair '{request.repair}' reads the inputs of"),
    ):
        if is_asked:
            raise Sparc3Error(
                f"{what} the whole model, and {request.model} is read block by block, as it does "
                "not fit into the memory; give more with `--memory`, or choose otherwise."
            )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return without_folders(value) if isinstance(value, str) else value
