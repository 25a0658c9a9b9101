"""Every built-in scorer and adapter keeps every promise that the kit checks."""

from __future__ import annotations

import pytest
from conformance.mutants import Sound
from installed import scorers
from transformers import OPTConfig

from sparc3_bench import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.testing import check_adapter, check_scorer, parametrize_with_checks
from sparc3_bench.testing.tiny import CONFIGS, make_config

SCORERS = scorers()
ADAPTERS = {name: entry.cls for name, entry in default_host().all("adapter").items()}
VARIANTS = [
    SCORERS["lrp"](variant="cp-lrp"),
    SCORERS["lrp"](aggregation="signed-mean", by_sample=True),
    SCORERS["gradient"](aggregation="abs-of-mean", times_weight=False),
    SCORERS["gradient"](aggregation="mean-of-abs", standard_error=True),
    SCORERS["gblm"](norm="l2"),
    SCORERS["integrated-gradients"](aggregation="signed-mean", steps=2),
    SCORERS["integrated-gradients"](aggregation="abs-of-mean", steps=2, quadrature="riemann"),
]


class Sequential(ADAPTERS["gpt-neox"]):
    """Attention before the MLP, not beside it."""

    def tiny_config(self, model_type):
        config = make_config(model_type)
        config.use_parallel_residual = False
        return config


class PostNormOpt(ADAPTERS["opt"]):
    """The 350M variant: norms behind each half of a block, embeddings of another width."""

    def tiny_config(self, model_type):
        usual = make_config(model_type).to_dict()
        return OPTConfig.from_dict(
            {**usual, "do_layer_norm_before": False, "word_embed_proj_dim": 16}
        )


PLUGINS = [*SCORERS.values(), *ADAPTERS.values(), *VARIANTS, Sequential, PostNormOpt]


@parametrize_with_checks(PLUGINS)
def test_built_ins_conform(plugin, check):
    check(plugin)


def test_the_built_ins_are_all_there():
    assert set(SCORERS) >= {"gradient", "lrp", "magnitude", "random", "wanda"}
    assert set(SCORERS) >= {"activation", "fisher", "gblm", "integrated-gradients", "sparsegpt"}
    served = [name for cls in ADAPTERS.values() for name in cls.model_types]
    assert sorted(served) == sorted(CONFIGS)
    assert [name for name, cls in ADAPTERS.items() if not cls.model_types] == ["generic"]


def test_a_report_names_the_origin_and_the_options():
    report = check_scorer("gradient", options={"aggregation": "token-abs"})
    assert report.ok, str(report)
    assert (report.kind, report.name) == ("scorer", "gradient")
    assert report.distribution == "sparc3-bench"
    assert report.version == default_host().get("scorer", "gradient").origin.version
    assert report.options["aggregation"] == "token-abs"


def test_a_report_of_a_class_that_is_not_installed_has_no_origin():
    seen = []
    report = check_adapter(Sequential, told=seen.append)
    assert report.ok
    assert report.distribution is report.version is None
    assert tuple(seen) == report.outcomes


def test_options_that_the_scorer_refuses_are_refused_with_its_sentence():
    with pytest.raises(Sparc3Error, match="must be 'attnlrp', 'cp-lrp'"):
        check_scorer("lrp", options={"variant": "none"})


def test_a_check_that_has_nothing_to_check_is_skipped_in_pytest():
    cases = parametrize_with_checks([Sound]).args[1]
    by_name = {case.values[1].__name__: case.values for case in cases}
    plugin, check = by_name["check_halves_make_up_the_whole"]
    with pytest.raises(pytest.skip.Exception, match="no option `aggregation`"):
        check(plugin)
