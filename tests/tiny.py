"""Tiny models for tests: those of the conformance kit."""

from sparc3_bench.testing.tiny import *  # noqa: F403
