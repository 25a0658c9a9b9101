"""Things made of other things: named by all they depend on, made once, kept with their cost."""
