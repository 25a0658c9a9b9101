"""Model: what types and contracts call the model that is scored, pruned and measured."""

from __future__ import annotations

from typing import Any, TypeAlias

Model: TypeAlias = Any
"""A `sparc3_bench.ModelView`, by name alone: it stands above what speaks of it.

No protocol, as a plugin says `ModelView` of what it is handed, and a method that overrides one may
not take less than the other does.
"""
