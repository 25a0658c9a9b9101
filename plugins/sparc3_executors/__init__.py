"""The built-in executors of orders, one a file."""
