"""Asks for memory without end."""

held = []
while True:
    held.append(bytes(1 << 28))
