"""A model seen through one lens: its prunable weights, its inputs and gradients, its masks."""
