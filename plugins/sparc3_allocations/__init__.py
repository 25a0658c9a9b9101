"""Allocations that come with the suite: how much goes of each comparison group."""
