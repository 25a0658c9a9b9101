"""The generic adapter: any decoder of transformers, whose roles are found out by trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_bench import Fused, ModelAdapter, Role, hookimpl


class Generic(ModelAdapter):
    """Any other decoder whose blocks have attention and an MLP; says what it inferred."""

    name = "generic"
    model_types = ()
    blocks = ""

    _roles: Mapping[str, Role | Fused] = {}
    _outer: Mapping[str, Role] = {}
    _heads = 0

    @classmethod
    def for_config(cls, config: Any) -> Generic:
        """Return the adapter with what trials of such a model tell."""
        from sparc3_adapters.inference import infer

        found = infer(config)
        adapter = cls()
        adapter.blocks, adapter.transposed = found.blocks, found.transposed
        adapter._roles, adapter._outer, adapter._heads = found.roles, found.outer, found.heads
        told = ", ".join(f"{path} = {role}" for path, role in found.roles.items())
        adapter.warnings = (
            f"No adapter knows models of type '{config.model_type}'; what the modules of their "
            f"blocks do was inferred by trials on a random one ({told}).",
        )
        return adapter

    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the modules of a block as inferred."""
        return self._roles

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the modules outside the blocks as inferred."""
        return self._outer

    def heads(self, config: Any) -> int:
        """Return the number of query heads as inferred."""
        return self._heads


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Generic]
