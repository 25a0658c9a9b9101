"""What a run is made of: a step a class, which holds names and makes one thing."""
