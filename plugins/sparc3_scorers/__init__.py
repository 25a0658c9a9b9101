"""The built-in scorers, one a file."""
