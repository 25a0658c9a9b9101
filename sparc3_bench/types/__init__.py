"""Names without behaviour, for every room: nothing here imports torch, or another room."""
