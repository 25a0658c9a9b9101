"""Replication: what a suite measured, set beside the numbers that were published."""
