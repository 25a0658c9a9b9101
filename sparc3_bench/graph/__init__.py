"""Things made of other things: named by all that they depend on, made once, kept with their cost."""
