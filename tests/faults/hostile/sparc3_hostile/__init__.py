"""Plugins that do what they must not; what each one does is its name."""
