"""What the contract demands a scorer to leave as it was: the model, its classes, the process."""

from __future__ import annotations

from sparc3_bench.model.state import described
from sparc3_bench.testing.report import Breach, CheckFailure, demand
from sparc3_bench.testing.scorer_runs import Plugin, changes, interruptions


@demand(
    "the model that is pruned and measured would not be the one that was loaded",
    "work on copies, or restore the exact values in a `finally`",
)
def check_leaves_weights_unchanged(plugin: Plugin) -> None:
    """Demand every parameter and buffer bit for bit, and the same parameter objects."""
    _check_section(plugin, "weights")


@demand(
    "gradients take as much memory as the model, and the next backward pass adds to them",
    "use `model.attribute`, which forms none, or set `.grad` to None in a `finally`",
)
def check_leaves_no_gradient(plugin: Plugin) -> None:
    """Demand that no parameter has a ``.grad`` afterwards."""
    _check_section(plugin, "gradients")


@demand(
    "it would run on in every evaluation",
    "use `model.observe`, or remove the handle in a `finally`",
)
def check_leaves_no_hook(plugin: Plugin) -> None:
    """Demand that no hook is left on a module."""
    _check_section(plugin, "hooks")


@demand(
    "with `training` on dropout makes measurements noise, and `requires_grad` costs memory",
    "set the flags back in a `finally`, each to its own old value",
)
def check_leaves_flags_unchanged(plugin: Plugin) -> None:
    """Demand the ``training`` flag of every module and ``requires_grad`` of every parameter."""
    _check_section(plugin, "flags")


@demand(
    "the model's own forward must be what is measured",
    "use hooks, or delete what you set on a module in a `finally`",
)
def check_leaves_no_patch_on_modules(plugin: Plugin) -> None:
    """Demand that modules have the attributes they had: no ``forward`` of the scorer's own."""
    _check_section(plugin, "attributes")


@demand(
    "a patched class changes every model of the process and so the scorers that come next",
    "use hooks on the modules of this model, or undo the patch in a `finally`",
)
def check_leaves_no_patch_on_classes(plugin: Plugin) -> None:
    """Demand that the classes of modules, and the functions their files call, are as they were."""
    _check_section(plugin, "functions")


@demand(
    "what runs next would compute otherwise than without this scorer",
    "draw from a `torch.Generator` of your own, and set modes by context managers",
)
def check_leaves_process_unchanged(plugin: Plugin) -> None:
    """Demand the random states, attention functions, default dtype and modes of torch."""
    _check_section(plugin, "process")


@demand(
    "the model and the process go on being used after an interrupted cell",
    "undo every change in a `finally` or a context manager",
)
def check_cleans_up_when_interrupted(plugin: Plugin) -> None:
    """Demand all of the above also when control-C comes in the middle of the reference.

    The exception is raised from ``reference.progress``, and must come through.
    """
    for where, left, through in interruptions(plugin):
        if not through:
            raise CheckFailure(
                f"The scorer goes on after an interruption in the middle of the reference, {where}",
                "users could not stop a run, and scores of half a reference would be kept",
                "catch no more than you can handle, and never `BaseException`",
            )
        # What stays behind after a run that finishes, too, is told by the checks above.
        for section, names in left.items():
            if names:
                raise Breach(
                    f"When interrupted, the scorer leaves {len(names)} {section} changed, the "
                    f"first `{names[0]}`, {where}"
                )


def _check_section(plugin: Plugin, section: str) -> None:
    for where, changed in changes(plugin):
        sections = ("process", "registers", "seeds") if section == "process" else (section,)
        left = [described(one, name) for one in sections for name in changed[one]]
        if left:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            raise Breach(f"The scorer leaves {left[0]}{more}, {where}")
