"""alpha: where it starts, what it weighs, how decided it is."""

import math

import keras
import numpy as np
import pytest

from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from tests.alphas import NONE, SEPARABLE, SKIP, with_scores


def test_it_owns_both_alphas_and_nothing_else():
    architecture = Architecture()
    assert [tuple(v.shape) for v in architecture.trainable_variables] == [
        SPACE.alpha_shape,
        SPACE.alpha_shape,
    ]
    assert [v.name for v in architecture.variables] == ["alpha_normal", "alpha_reduction"]


def test_all_operations_start_nearly_equal():
    keras.utils.set_random_seed(0)
    starts = np.stack([v.numpy() for v in Architecture().variables])
    assert starts.std() == pytest.approx(1e-3, rel=0.15)
    assert abs(starts.mean()) < 2e-4
    assert not np.array_equal(*starts)


def test_the_seed_decides_the_start():
    starts = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        starts.append(Architecture().alpha_normal.numpy())
    np.testing.assert_array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0], starts[2])


def test_op_weights_are_the_softmax_over_the_operations_of_an_edge():
    normal = np.zeros(SPACE.alpha_shape)
    normal[3, SKIP] = math.log(3)
    expected = np.full(SPACE.alpha_shape, 1 / len(PUBLISHED_OPERATIONS))
    expected[3] = 0.1
    expected[3, SKIP] = 0.3
    reduction = np.random.default_rng(0).normal(size=SPACE.alpha_shape)
    received = with_scores(normal, reduction).op_weights()
    np.testing.assert_allclose(received[0], expected, rtol=1e-6)
    shares = np.exp(reduction) / np.exp(reduction).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(received[1], shares, rtol=1e-5)


def test_derived_cells_come_from_their_own_alpha():
    normal, reduction = np.zeros((2, *SPACE.alpha_shape))
    normal[:, SEPARABLE] = 2
    reduction[:, SKIP] = 2
    reduction[:, NONE] = 5
    genotype = with_scores(normal, reduction).derive()
    for cell, operation in (
        (genotype.normal, "sep_conv_5x5"),
        (genotype.reduction, "skip_connect"),
    ):
        assert {op for target in cell for op, _ in target} == {operation}
        assert [tuple(source for _, source in target) for target in cell] == [(0, 1)] * 4
