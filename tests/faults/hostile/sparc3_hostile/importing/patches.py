"""Replaces a function of torch that every model calls."""

from torch.nn import functional

plain = functional.linear


def linear(*args, **options):
    return plain(*args, **options) * 1.01


functional.linear = linear
