"""Activation norm: ‖X‖₂ of the input feature, the activation half of Wanda."""

from sparc3_bench import Scorer, hookimpl


class ActivationNorm(Scorer):
    """Importance = norm of the feature that feeds the weight; the weight itself is ignored."""

    name = "activation-norm"
    title = "Activation norm"

    def score(self, model, reference):
        square_sum = {}

        def add(name, inputs):  # [tokens, in_features]
            square_sum[name] = square_sum.get(name, 0) + inputs.square().sum(0)

        with model.observe(add):
            model.run(reference)
        return {
            name: square_sum[name].sqrt().expand_as(weight.matrix)
            for name, weight in model.weights().items()
        }


@hookimpl
def sparc3_register_scorers():
    return [ActivationNorm]
