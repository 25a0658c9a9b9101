"""The built-in judges of texts, one a file."""
