"""The built-in tasks, one a folder."""
