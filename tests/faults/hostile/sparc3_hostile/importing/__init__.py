"""Modules that do it when they are imported."""
