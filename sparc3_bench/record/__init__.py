"""What is on disk: result files, their schema and their checks. Never imports torch."""
