"""Correction: take an unwanted behaviour out of a model by removing few of its weights."""
