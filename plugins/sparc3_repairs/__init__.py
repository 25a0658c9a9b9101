"""Repairs that come with the suite: what becomes of the weights that are kept."""
