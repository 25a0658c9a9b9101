"""From what is asked (a spec) to what is written (a result)."""
