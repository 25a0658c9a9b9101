"""Stage one: samples and an objective in, importance scores out."""
