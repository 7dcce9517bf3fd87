"""Cells compared by hand, and what chance brings against genotypes drawn and derived."""

from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.stability import (
    Agreement,
    agreement,
    expected_agreement,
    stability,
)
from darts_adv_tf.search_space.genotype import Genotype, derive
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE

FIRST = (
    (("sep_conv_3x3", 0), ("skip_connect", 1)),
    (("sep_conv_5x5", 0), ("dil_conv_3x3", 2)),
    (("dil_conv_5x5", 1), ("avg_pool_3x3", 3)),
    (("max_pool_3x3", 3), ("max_pool_3x3", 4)),
)
# Of the eight edges 2 + 1 + 2 + 0 are those of FIRST, and three of them have its operation.
SECOND = (
    (("sep_conv_3x3", 0), ("avg_pool_3x3", 1)),
    (("sep_conv_5x5", 1), ("dil_conv_3x3", 2)),
    (("dil_conv_5x5", 1), ("max_pool_3x3", 3)),
    (("max_pool_3x3", 0), ("max_pool_3x3", 1)),
)


def run(genotype, seed=0, arm="nas", backbone="unet"):
    nothing = [{}] * 7
    return RunResult(backbone, arm, seed, None, Path("run"), *nothing, None, genotype)


def drawn(generator):
    weights = np.exp(generator.normal(0, 1, (2, *SPACE.alpha_shape)))
    return derive(*(weights / weights.sum(axis=-1, keepdims=True)))


def test_cells_are_compared_edge_by_edge_and_kind_by_kind():
    assert agreement(Genotype(FIRST, FIRST), Genotype(SECOND, FIRST)) == {
        "normal": Agreement(5 / 8, 3 / 8),
        "reduction": Agreement(1, 1),
    }
    assert agreement(Genotype(FIRST, SECOND), Genotype(FIRST, FIRST))["reduction"] == (5 / 8, 3 / 8)


def test_chance_is_what_derived_random_weights_bring():
    generator = np.random.default_rng(0)
    pairs = [agreement(drawn(generator), drawn(generator)) for _ in range(2000)]

    assert expected_agreement(SPACE) == pytest.approx((77 / 120, 11 / 120))
    for kind in ("normal", "reduction"):
        # Standard errors of 0.003 and 0.002.
        observed = np.mean([pair[kind] for pair in pairs], axis=0)
        assert observed == pytest.approx(expected_agreement(SPACE), abs=0.01)


def test_three_seeds_agree_as_their_three_pairs_do_on_average():
    runs = [
        run(Genotype(FIRST, FIRST), seed=0),
        run(Genotype(SECOND, FIRST), seed=1),
        run(Genotype(FIRST, FIRST), seed=2),
    ]

    (found,) = stability(runs)

    assert (found.backbone, found.arm, found.num_seeds) == ("unet", "nas", 3)
    assert found.agreement["normal"] == pytest.approx(((5 + 8 + 5) / 24, (3 + 8 + 3) / 24))
    assert found.agreement["reduction"] == (1, 1)
    assert found.chance == expected_agreement(SPACE)
    assert found.operations["normal"] == {
        "max_pool_3x3": 2 * 2 + 3,
        "avg_pool_3x3": 2 * 1 + 1,
        "skip_connect": 2 * 1,
        "sep_conv_3x3": 2 * 1 + 1,
        "sep_conv_5x5": 2 * 1 + 1,
        "dil_conv_3x3": 2 * 1 + 1,
        "dil_conv_5x5": 2 * 1 + 1,
    }
    assert found.operations["reduction"]["max_pool_3x3"] == 6


def test_only_what_was_searched_is_compared():
    same = Genotype(FIRST, FIRST)
    runs = [
        run(same, arm="nas_first_order", backbone="fcn32s"),
        run(same, arm="random"),
        run(same, arm="nas_first_order"),
        run(None, arm="resnet10"),
        run(None, arm="nas_segmentation"),
        run(same, seed=1),
        run(same, seed=0),
    ]

    found = stability(runs)

    assert [(each.backbone, each.arm, each.num_seeds) for each in found] == [
        ("fcn32s", "nas_first_order", 1),
        ("unet", "nas", 2),
        ("unet", "nas_first_order", 1),
    ]
    assert np.isnan(found[0].agreement["normal"]).all()
    assert found[1].agreement["normal"] == (1, 1)
    assert stability([]) == []
