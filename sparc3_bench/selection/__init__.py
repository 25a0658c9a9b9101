"""What is removed: exactly so many, the lowest first, ties broken by position."""
