"""Prompts: what tasks share that ask a model something, for a name or for a continuation.

A library, not a task: it registers nothing.
"""
