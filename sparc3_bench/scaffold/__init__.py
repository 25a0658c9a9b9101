"""New plugins: a small distribution with code, tests and packaging, ready to install."""
