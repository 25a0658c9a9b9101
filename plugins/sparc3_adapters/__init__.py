"""The built-in model adapters and named models, one a file."""
