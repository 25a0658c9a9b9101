"""How sure a number is: intervals and comparisons. Never imports torch."""
