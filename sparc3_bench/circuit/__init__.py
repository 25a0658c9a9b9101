"""A circuit as a thing: shown, exported and compared, from a result file and a size."""
