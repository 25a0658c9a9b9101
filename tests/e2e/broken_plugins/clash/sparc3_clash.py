"""A plugin that offers a scorer under a name that is taken."""

from sparc3_bench import Scorer, hookimpl


class Impostor(Scorer):
    """Would replace the built-in scorer if the host allowed it."""

    name = "magnitude"
    title = "Impostor"

    def score(self, model, reference):
        return {name: -weight.matrix.abs() for name, weight in model.weights().items()}


@hookimpl
def sparc3_register_scorers():
    return [Impostor]
