"""Results side by side: what may be compared, ranks, ties. Never imports torch or a plugin."""
